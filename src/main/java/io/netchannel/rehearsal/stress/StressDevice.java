package io.netchannel.rehearsal.stress;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A disk that has its guest's mark everywhere: keeps nothing, and sees it when it is given somebody
 * else's data. Each request takes some time.
 */
final class StressDevice implements Device {
  /** A request of the longest length takes so long on a fast disk, with others before it. */
  private static final long SERVICE_MILLIS = 5;

  private static final int BLOCK_BYTES = 512;
  private static final int PATTERN_BYTES = 64 << 10;

  private final long sizeBytes;
  private final long mark;
  private final byte[] pattern = new byte[PATTERN_BYTES];
  private final ScheduledExecutorService timer;
  private final Consumer<String> violations;
  private int running;

  StressDevice(
      long sizeBytes, long mark, ScheduledExecutorService timer, Consumer<String> violations) {
    this.sizeBytes = sizeBytes;
    this.mark = mark;
    this.timer = timer;
    this.violations = violations;
    ByteBuffer words = ByteBuffer.wrap(pattern);
    while (words.hasRemaining()) {
      words.putLong(mark);
    }
  }

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(sizeBytes, BLOCK_BYTES, BLOCK_BYTES, false, false, false, 0, false);
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    later(
        () -> {
          ByteBuffer target = data.duplicate();
          while (target.hasRemaining()) {
            target.put(pattern, 0, Math.min(target.remaining(), PATTERN_BYTES));
          }
          completion.complete(Outcome.OK);
        });
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    later(
        () -> {
          for (int at = data.position(); at < data.limit(); at += GrantTable.PAGE_BYTES) {
            if (data.getLong(at) != mark) {
              violations.accept(
                  "guest %d wrote %d bytes into its memory, and byte %d at the device is %x"
                      .formatted(mark, data.remaining(), at, data.getLong(at)));
              break;
            }
          }
          completion.complete(Outcome.OK);
        });
  }

  @Override
  public void flush(Completion completion) {
    completion.complete(Outcome.OK);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    completion.complete(Outcome.UNSUPPORTED);
  }

  private void later(Runnable action) {
    begin();
    Runnable whole =
        () -> {
          action.run();
          end();
        };
    try {
      var unused = timer.schedule(whole, SERVICE_MILLIS, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      whole.run(); // all is being closed
    }
  }

  private synchronized void begin() {
    running++;
  }

  private synchronized void end() {
    running--;
    notifyAll();
  }

  @Override
  public synchronized void close() {
    boolean interrupted = false;
    while (running > 0) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
