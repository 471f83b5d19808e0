package io.netchannel.wire;

import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoRegistration;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Looks for events for a short while before it sleeps, as long as they mostly come that soon: to
 * wake a thread on a processor that sleeps takes longer than all that is done for a small request,
 * and each request has four such wake-ups. QEMU's I/O threads do the same (poll-max-ns). Between
 * two looks any other thread may have the processor, so what is burnt is time that nobody wants.
 *
 * <pre>
 *   credit = 0: sleeps at once     credit > 0: looks, then sleeps
 *   a wait shorter than LONGEST_NANOS: credit + 1, at most MAX_CREDIT; a longer one: credit - 1
 * </pre>
 */
final class PollingIo implements IoHandler {
  /**
   * A request of one block takes about as long when every thread sleeps: with less, one that comes
   * after the other is never early enough to be looked for.
   */
  static final long LONGEST_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

  /** A few slow requests among fast ones change nothing; a disk that falls idle stops it soon. */
  static final int MAX_CREDIT = 8;

  private final IoHandler io;
  private final LongSupplier nanoTime;
  private final Look look = new Look();
  private int credit;

  PollingIo(IoHandler io, LongSupplier nanoTime) {
    this.io = io;
    this.nanoTime = nanoTime;
  }

  /** The handlers of {@code factory}, polling; as they are where there is one processor only. */
  static IoHandlerFactory over(IoHandlerFactory factory) {
    return Runtime.getRuntime().availableProcessors() == 1
        ? factory
        : executor -> new PollingIo(factory.newHandler(executor), System::nanoTime);
  }

  @Override
  @SuppressWarnings("ThreadPriorityCheck") // nothing depends on the yield but who gets the time
  public int run(IoHandlerContext context) {
    if (!context.canBlock()) {
      return io.run(context);
    }
    look.context = context;
    long began = nanoTime.getAsLong();
    if (credit > 0) {
      look.maySleep = false;
      do {
        int handled = io.run(look);
        if (handled > 0) {
          credit = Math.min(MAX_CREDIT, credit + 1);
          return handled;
        }
        if (!context.canBlock()) {
          return 0; // a task has come
        }
        Thread.yield();
      } while (nanoTime.getAsLong() - began < LONGEST_NANOS);
    }
    look.maySleep = true;
    look.activeNanos = 0;
    int handled = io.run(look);
    long waitedNanos = nanoTime.getAsLong() - began - look.activeNanos;
    credit =
        waitedNanos < LONGEST_NANOS ? Math.min(MAX_CREDIT, credit + 1) : Math.max(0, credit - 1);
    return handled;
  }

  /** What the event loop says, but that there is no time to sleep; and how long events took. */
  private static final class Look implements IoHandlerContext {
    private IoHandlerContext context;
    private boolean maySleep;
    private long activeNanos;

    @Override
    public boolean canBlock() {
      return maySleep && context.canBlock();
    }

    @Override
    public long delayNanos(long currentTimeNanos) {
      return context.delayNanos(currentTimeNanos);
    }

    @Override
    public long deadlineNanos() {
      return context.deadlineNanos();
    }

    @Override
    public boolean shouldReportActiveIoTime() {
      return true;
    }

    @Override
    public void reportActiveIoTime(long nanos) {
      activeNanos = nanos;
      if (context.shouldReportActiveIoTime()) {
        context.reportActiveIoTime(nanos);
      }
    }
  }

  @Override
  public void initialize() {
    io.initialize();
  }

  @Override
  public void wakeup() {
    io.wakeup();
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    return io.register(handle);
  }

  @Override
  public boolean isCompatible(Class<? extends IoHandle> type) {
    return io.isCompatible(type);
  }

  @Override
  public void prepareToDestroy() {
    io.prepareToDestroy();
  }

  @Override
  public void destroy() {
    io.destroy();
  }
}
