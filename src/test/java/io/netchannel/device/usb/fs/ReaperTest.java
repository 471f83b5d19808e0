package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ReaperTest {
  private static final int ALL = Usbfs.COMPLETED | Usbfs.GONE;

  /** Among the addresses: those before were told. */
  private static final long TOLD = -1;

  private ScriptedLoop loop;

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
    private int wakes;

    /** Done within the next wait. */
    private Runnable meanwhile = () -> {};

    @Override
    public int await(int events, int boundMillis) {
      waits.add(List.of(events, boundMillis));
      Runnable once = meanwhile;
      meanwhile = () -> {};
      once.run();
      return events & found;
    }

    @Override
    public int descriptor() {
      return 42;
    }

    @Override
    public void wake() {
      wakes++;
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

  private void onTheLoop(Runnable what) {
    usbfs.meanwhile = what;
    reaper.await(-1);
  }

  @Test
  void aLoopReapsAndTellsWhileTheDevicesThreadSleeps() {
    loop = new ScriptedLoop();
    onTheLoop(
        () -> {
          usbfs.ready.addAll(List.of(16L, 32L));
          loop.watcher().ready(false);
          assertThat(reaped).containsExactly(16L, 32L, TOLD);
        });
    assertThat(usbfs.waits).containsExactly(List.of(0, -1), List.of(ALL, 0));
    assertThat(usbfs.wakes).as("of the device's thread").isZero();
    assertThat(loop.calls()).containsExactly("watch 42");
  }

  @Test
  void theDevicesThreadHasItBackWhenItIsAwake() {
    loop = new ScriptedLoop();
    onTheLoop(() -> {});
    usbfs.ready.add(16L);
    loop.watcher().ready(false);
    loop.watcher().ready(false);
    assertThat(reaped).isEmpty();
    assertThat(loop.calls()).as("not told again and again").containsExactly("watch 42", "ignore");
    assertThat(reaper.await(0)).isTrue();
    assertThat(reaped).containsExactly(16L);
    onTheLoop(() -> assertThat(loop.calls()).containsExactly("watch 42", "ignore", "listen"));
  }

  @Test
  void aLoopIsNotLentWhatHasABound() {
    loop = new ScriptedLoop();
    reaper.await(20);
    assertThat(usbfs.waits).containsExactly(List.of(ALL, 20));
    assertThat(loop.calls()).isEmpty();
  }

  /** It would be told without end where something else plays the device. */
  @Test
  void aLoopThatFindsNothingGivesItBack() {
    loop = new ScriptedLoop();
    usbfs.found = Usbfs.COMPLETED;
    onTheLoop(() -> loop.watcher().ready(false));
    assertThat(usbfs.wakes).isOne();
    assertThat(reaped).as("and nothing is told").isEmpty();
    usbfs.waits.clear();
    reaper.await(-1);
    assertThat(usbfs.waits).as("in growing pauses").containsExactly(List.of(Usbfs.GONE, 1));
    usbfs.ready.add(16L);
    reaper.await(-1);
    usbfs.waits.clear();
    reaper.await(-1);
    assertThat(usbfs.waits).as("and is lent it again").contains(List.of(0, -1));
  }

  @Test
  void whatIsBrokenTheDevicesThreadEnds() {
    loop = new ScriptedLoop();
    usbfs.otherwise = -Errno.ENODEV;
    usbfs.ready.add(16L);
    usbfs.meanwhile = () -> loop.watcher().ready(true);
    assertThat(reaper.await(-1)).isFalse();
    assertThat(usbfs.wakes).isOne();
    assertThat(reaped).containsExactly(16L);
    assertThat(loop.calls()).containsExactly("watch 42", "cancel");
  }

  @Test
  void aLoopThatEndsIsNotWaitedFor() {
    loop = new ScriptedLoop();
    onTheLoop(() -> loop.watcher().over());
    assertThat(usbfs.wakes).isOne();
    usbfs.waits.clear();
    usbfs.ready.add(16L);
    reaper.await(-1);
    assertThat(usbfs.waits).containsExactly(List.of(ALL, -1));
    assertThat(reaped).containsExactly(16L);
  }

  @Test
  void anotherLoopHasItAfterTheFirst() {
    loop = new ScriptedLoop();
    onTheLoop(() -> {});
    ScriptedLoop first = loop;
    loop = new ScriptedLoop();
    usbfs.ready.add(16L);
    onTheLoop(
        () -> {
          first.watcher().ready(false);
          assertThat(reaped).as("by the first").isEmpty();
          loop.watcher().ready(false);
        });
    assertThat(reaped).containsExactly(16L, TOLD);
    assertThat(first.calls()).containsExactly("watch 42", "cancel", "ignore");
    reaper.end();
    assertThat(loop.calls()).containsExactly("watch 42", "cancel");
    usbfs.ready.add(32L);
    loop.watcher().ready(false);
    assertThat(reaped).as("after the end").doesNotContain(32L);
  }
}
