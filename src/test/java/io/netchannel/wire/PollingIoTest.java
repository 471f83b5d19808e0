package io.netchannel.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoRegistration;
import org.junit.jupiter.api.Test;

/** On a clock that moves when somebody looks or sleeps. */
final class PollingIoTest {
  private static final long LOOK_NANOS = 1_000;
  private static final long EVENT_NANOS = 10 * PollingIo.LONGEST_NANOS;

  private long nanos;
  private boolean taskWaits;
  private final Sockets sockets = new Sockets();
  private final PollingIo polling = new PollingIo(sockets, () -> nanos);

  @Test
  void sleepsAtOnceUntilEventsComeSoon() {
    eventAfter(PollingIo.LONGEST_NANOS / 2);
    assertThat(sockets.looks).isZero();
    assertThat(sockets.sleeps).isEqualTo(1);

    eventAfter(PollingIo.LONGEST_NANOS / 2);
    assertThat(sockets.looks).isPositive();
    assertThat(sockets.sleeps).isEqualTo(1);
  }

  @Test
  void looksNoLongerThanItsBound() {
    eventAfter(PollingIo.LONGEST_NANOS / 2);
    eventAfter(20 * PollingIo.LONGEST_NANOS);
    assertThat(sockets.sleeps).isEqualTo(2);
    assertThat(sockets.looks).isEqualTo(PollingIo.LONGEST_NANOS / LOOK_NANOS);
  }

  @Test
  void sleepsAtOnceWhenItHasLookedInVainForSomeTime() {
    for (int i = 0; i < 3 * PollingIo.MAX_CREDIT; i++) {
      eventAfter(PollingIo.LONGEST_NANOS / 2);
    }
    for (int i = 0; i < PollingIo.MAX_CREDIT; i++) {
      eventAfter(20 * PollingIo.LONGEST_NANOS);
    }
    long looks = sockets.looks;
    eventAfter(20 * PollingIo.LONGEST_NANOS);
    assertThat(sockets.looks).isEqualTo(looks);
  }

  @Test
  void aTaskOfAnotherThreadIsNotKeptWaiting() {
    eventAfter(PollingIo.LONGEST_NANOS / 2);
    sockets.eventNanos = Long.MAX_VALUE;
    sockets.taskAfterLooks = 3;
    assertThat(polling.run(context)).isZero();
    assertThat(sockets.looks).isEqualTo(3);
    assertThat(sockets.sleeps).isEqualTo(1);
  }

  @Test
  void whoHasTasksOnlyGetsWhatIsThere() {
    taskWaits = true;
    sockets.eventNanos = nanos;
    assertThat(polling.run(context)).isEqualTo(1);
    assertThat(sockets.sleeps).isZero();
  }

  /** What events take to be handled is no time of waiting: 10 times the bound here. */
  private void eventAfter(long delayNanos) {
    sockets.eventNanos = nanos + delayNanos;
    assertThat(polling.run(context)).isEqualTo(1);
  }

  private final IoHandlerContext context =
      new IoHandlerContext() {
        @Override
        public boolean canBlock() {
          return !taskWaits;
        }

        @Override
        public long delayNanos(long currentTimeNanos) {
          return Long.MAX_VALUE;
        }

        @Override
        public long deadlineNanos() {
          return -1;
        }
      };

  private final class Sockets implements IoHandler {
    private long eventNanos;
    private long looks;
    private long sleeps;
    private long taskAfterLooks = Long.MAX_VALUE;

    @Override
    public int run(IoHandlerContext caller) {
      if (caller.canBlock()) {
        sleeps++;
        nanos = Math.max(nanos, eventNanos);
      } else {
        looks++;
        nanos += LOOK_NANOS;
        taskWaits |= looks == taskAfterLooks;
      }
      if (nanos < eventNanos) {
        return 0;
      }
      nanos += EVENT_NANOS;
      if (caller.shouldReportActiveIoTime()) {
        caller.reportActiveIoTime(EVENT_NANOS);
      }
      return 1;
    }

    @Override
    public void wakeup() {}

    @Override
    public IoRegistration register(IoHandle handle) {
      throw new UnsupportedOperationException("nothing is registered here");
    }

    @Override
    public boolean isCompatible(Class<? extends IoHandle> type) {
      return false;
    }

    @Override
    public void prepareToDestroy() {}

    @Override
    public void destroy() {}
  }
}
