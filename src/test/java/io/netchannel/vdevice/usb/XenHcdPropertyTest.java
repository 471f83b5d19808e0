package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Random URBs of all types, unlinks, freezes, migrations, and a backend that dies at any step: what
 * the device has got is what the guest was told that it sent, byte for byte and once; what the
 * guest has got is the device's stream without a gap or a repeat; and each URB is given back once.
 */
final class XenHcdPropertyTest {
  private static final int STEPS = 2500;
  private static final int MOST_URBS = 40;

  private UsbHost host = new UsbHost();
  private Random random = new Random();
  private String context = "";
  private XenHcdModel guest;
  private boolean migrates;
  private boolean isBounded;
  private int migrations;

  // ---- the guest's side: what drivers have sent and got, by endpoint
  private final List<GuestUrb> submitted = new ArrayList<>();
  private final Map<Integer, ByteArrayOutputStream> sent = new TreeMap<>();
  private final Map<Integer, ByteArrayOutputStream> got = new TreeMap<>();

  // ---- the device's side, which lives on when the backend dies
  private final Map<Integer, ByteArrayOutputStream> received = new TreeMap<>();
  private final Map<Integer, Integer> streamed = new TreeMap<>();

  // ---- the backend's: what was taken and not released, as written down
  private final Map<UrbRequest, Flight> inflight = new LinkedHashMap<>();
  private final List<UrbRequest> answered = new ArrayList<>();

  /** What became of a URB. */
  private static final class Outcome {
    private final int errno;
    private final byte[] bytes;
    private final int actualBytes;

    /** Bytes of each packet. */
    private final int[] packets;

    Outcome(int errno, byte[] bytes, int actualBytes, int[] packets) {
      this.errno = errno;
      this.bytes = bytes;
      this.actualBytes = actualBytes;
      this.packets = packets;
    }
  }

  /** A request that was taken, and what the device knows of it by its name. */
  private static final class Flight {
    private ByteBuffer encoded;
    private Optional<Outcome> outcome = Optional.empty();

    Flight(UrbRequest request) {
      encoded = encode(request);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "STOCK, false, 1",
    "STOCK, false, 2",
    "STOCK, false, 3",
    "STOCK, false, 4",
    "FIXED, false, 11",
    "FIXED, false, 12",
    "FIXED, false, 13",
    "FIXED, false, 14",
    "STOCK, true, 21",
    "STOCK, true, 22",
    "STOCK, true, 23",
    "STOCK, true, 24",
    "STOCK, true, 25",
    "STOCK, true, 26",
    "FIXED, true, 31",
    "FIXED, true, 32",
    "FIXED, true, 33",
    "FIXED, true, 34"
  })
  void everyByteOnceAndEveryUrbOnce(Driver driver, boolean isMigrating, long seed) {
    random = new Random(seed);
    guest = host.connected(driver);
    migrates = isMigrating;
    isBounded = migrates && driver == Driver.STOCK;
    for (int step = 0; step < STEPS; step++) {
      context = "%s, seed %d, step %d".formatted(driver, seed, step);
      switch (random.nextInt(12)) {
        case 0, 1, 2 -> submit();
        case 3 -> unlinkAny();
        case 4, 5 -> host.port.poll(backend, random.nextInt(8));
        case 6, 7 -> serveAny();
        case 8 -> publish();
        case 9, 10 -> {
          guest.poll();
          releaseSeen();
        }
        default -> {
          switch (random.nextInt(migrates ? 10 : 30)) {
            case 0 -> freeze();
            case 1, 2, 3 -> die();
            default -> answerUnlinks();
          }
        }
      }
      assertThat(guest.failure()).as(context).isEmpty();
    }
    untilNothingIsLeft(false);
    check();
    assertThat(migrations > 3).as("%s: %d migrations", context, migrations).isEqualTo(migrates);
  }

  // ---- the guest

