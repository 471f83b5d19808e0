package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.DescriptorLoop;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ReaperTest {
  private static final int ALL = Usbfs.COMPLETED | Usbfs.GONE;

  /** Among the addresses: those before were told. */
  private static final long TOLD = -1;

  private DescriptorLoop loop;

  private final List<Long> reaped = new ArrayList<>();
  private final Polled usbfs = new Polled();
  private final Reaper reaper = new Reaper(usbfs, new Noted(), () -> loop);

  private final class Noted implements Reaper.Taker {
    @Override
    public boolean reaped(long urb) {
      return reaped.add(urb);
    }

    @Override
    public void reapedOnLoop() {
      reaped.add(TOLD);
    }
  }

  /** Notes what is waited for, and gives what a test has said. */
  private static final class Polled extends NoUsbfs {
    private final List<List<Integer>> waits = new ArrayList<>();
    private final List<Long> ready = new ArrayList<>();
    private int found;
    private long otherwise = -Errno.EAGAIN;

    @Override
    public int await(int events, int boundMillis) {
      waits.add(List.of(events, boundMillis));
      return events & found;
    }

    @Override
    public long reap() {
      return ready.isEmpty() ? otherwise : ready.remove(0);
    }
  }

  @Test
  void whatIsDoneIsReapedToTheLast() {
    usbfs.found = Usbfs.COMPLETED;
    usbfs.ready.addAll(List.of(16L, 32L));
    assertThat(reaper.await(-1)).isTrue();
    assertThat(reaped).containsExactly(16L, 32L);
    assertThat(reaper.await(20)).isTrue();
    assertThat(usbfs.waits).containsExactly(List.of(ALL, -1), List.of(ALL, 20));
  }

  @Test
  void aPollThatSaysSoAllTheTimeIsNotBelieved() {
    usbfs.found = Usbfs.COMPLETED;
    for (int i = 0; i < 7; i++) {
      reaper.await(-1);
    }
    assertThat(usbfs.waits)
        .containsExactly(
            List.of(ALL, -1),
            List.of(Usbfs.GONE, 1),
            List.of(Usbfs.GONE, 2),
            List.of(Usbfs.GONE, 4),
            List.of(Usbfs.GONE, 8),
            List.of(Usbfs.GONE, 16),
            List.of(Usbfs.GONE, 16));
    usbfs.waits.clear();
    usbfs.ready.add(16L);
    reaper.await(5);
    reaper.await(-1);
    assertThat(usbfs.waits).containsExactly(List.of(Usbfs.GONE, 5), List.of(ALL, -1));
  }

  @Test
  void aDeviceThatIsGoneIsReapedFirst() {
    usbfs.found = Usbfs.GONE;
    usbfs.ready.add(16L);
    assertThat(reaper.await(-1)).isFalse();
    assertThat(reaped).containsExactly(16L);
  }

  @Test
  void theErrorOfAReapTellsItToo() {
    usbfs.otherwise = -Errno.ENODEV;
    assertThat(reaper.await(-1)).isFalse();
  }

  /** poll tells at once that it is gone, again and again. */
  @Test
  void theLastAreReapedAfterPauses() {
    usbfs.found = Usbfs.GONE;
    reaper.reapLast();
    assertThat(usbfs.waits).containsExactly(List.of(0, 16));
  }
}
