package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.midpoint.usb.ScriptedUsbDevice.Submitted;
import io.netchannel.midpoint.usb.UsbGuest.Killed;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random URBs of all types, unlinks, freezes, and a daemon that is killed at any store to its
 * in-flight table or between two: each OUT is at the device once at most and in its order, what an
 * IN took comes to the guest once at most and in its order, and each URB has one outcome.
 */
final class UsbCrashPropertyTest {
  private static final int SEEDS = 150;
  private static final int STEPS = 250;

  static List<Integer> seeds() {
    List<Integer> seeds = new ArrayList<>();
    for (int seed = 0; seed < SEEDS; seed++) {
      seeds.add(seed);
    }
    return seeds;
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void nothingIsDoneTwiceAndAllHasAnOutcome(int seed) {
    new Run(seed).go();
  }

  private static final class Run {
    private final String context;
    private final Random random;
    private final boolean kills;
    private final UsbGuest guest;
    private final RandomUrbs load;
    private int killed;

    Run(int seed) {
      context = "seed " + seed;
      random = new Random(seed);
      kills = seed % 5 != 0;
      guest =
          new UsbGuest(
              new BufferBudget(BufferBudget.UNIT_BYTES),
              seed % 2 == 0 ? Driver.STOCK : Driver.FIXED);
      load = new RandomUrbs(context, random, guest);
    }

    void go() {
      guest.served();
      for (int step = 0; step < STEPS; step++) {
        try {
          step();
        } catch (Killed killedAtAStore) {
          restart();
        }
      }
      guest.storesToLive = 0;
      finish();
      load.check(killed > 0);
      assertThat(load.count()).as(context).isGreaterThan(STEPS / 10);
    }

    private void step() {
      switch (random.nextInt(14)) {
        case 0, 1, 2 -> submit();
        case 3 -> load.unlinkAny();
        case 4, 5 -> serveAny();
        case 6 -> {
          guest.device.endUnlinked();
          guest.device.resets.forEach(reset -> reset.complete(UrbStatus.OK));
        }
        case 7, 8, 9 -> guest.midPoint.doWork();
        case 10, 11 -> guest.driver.poll();
        case 12 -> guest.nanos += TimeUnit.MILLISECONDS.toNanos(random.nextInt(300));
        case 13 -> {
          if (random.nextInt(8) == 0) {
            freeze();
          } else if (kills && random.nextInt(3) == 0) {
            restart();
          } else if (kills) {
            guest.storesToLive = 1 + random.nextInt(20);
          }
        }
        default -> throw new IllegalStateException();
      }
    }

    // ---- the guest

    private void submit() {
      if (guest.driver.outstanding() <= 24) {
        load.submit();
      }
    }

    /** Suspends and resumes on this host, when all is unlinked. */
    private void freeze() {
      guest.driver.freeze();
      untilNothingIsLeft();
      guest.domain.suspend();
      guest.domain.resume();
      guest.driver.resume();
      guest.settle();
    }

    // ---- the device

    private void serveAny() {
      List<Submitted> firsts = guest.device.firsts();
      if (!firsts.isEmpty()) {
        guest.device.serve(firsts.get(random.nextInt(firsts.size())));
      }
    }

    // ---- the daemon

    private void restart() {
      boolean alive = false;
      while (!alive) {
        killed++;
        // Of what is at the device some is done, and nobody hears of it.
        while (random.nextBoolean() && !guest.device.submitted.isEmpty()) {
          List<Submitted> firsts = guest.device.firsts();
          Submitted one = firsts.get(random.nextInt(firsts.size()));
          guest.gadget.serve(one.urb());
          guest.device.submitted.remove(one);
        }
        try {
          guest.restart(random.nextInt(4) == 0 ? 1 + random.nextInt(20) : 0);
          alive = true;
        } catch (Killed again) {
          // another one
        }
      }
    }

    private void finish() {
      untilNothingIsLeft();
      guest.settle();
    }

    private void untilNothingIsLeft() {
      for (int round = 0; guest.driver.outstanding() > 0; round++) {
        assertThat(round).as("%s: rounds with something left", context).isLessThan(2_000);
        serveAny();
        guest.device.endUnlinked();
        guest.device.resets.forEach(reset -> reset.complete(UrbStatus.OK));
        guest.nanos += TimeUnit.MILLISECONDS.toNanos(100);
        guest.settle();
      }
    }
  }
}