  private void submit() {
    // A stock driver that migrates has to find an id for every unlink, too.
    if (guest.outstanding() >= (isBounded ? guest.freeIds() - 1 : MOST_URBS)) {
      return;
    }
    GuestUrb urb =
        switch (random.nextInt(8)) {
          case 0 -> GuestUrb.control(host.domain, GuestUrb.setup(0xc0, 1, 0, 0, length(300)));
          case 1 -> GuestUrb.control(host.domain, GuestUrb.setup(0x40, 1, 0, 0, length(300)));
          case 2 -> GuestUrb.of(host.domain, PipeType.BULK, 0x81, bulkLength(), offset());
          case 3 -> GuestUrb.of(host.domain, PipeType.BULK, 0x02, bulkLength(), offset());
          case 4 -> GuestUrb.of(host.domain, PipeType.INTERRUPT, 0x83, length(64), offset());
          case 5 -> GuestUrb.of(host.domain, PipeType.INTERRUPT, 0x05, length(64), offset());
          case 6 -> GuestUrb.isochronous(host.domain, 0x86, packets(), offset(), offset());
          default -> GuestUrb.isochronous(host.domain, 0x07, packets(), offset(), offset());
        };
    byte[] bytes = new byte[urb.lengthBytes()];
    random.nextBytes(bytes);
    urb.fill(bytes).interval(1).onDone(this::givenBack);
    submitted.add(urb);
    guest.submit(urb);
  }

  private int length(int most) {
    return random.nextInt(most + 1);
  }

  private int bulkLength() {
    return random.nextInt(8) == 0 ? 60_000 - random.nextInt(60_000) : random.nextInt(1024);
  }

  /** 16 byte aligned, as a kernel's allocations are. */
  private int offset() {
    return 16 * random.nextInt(256);
  }

  private int[] packets() {
    return random.ints(1 + random.nextInt(8), 0, 400).toArray();
  }

  private void givenBack(GuestUrb urb) {
    ByteArrayOutputStream bytes =
        (urb.isIn() ? got : sent)
            .computeIfAbsent(urb.endpoint(), endpoint -> new ByteArrayOutputStream());
    if (urb.type() == PipeType.ISOCHRONOUS) {
      int sum = 0;
      for (int packet = 0; packet < urb.packets(); packet++) {
        // One that never reached the backend has nothing in its descriptors.
        bytes.writeBytes(urb.bytes(urb.packetOffset(packet), urb.packetActualBytes(packet)));
        sum += urb.packetActualBytes(packet);
      }
      assertThat(urb.actualBytes()).as("%s: %s", context, urb).isEqualTo(sum);
    } else {
      bytes.writeBytes(urb.bytes(0, urb.actualBytes()));
    }
  }

  private void unlinkAny() {
    List<GuestUrb> out =
        submitted.stream().filter(urb -> urb.status() == GuestUrb.IN_PROGRESS).toList();
    if (!out.isEmpty()) {
      guest.unlink(out.get(random.nextInt(out.size())));
    }
  }

  private void freeze() {
    guest.freeze();
    untilNothingIsLeft(true);
    assertThat(guest.outstanding()).as(context).isZero();
    host.domain.suspend();
    if (migrates) {
      migrate();
    } else {
      host.domain.resume();
      guest.resume();
      for (int look = 0; host.port.state() != State.PREPARED; look++) {
        assertThat(look).as(context).isLessThan(10);
        guest.poll();
        host.port.poll(backend, 64);
      }
    }
    assertThat(inflight).as("%s: all was answered", context).isEmpty();
    host.port.offer();
    for (int look = 0; host.port.state() != State.CONNECTED; look++) {
      assertThat(look).as(context).isLessThan(10);
      guest.poll();
      host.port.poll(backend, 64);
    }
    assertThat(guest.speeds()).as("%s: nothing is plugged anew", context).containsExactly(2);
  }

  /** The guest goes on elsewhere; what it does in the window it does before the port is offered. */
  private void migrate() {
    Optional<RingMark> mark = host.port.mark();
    assertThat(mark.isPresent()).as(context).isNotEqualTo(host.port.resumes());
    answered.clear();
    inflight.keySet().forEach(UrbRequest::release);
    inflight.clear();
    host.port.close(true);
    host = new UsbHost(host);
    mark.ifPresent(host.port::inherit);
    host.port.plugged(2, "it");
    guest.resume(host.domain);
    for (int i = random.nextInt(XenHcdModel.SLOTS); i > 0; i--) {
      if (random.nextInt(4) == 0) {
        unlinkAny();
      } else {
        submit();
      }
    }
    if (random.nextInt(4) == 0) {
      host.port.close(false);
      host.port = host.newPort();
      host.port.plugged(2, "it");
    }
    migrations++;
  }

  /** The guest is interrupted at once by a response that its next request would fall on. */
  private void publish() {
    long before = host.port.uncoveredResponses();
    host.port.publishResponses();
    if (host.port.uncoveredResponses() > before) {
      guest.poll();
    }
  }

