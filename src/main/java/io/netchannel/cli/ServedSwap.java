package io.netchannel.cli;

import io.netchannel.device.Device;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorOwner;
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.device.mirror.MirrorStatus;
import io.netchannel.threads.LastResort;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * A device that is exchanged for another one while {@code nbd-export} serves it. What becomes of it
 * is told line by line: "swap: copying", "swap: in sync", "swap: switched", "swap: done".
 *
 * <pre>
 *   (the mirror's states) --> ALONE --the source has nothing of it any more--> done
 *                               |                  ^
 *                               +--leg timeout: told, and the source is closed
 * </pre>
 *
 * A source that is at a device server lets go at once when it is closed, and its place there may
 * stay taken; one of this host's kernel, or of an NBD server that is there, when it answers.
 *
 * <p>Nothing outlives the process: whoever starts it next names the device that is the right one.
 */
final class ServedSwap extends ForwardingDevice {
  private static final long TICK_MILLIS = 100;

  /** What {@link MirrorDevice} needs at most. */
  private static final long BUFFER_BYTES = 16L << 20;

  private final MirrorDevice mirror;
  private final ScheduledExecutorService timer;
  private final Duration legTimeout;
  private final Progress progress;

  /** Since when the target is the disk; on the timer's thread, as the next. */
  private OptionalLong aloneNanos = OptionalLong.empty();

  private boolean givenUp;

  private ServedSwap(
      MirrorDevice mirror, ScheduledExecutorService timer, Duration legTimeout, Progress progress) {
    super(mirror);
    this.mirror = mirror;
    this.timer = timer;
    this.legTimeout = legTimeout;
    this.progress = progress;
  }

  /**
   * A swap that has not begun.
   *
   * @param device the one that is served; closed with it, as is {@code target}
   * @param legTimeout how long the target may keep a request before the copy pauses, and the source
   *     after the switch before it is given up
   * @param out told what becomes of it
   */
  static ServedSwap of(
      Device device, Device target, boolean targetIsZero, Duration legTimeout, PrintWriter out) {
    ScheduledExecutorService timer =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "swap");
              thread.setDaemon(true);
              return thread;
            });
    Progress progress = new Progress(out, timer);
    MirrorDevice mirror =
        new MirrorDevice(
            device,
            target,
            new MirrorSettings(targetIsZero, false, true, true, false, legTimeout),
            new BufferBudget(BUFFER_BYTES),
            progress,
            System::nanoTime);
    progress.of(mirror);
    return new ServedSwap(mirror, timer, legTimeout, progress);
  }

  /** Begins when {@code delay} has passed. */
  void begin(Duration delay) {
    schedule(mirror::resume, delay.toMillis());
    schedule(this::tick, TICK_MILLIS);
  }

  private void tick() {
    mirror.tick();
    if (!givenUp && isSourceSilent(System.nanoTime())) {
      givenUp = true;
      giveSourceUp();
    }
    schedule(this::tick, TICK_MILLIS);
  }

  /** The target is the disk, and somebody waits for what the source had before. */
  private boolean isSourceSilent(long nowNanos) {
    if (mirror.status().state() != MirrorState.ALONE || mirror.left().isDone()) {
      return false;
    }
    if (aloneNanos.isEmpty()) {
      aloneNanos = OptionalLong.of(nowNanos);
    }
    return nowNanos - aloneNanos.getAsLong() >= legTimeout.toNanos();
  }

  /** Its close may wait as long as it is silent. */
  private void giveSourceUp() {
    progress.say(
        "the source has not answered for %d s and is closed; what it had from clients is answered when it lets go of it"
            .formatted(legTimeout.toSeconds()));
    Thread closer =
        new Thread(
            () -> {
              mirror.leader().keepPlace();
              mirror.leader().close();
            },
            "source");
    closer.setDaemon(true);
    closer.start();
  }

  private void schedule(Runnable task, long millis) {
    Runnable told =
        () -> {
          try {
            task.run();
          } catch (RuntimeException | Error e) {
            LastResort.end("the swap has ended by an error", e);
          }
        };
    try {
      var unused = timer.schedule(told, millis, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      // It is being closed.
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
    super.close();
  }

  /** Tells what becomes of it. There is no journal: that it was told is the record. */
  private static final class Progress implements MirrorOwner {
    private final PrintWriter out;

    /** Writes: clients do not wait for whoever reads what is told. */
    private final Executor writer;

    // Guarded by this.
    private MirrorDevice mirror;
    private String told = "";

    Progress(PrintWriter out, Executor writer) {
      this.out = out;
      this.writer = writer;
    }

    synchronized void of(MirrorDevice begun) {
      mirror = begun;
    }

    @Override
    public CompletableFuture<Void> recordSwitch() {
      tell("in sync");
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public synchronized void changed() {
      MirrorStatus status = mirror.status();
      switch (status.state()) {
        case COPYING -> tell("copying");
        case PAUSED -> tell("waits: " + status.reason());
        case ALONE -> {
          if (!told.equals("done")) {
            tell(status.reason().isEmpty() ? "switched" : "switched: " + status.reason());
            if (mirror.left().isDone()) {
              tell("done");
            }
          }
        }
        case CONVERGING, FLUSHING, SYNC, RECORDING, JOINING, DROPPING, ABORTED -> {}
      }
    }

    private synchronized void tell(String line) {
      if (!line.equals(told)) {
        told = line;
        say(line);
      }
    }

    void say(String line) {
      try {
        writer.execute(
            () -> {
              out.println("swap: " + line);
              out.flush();
            });
      } catch (RejectedExecutionException e) {
        // It is being closed.
      }
    }
  }
}
