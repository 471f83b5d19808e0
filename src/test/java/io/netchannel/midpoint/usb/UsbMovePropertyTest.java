package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.midpoint.MidPoint.State;
import io.netchannel.midpoint.usb.ScriptedUsbDevice.Submitted;
import io.netchannel.midpoint.usb.UsbGuest.Killed;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random URBs, and a guest that moves to another host at any point, or is to and stays, with
 * daemons that are killed at any step: what {@link RandomUrbs} says, nothing is shown to the guest
 * of a device that stays the same, and no driver is harmed.
 */
final class UsbMovePropertyTest {
  private static final int SEEDS = 120;
  private static final int STEPS = 200;
  private static final Duration BOUND = Duration.ofSeconds(1);

  static IntStream seeds() {
    return IntStream.range(0, SEEDS);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void aGuestMovesWithItsDeviceAndNothingIsLost(int seed) {
    new Run(seed).go();
  }

  private static final class Run {
    private final String context;
    private final Random random;
    private final Driver driver;
    private final boolean kills;

    /** How many URBs the guest has at once. */
    private int most;

    /** How many it has had at once. */
    private int peak;

    private final RandomUrbs load;
    private UsbGuest guest;
    private long generation = 1;
    private boolean killed;

    Run(int seed) {
      context = "seed " + seed;
      random = new Random(seed);
      driver = seed % 2 == 0 ? Driver.STOCK : Driver.FIXED;
      kills = seed % 3 == 0;
      most = 1 + random.nextInt(driver == Driver.FIXED || seed % 10 == 0 ? 14 : 8);
      guest = new UsbGuest(new BufferBudget(BufferBudget.UNIT_BYTES), driver);
      load = new RandomUrbs(context, random, guest);
    }

    void go() {
      guest.served();
      for (int step = 0; step < STEPS; step++) {
        step();
      }
      untilNothingIsLeft();
      load.check(killed);
      assertThat(guest.driver.speeds()).as("%s: nothing is shown", context).containsExactly(2);
      assertThat(guest.midPoint.lost()).as(context).isEmpty();
    }

    private void step() {
      switch (random.nextInt(12)) {
        case 0, 1, 2 -> submit(load::submit);
        case 3 -> load.unlinkAny();
        case 4, 5 -> serveAny();
        case 6 -> endings();
        case 7, 8, 9 -> work();
        case 10 -> guest.nanos += TimeUnit.MILLISECONDS.toNanos(random.nextInt(40));
        case 11 -> {
          if (random.nextInt(3) == 0) {
            move();
          }
        }
        default -> throw new IllegalStateException();
      }
    }

    /**
     * The stock driver hears of an answer before it submits again: it has a slot for each, but not
     * for one of the ring of before. On the machine that is a race of some instructions.
     */
    private void work() {
      guest.midPoint.doWork();
      if (driver == Driver.STOCK || random.nextBoolean()) {
        guest.driver.poll();
      }
    }

    private void submit(Runnable one) {
      if (guest.driver.outstanding() < most) {
        one.run();
        peak = Math.max(peak, guest.driver.outstanding());
      }
    }

    private void serveAny() {
      List<Submitted> firsts = guest.device.firsts();
      if (!firsts.isEmpty()) {
        guest.device.serve(firsts.get(random.nextInt(firsts.size())));
      }
    }

    private void endings() {
      guest.device.endUnlinked();
      guest.device.resets.forEach(reset -> reset.complete(UrbStatus.OK));
    }

    // ---- the move

    /** With what goes wrong on the way. */
    private void move() {
      guest.midPoint.suspending(true);
      guest.driver.freeze();
      untilNothingIsLeft();
      guest.domain.suspend();
      Optional<UsbManifest> manifest = seal();
      boolean stays = manifest.isEmpty() || random.nextInt(3) == 0;
      if (stays) {
        manifest.ifPresent(known -> unseal());
        guest.midPoint.suspending(false);
        guest.domain.resume();
        if (driver == Driver.FIXED && random.nextBoolean()) {
          guest.driver.resume(); // else the suspend was cancelled, and its rings are as before
        }
      } else {
        takeOver(UsbGuest.sent(manifest.get()));
      }
      window();
    }

    /** Empty when the guest must not be moved. */
    private Optional<UsbManifest> seal() {
      CompletableFuture<UsbManifest> sealed = guest.midPoint.seal(BOUND);
      guest.settle();
      if (sealed.isCompletedExceptionally()) {
        assertThat(guest.midPoint.obstacle()).as(context).isPresent();
        assertThat(driver).as(context).isEqualTo(Driver.STOCK);
        assertThat(peak).as(context).isGreaterThan(8);
        return Optional.empty();
      }
      assertThat(guest.midPoint.status().state()).as(context).isEqualTo(State.SEALED);
      assertThat(sealed.join().unanswered()).as(context).isEmpty();
      if (dies()) {
        restart(true);
      }
      return Optional.of(sealed.join());
    }

    private void unseal() {
      generation++;
      guest.await(guest.midPoint.unseal(generation));
      if (dies()) {
        restart(false);
      }
    }

    private void takeOver(UsbManifest manifest) {
      if (driver == Driver.STOCK) {
        most = peak; // one that has more later than it ever had is not foreseen
      }
      generation++;
      UsbGuest next = new UsbGuest(guest);
      UsbGuest before = guest;
      guest = next;
      load.moved(next);
      try {
        next.storesToLive = dies() ? 1 + random.nextInt(20) : 0;
        next.await(next.midPoint.takeOver(next.device, generation, manifest));
        next.storesToLive = 0;
      } catch (Killed half) {
        restart(false);
      }
      before.await(before.midPoint.retire());
      assertThat(before.device.submitted).as(context).isEmpty();
      if (dies()) {
        restart(false);
      }
      next.driver.resume(next.domain);
    }

    /** What drivers submit before they have a ring, as many INs as they may have had. */
    private void window() {
      for (int urb = random.nextInt(most + 1); urb > 0; urb--) {
        submit(load::submitIn);
      }
      if (dies()) {
        guest.storesToLive = 1 + random.nextInt(30);
        try {
          guest.settle();
        } catch (Killed atAStore) {
          restart(false);
        }
        guest.storesToLive = 0;
      }
      guest.settle();
    }

    // ---- daemons

    private boolean dies() {
      return kills && random.nextInt(3) == 0;
    }

    private void restart(boolean sealed) {
      killed = true;
      guest.restart(0, generation, sealed);
    }

    private void untilNothingIsLeft() {
      for (int round = 0; guest.driver.outstanding() > 0; round++) {
        assertThat(guest.driver.failure()).as(context).isEmpty();
        assertThat(guest.midPoint.lost()).as(context).isEmpty();
        assertThat(round).as("%s: rounds with something left", context).isLessThan(2_000);
        serveAny();
        endings();
        guest.nanos += TimeUnit.MILLISECONDS.toNanos(100);
        guest.settle();
      }
    }
  }
}