  /** Lets everything be done, or, in a freeze, unlinked. */
  private void untilNothingIsLeft(boolean freezing) {
    for (int round = 0; guest.outstanding() > 0 || !inflight.isEmpty(); round++) {
      assertThat(guest.failure()).as(context).isEmpty();
      assertThat(round).as("%s: rounds with something left", context).isLessThan(2000);
      host.port.poll(backend, 64);
      answerUnlinks();
      // A ring that was full of INs leaves no slot for unlinks.
      if (!freezing || random.nextInt(4) == 0) {
        serveAny();
      }
      publish();
      guest.poll();
      releaseSeen();
    }
  }

  // ---- the backend

  private final VirtualDevice.Handler<UrbRequest> backend =
      new VirtualDevice.Handler<>() {
        @Override
        public void onRequest(UrbRequest request) {
          inflight.put(request, new Flight(request));
        }

        @Override
        public void onConnected() {}

        @Override
        public void onDisconnected() {
          // What the guest has not taken of an answered request it cannot take any more.
          answered.forEach(request -> forget(request));
          answered.clear();
        }
      };

  private static ByteBuffer encode(UrbRequest request) {
    ByteBuffer encoded = ByteBuffer.allocate(UrbRequest.MAX_ENCODED_BYTES);
    request.encode(encoded);
    return encoded.flip();
  }

  private void forget(UrbRequest request) {
    inflight.remove(request);
    request.release();
  }

  private void releaseSeen() {
    answered.removeIf(
        request -> {
          boolean seen = request.seen();
          if (seen) {
            forget(request);
          }
          return seen;
        });
  }

  private List<UrbRequest> unanswered() {
    return inflight.keySet().stream().filter(request -> !answered.contains(request)).toList();
  }

  private void answerUnlinks() {
    for (UrbRequest request : unanswered()) {
      if (request.isUnlink() && !answerWithItsUrb(request)) {
        return;
      }
    }
  }

  /** Whether the backend has lived on. */
  private boolean answerWithItsUrb(UrbRequest unlink) {
    Optional<UrbRequest> urb = unlink.unlinked();
    if (urb.isPresent()) {
      UrbRequest target = urb.get();
      for (UrbRequest other : doneBefore(target)) {
        if (!answer(other, outcome(other, UsbHost.OK))) {
          return false;
        }
      }
      Flight flight = inflight.get(target);
      if (flight.outcome.isEmpty() && !isFirst(target)) {
        flight.outcome = Optional.of(nothing(target));
      }
      if (!answer(target, outcome(target, 104))) {
        return false;
      }
    }
    return answer(unlink, nothing(unlink));
  }

  /** What the device did before it, and the backend did not get to say before it died. */
  private List<UrbRequest> doneBefore(UrbRequest target) {
    return unanswered().stream()
        .takeWhile(other -> other != target)
        .filter(other -> !other.isUnlink() && other.endpoint() == target.endpoint())
        .filter(other -> inflight.get(other).outcome.isPresent())
        .toList();
  }

  /** What becomes of a URB, or has become of it before the backend died. */
  private Outcome outcome(UrbRequest request, int errno) {
    Flight flight = inflight.get(request);
    if (flight.outcome.isEmpty()) {
      flight.outcome = Optional.of(done(request, errno));
    }
    return flight.outcome.get();
  }

  private static Outcome nothing(UrbRequest request) {
    int errno = request.isUnlink() ? 0 : 104;
    return new Outcome(errno, new byte[0], 0, new int[request.packets()]);
  }

  /** Whether the device is at this one; those after it wait. */
  private boolean isFirst(UrbRequest request) {
    return unanswered().stream()
        .filter(other -> !other.isUnlink() && other.endpoint() == request.endpoint())
        .findFirst()
        .equals(Optional.of(request));
  }

  private void serveAny() {
    List<UrbRequest> firsts =
        unanswered().stream().filter(request -> !request.isUnlink() && isFirst(request)).toList();
    if (!firsts.isEmpty()) {
      UrbRequest request = firsts.get(random.nextInt(firsts.size()));
      int errno = random.nextInt(10) == 0 ? UsbHost.EPIPE : UsbHost.OK;
      // An unlink may wait for it: the device was faster.
      Optional<UrbRequest> unlink = request.unlink();
      if (answer(request, outcome(request, errno))) {
        unlink.ifPresent(waiting -> answer(waiting, nothing(waiting)));
      }
    }
  }

