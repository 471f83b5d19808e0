package io.netchannel.device.filter;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.SourceOptions;
import io.netchannel.threads.LastResort;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Phaser;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Holds requests back before they reach the device, as a slow storage path does: {@code
 * delay:read=300ms,write=2s,flush=10ms,discard=1s,zero=1s,jitter=50ms,seed=7}. A held write is not
 * on the device yet, so it lands late: that is the hazard of a migration.
 *
 * <p>{@code jitter} adds a random time up to its value to each delay that is set; then requests
 * overtake each other, which a device may do. Close waits for what is held back.
 */
public final class DelayFilter extends ForwardingDevice {
  static final List<String> OPTIONS =
      List.of("read", "write", "flush", "discard", "zero", "jitter", "seed");

  /** The phase of {@link #held} until all that was held has been passed on, after the close. */
  private static final int OPEN = 0;

  /** How long each kind of request is held back; zero lets it pass at once. */
  public record Delays(
      Duration read,
      Duration write,
      Duration flush,
      Duration discard,
      Duration zero,
      Duration jitter) {}

  private final Delays delays;
  private final ScheduledExecutorService timer;
  private final Jitter jitter;

  /** One party for the open filter and one per held request; ends when all have left. */
  private final Phaser held = new Phaser(1);

  private final AtomicBoolean closing = new AtomicBoolean();

  /**
   * @param timer shared with others; its tasks only submit
   * @param random source of the jitter
   */
  public DelayFilter(Device device, Delays delays, ScheduledExecutorService timer, Random random) {
    super(device);
    this.delays = delays;
    this.timer = timer;
    jitter = new Jitter(random, delays.jitter());
  }

  /** Reads the options of the text form. */
  public static SourceFilter<Device> parse(String text, ScheduledExecutorService timer)
      throws DeviceException {
    SourceOptions options = new SourceOptions("filter delay", text, OPTIONS);
    Delays delays =
        new Delays(
            options.duration("read"),
            options.duration("write"),
            options.duration("flush"),
            options.duration("discard"),
            options.duration("zero"),
            options.duration("jitter"));
    long seed = options.number("seed", 0);
    return device -> new DelayFilter(device, delays, timer, new Random(seed));
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    after(delays.read, () -> device.read(offsetBytes, data, completion));
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    after(delays.write, () -> device.write(offsetBytes, data, completion));
  }

  @Override
  public void flush(Completion completion) {
    after(delays.flush, () -> device.flush(completion));
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    after(delays.discard, () -> device.discard(offsetBytes, lengthBytes, completion));
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    after(delays.zero, () -> device.zero(offsetBytes, lengthBytes, mayDeallocate, completion));
  }

  @Override
  public void close() {
    if (closing.compareAndSet(false, true)) {
      held.arriveAndDeregister();
    }
    held.awaitAdvance(OPEN); // all that is held has been passed on
    super.close();
  }

  private void after(Duration delay, Runnable submit) {
    // Registration fails once closed: the device below answers for that.
    if (delay.isZero() || held.register() < 0) {
      submit.run();
      return;
    }
    long nanos = delay.toNanos() + jitter.nextNanos();
    Runnable passOn =
        () -> {
          try {
            submit.run();
          } catch (RuntimeException | Error e) {
            LastResort.end("a delayed request did not get to its device", e);
          } finally {
            held.arriveAndDeregister();
          }
        };
    try {
      var unused = timer.schedule(passOn, nanos, TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException e) {
      passOn.run(); // the process ends; late is not needed any more, completed is
    }
  }
}
