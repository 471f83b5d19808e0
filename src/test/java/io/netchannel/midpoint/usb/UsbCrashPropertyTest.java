package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.midpoint.usb.ScriptedUsbDevice.Submitted;
import io.netchannel.midpoint.usb.UsbGuest.Killed;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
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

  /** A write that a test can tell apart, at this endpoint. */
  private record Out(GuestUrb urb, int endpoint, int number) {}

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
    private final List<GuestUrb> urbs = new ArrayList<>();
    private final List<Out> outs = new ArrayList<>();
    private final List<GuestUrb> ins = new ArrayList<>();
    private int killed;

    Run(int seed) {
      context = "seed " + seed;
      random = new Random(seed);
      kills = seed % 5 != 0;
      guest =
          new UsbGuest(
              new BufferBudget(BufferBudget.UNIT_BYTES),
              seed % 2 == 0 ? Driver.STOCK : Driver.FIXED);
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
      check();
    }

    private void step() {
      switch (random.nextInt(14)) {
        case 0, 1, 2 -> submit();
        case 3 -> unlinkAny();
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
      if (guest.driver.outstanding() > 24) {
        return;
      }
      GuestUrb urb =
          switch (random.nextInt(8)) {
            case 0, 1 -> out(PipeType.BULK, 0x02, 4 + random.nextInt(9_000));
            case 2 -> out(PipeType.INTERRUPT, 0x04, 4 + random.nextInt(60));
            case 3 -> controlOut();
            case 4 -> in(PipeType.BULK, 0x81, 4 + random.nextInt(9_000));
            case 5 -> in(PipeType.INTERRUPT, 0x83, 8);
            case 6 ->
                in(
                    GuestUrb.isochronous(
                        guest.domain, 0x86, new int[] {4 + random.nextInt(90)}, 0, 4000));
            case 7 ->
                GuestUrb.control(guest.domain, GuestUrb.setup(0, 5, 1 + random.nextInt(9), 0, 0))
                    .address(random.nextInt(2));
            default -> throw new IllegalStateException();
          };
      urbs.add(urb);
      guest.driver.submit(urb);
    }

    private GuestUrb out(PipeType type, int endpoint, int lengthBytes) {
      return out(
          GuestUrb.of(guest.domain, type, endpoint, lengthBytes, random.nextInt(4_000)), endpoint);
    }

    private GuestUrb controlOut() {
      return out(GuestUrb.control(guest.domain, GuestUrb.setup(0x21, 9, 0, 0, 8)), 0);
    }

    private GuestUrb out(GuestUrb urb, int endpoint) {
      int number = outs.size();
      outs.add(new Out(urb, endpoint, number));
      return urb.fill(Gadget.report(number, urb.lengthBytes()));
    }

    private GuestUrb in(PipeType type, int endpoint, int lengthBytes) {
      return in(GuestUrb.of(guest.domain, type, endpoint, lengthBytes, random.nextInt(4_000)));
    }

    private GuestUrb in(GuestUrb urb) {
      ins.add(urb);
      return urb;
    }

    private void unlinkAny() {
      List<GuestUrb> waiting =
          urbs.stream().filter(urb -> urb.status() == GuestUrb.IN_PROGRESS).toList();
      if (!waiting.isEmpty()) {
        guest.driver.unlink(waiting.get(random.nextInt(waiting.size())));
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

    // ---- what must be so

    private void check() {
      assertThat(guest.driver.failure()).as(context).isEmpty();
      assertThat(guest.driver.freeIds()).as(context).isEqualTo(XenHcdModel.SLOTS);
      assertThat(urbs).as(context).hasSizeGreaterThan(STEPS / 10);
      assertThat(urbs).as(context).allMatch(urb -> urb.timesGivenBack() == 1);
      assertThat(urbs)
          .as(context)
          .allMatch(
              urb ->
                  urb.status() == 0 || urb.status() == -104 || (killed > 0 && urb.status() == -71));
      assertThat(guest.driver.speeds())
          .as("%s: nothing is plugged anew", context)
          .containsExactly(2);
      checkOuts();
      checkIns();
    }

    private void checkOuts() {
      Set<Integer> done = new HashSet<>();
      Map<Integer, Integer> last = new HashMap<>();
      guest.gadget.received.forEach(
          (endpoint, contents) ->
              contents.forEach(
                  content -> {
                    int number = number(content);
                    assertThat(content)
                        .as(context)
                        .isEqualTo(Gadget.report(number, content.length));
                    assertThat(done.add(number)).as("%s: once: %s", context, number).isTrue();
                    Integer before = last.put(endpoint, number);
                    assertThat(before == null || before < number)
                        .as("%s: %s after %s at %s", context, number, before, endpoint)
                        .isTrue();
                  }));
      for (Out out : outs) {
        if (out.urb().status() == 0) {
          assertThat(done).as("%s: %s", context, out).contains(out.number());
        }
      }
    }

    private void checkIns() {
      Map<Integer, Integer> next = new HashMap<>();
      for (GuestUrb urb : ins) {
        if (urb.actualBytes() < Integer.BYTES || urb.status() == -71) {
          continue;
        }
        int number = number(urb.bytes(0, Integer.BYTES));
        int expected = next.getOrDefault(urb.endpoint(), 0);
        if (killed == 0) {
          assertThat(number).as("%s: %s", context, urb).isEqualTo(expected);
        } else {
          assertThat(number).as("%s: %s", context, urb).isGreaterThanOrEqualTo(expected);
        }
        assertThat(urb.bytes(0, urb.actualBytes()))
            .as("%s: %s", context, urb)
            .isEqualTo(Gadget.report(number, urb.actualBytes()));
        next.put(urb.endpoint(), number + 1);
      }
    }

    private static int number(byte[] content) {
      return ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).getInt();
    }
  }
}