  /** Answers, and writes that down; returns false when the backend died in between. */
  private boolean answer(UrbRequest request, Outcome outcome) {
    for (int packet = 0; packet < request.packets(); packet++) {
      request.packetDone(packet, outcome.packets[packet], outcome.errno);
    }
    if (request.isIn() && !request.isUnlink()) {
      host.buffer.put(0, outcome.bytes);
      assertThat(request.copyToGuest(host.buffer, outcome.actualBytes)).as(context).isTrue();
    }
    request.respond(outcome.errno, outcome.actualBytes, 0, 0);
    if (random.nextInt(100) == 0) {
      die();
      return false;
    }
    inflight.get(request).encoded = encode(request);
    answered.add(request);
    return true;
  }

  // ---- the device

  /** Does a URB: some of it, or all. */
  private Outcome done(UrbRequest request, int errno) {
    int[] packets = new int[request.packets()];
    byte[] area = new byte[request.lengthBytes()];
    if (!request.isIn()) {
      assertThat(request.copyFromGuest(host.buffer)).as(context).isTrue();
      host.buffer.get(0, area);
    }
    int sum = 0;
    if (request.type() == PipeType.ISOCHRONOUS) {
      for (int packet = 0; packet < packets.length; packet++) {
        packets[packet] = some(request.packetBytes(packet));
        move(request, area, request.packetOffset(packet), packets[packet]);
        sum += packets[packet];
      }
    } else {
      sum = some(area.length);
      move(request, area, 0, sum);
    }
    return new Outcome(errno, area, sum, packets);
  }

  private int some(int bytes) {
    return random.nextBoolean() ? bytes : random.nextInt(bytes + 1);
  }

  private void move(UrbRequest request, byte[] area, int from, int bytes) {
    if (request.isIn()) {
      int start = streamed.merge(request.endpoint(), bytes, Integer::sum) - bytes;
      System.arraycopy(stream(request.endpoint(), start, bytes), 0, area, from, bytes);
    } else {
      received
          .computeIfAbsent(request.endpoint(), endpoint -> new ByteArrayOutputStream())
          .write(area, from, bytes);
    }
  }

  /** What the device has to say at an endpoint. */
  private static byte[] stream(int endpoint, int start, int bytes) {
    byte[] stream = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      stream[i] = (byte) (((start + i) * 0x9e3779b1L + endpoint) >>> 13);
    }
    return stream;
  }

  // ---- death

  private void die() {
    int[] consumers = {host.port.requestConsumer(0)};
    List<Flight> table = List.copyOf(inflight.values());
    inflight.clear();
    answered.clear();
    host.port.close(false);
    host.port = host.newPort();
    assertThat(host.port.state()).as(context).isEqualTo(State.CONNECTED);
    List<UrbRequest> again =
        host.port.reattach(table.stream().map(flight -> flight.encoded).toList(), consumers);
    assertThat(host.node(host.address.errorPath() + "/error")).as(context).isEmpty();
    assertThat(host.port.state()).as(context).isEqualTo(State.CONNECTED);
    for (UrbRequest request : again) {
      Flight flight = new Flight(request);
      // The newest of those with its id: the guest has seen the answers of the others.
      table.stream()
          .filter(before -> before.encoded.getLong(16) == flight.encoded.getLong(16))
          .forEach(before -> flight.outcome = before.outcome);
      inflight.put(request, flight);
    }
    host.port.plugged(2, "it");
  }

  private void check() {
    assertThat(submitted).as(context).hasSizeGreaterThan(STEPS / 20);
    assertThat(submitted).as(context).allMatch(urb -> urb.timesGivenBack() == 1);
    assertThat(guest.freeIds()).as(context).isEqualTo(XenHcdModel.SLOTS);
    for (int endpoint : List.of(0, 0x02, 0x05, 0x07)) {
      assertSame(endpoint, sent.get(endpoint), received.get(endpoint).toByteArray());
    }
    for (int endpoint : List.of(0x80, 0x81, 0x83, 0x86)) {
      assertSame(endpoint, got.get(endpoint), stream(endpoint, 0, streamed.get(endpoint)));
    }
  }

  private void assertSame(int endpoint, ByteArrayOutputStream guests, byte[] devices) {
    assertThat(devices).hasSizeGreaterThan(STEPS / 20);
    assertThat(Arrays.mismatch(guests.toByteArray(), devices))
        .as("%s: first byte that differs, endpoint 0x%02x", context, endpoint)
        .isEqualTo(-1);
  }
}
