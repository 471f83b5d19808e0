package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * What a guest's drivers ask for at random, and what must have become of it: each OUT is at the
 * device once at most and in its order, what an IN took comes to the guest once at most and in its
 * order, and each URB has one outcome.
 */
final class RandomUrbs {
  /** A write that a test can tell apart, at this endpoint. */
  private record Out(GuestUrb urb, int endpoint, int number) {}

  private final String context;
  private final Random random;
  private final List<GuestUrb> urbs = new ArrayList<>();
  private final List<Out> outs = new ArrayList<>();
  private final List<GuestUrb> ins = new ArrayList<>();
  private UsbGuest guest;

  RandomUrbs(String context, Random random, UsbGuest guest) {
    this.context = context;
    this.random = random;
    this.guest = guest;
  }

  /** It goes on there. */
  void moved(UsbGuest next) {
    guest = next;
  }

  int count() {
    return urbs.size();
  }

  void submit() {
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
    submit(urb);
  }

  private void submit(GuestUrb urb) {
    urbs.add(urb);
    guest.driver.submit(urb);
  }

  /** As the driver of a keyboard or of a serial line does. */
  void submitIn() {
    submit(random.nextBoolean() ? in(PipeType.INTERRUPT, 0x83, 8) : in(PipeType.BULK, 0x81, 64));
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

  void unlinkAny() {
    List<GuestUrb> waiting =
        urbs.stream().filter(urb -> urb.status() == GuestUrb.IN_PROGRESS).toList();
    if (!waiting.isEmpty()) {
      guest.driver.unlink(waiting.get(random.nextInt(waiting.size())));
    }
  }

  // ---- what must be so

  /**
   * Checks it.
   *
   * @param killed whether a process was: then outcomes may be lost, and are errors
   */
  void check(boolean killed) {
    assertThat(guest.driver.failure()).as(context).isEmpty();
    assertThat(guest.driver.freeIds()).as(context).isEqualTo(XenHcdModel.SLOTS);
    assertThat(urbs).as(context).allMatch(urb -> urb.timesGivenBack() == 1);
    assertThat(urbs)
        .as(context)
        .allMatch(
            urb -> urb.status() == 0 || urb.status() == -104 || (killed && urb.status() == -71));
    assertThat(guest.driver.speeds()).as("%s: nothing is plugged anew", context).containsExactly(2);
    checkOuts();
    checkIns(killed);
  }

  private void checkOuts() {
    Set<Integer> done = new HashSet<>();
    Map<Integer, Integer> last = new HashMap<>();
    guest.gadget.received.forEach(
        (endpoint, contents) ->
            contents.forEach(
                content -> {
                  int number = number(content);
                  assertThat(content).as(context).isEqualTo(Gadget.report(number, content.length));
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

  private void checkIns(boolean killed) {
    Map<Integer, Integer> next = new HashMap<>();
    for (GuestUrb urb : ins) {
      if (urb.actualBytes() < Integer.BYTES || urb.status() == -71) {
        continue;
      }
      int number = number(urb.bytes(0, Integer.BYTES));
      int expected = next.getOrDefault(urb.endpoint(), 0);
      if (!killed) {
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
