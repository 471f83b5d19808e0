package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A frontend that writes whatever it likes into slots and indexes. Each bad request gets an answer
 * with an error and never reaches the handler, or the device is closed; the next good request is
 * served, or the other guest's.
 */
final class HostileFrontendTest {
  private static final int SECTORS = 2048;
  private static final long ID = 0x1122334455667788L;
  private static final int OKAY = 0;
  private static final int ERROR = -1;
  private static final int NOT_SUPPORTED = -2;

  private final TestHost host = new TestHost();
  private final EmbeddedDomain domain = host.domain();
  private final DeviceAddress address = host.publish(domain, VbdLimits.DEFAULT);
  private final MemoryDisk disk = new MemoryDisk(SECTORS * 512);
  private final Vbd vbd = host.vbd(address, VbdLimits.DEFAULT);

  private RingLayout layout = RingLayout.X86_64;
  private FrontRing ring;
  private GuestPages page;
  private int good;
  private int readOnlyGrant;
  private GuestPages indirect;
  private int indirectGrant;

  @BeforeEach
  void connect() {
    connect(RingLayout.X86_64, disk.geometry());
  }

  private void connect(RingLayout newLayout, BlockGeometry geometry) {
    layout = newLayout;
    GuestPages ringPages = domain.allocatePage();
    ring = new FrontRing(ringPages.memory(), layout.slotBytes());
    page = domain.allocatePage();
    good = domain.grantAccess(0, page, 0, false);
    readOnlyGrant = domain.grantAccess(0, page, 0, true);
    indirect = domain.allocatePage();
    indirectGrant = domain.grantAccess(0, indirect, 0, false);
    for (int i = 0; i < 512; i++) {
      RingLayout.writeSegment(indirect.memory(), i * 8, good, 0, 0);
    }
    String frontend = address.frontendPath();
    try (XenStore guest = domain.xenStore()) {
      if (vbd.state() != State.PREPARED) {
        guest.write(frontend + "/state", "1");
        vbd.poll(disk, 0);
      }
      vbd.offer(geometry);
      guest.write(
          frontend + "/ring-ref", Integer.toString(domain.grantAccess(0, ringPages, 0, false)));
      guest.write(frontend + "/event-channel", Integer.toString(domain.allocUnbound(0)));
      guest.write(frontend + "/protocol", layout.protocol());
      guest.write(frontend + "/state", "3");
    }
    vbd.poll(disk, 0);
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
  }

  /** Writes one slot. */
  interface SlotWriter {
    void write(HostileFrontendTest guest, ByteBuffer memory, int slot);
  }

  private static SlotWriter request(int operation, int segments, long sector, int... firstAndLast) {
    return (guest, memory, slot) -> {
      guest.layout.writeRequest(memory, slot, operation, segments, 0, ID, sector);
      for (int i = 0; i < Math.min(segments, 11); i++) {
        RingLayout.writeSegment(
            memory,
            guest.layout.segmentOffset(slot, i),
            guest.good,
            firstAndLast.length == 0 ? 0 : firstAndLast[0],
            firstAndLast.length == 0 ? 7 : firstAndLast[1]);
      }
    };
  }

  private static SlotWriter discard(long sector, long sectors) {
    return (guest, memory, slot) -> guest.layout.writeDiscard(memory, slot, 0, ID, sector, sectors);
  }

  private static SlotWriter indirect(int operation, int segments, long sector) {
    return (guest, memory, slot) ->
        guest.layout.writeIndirect(
            memory, slot, operation, segments, 0, ID, sector, guest.indirectGrant);
  }

  private static SlotWriter indirect(int reference) {
    return (guest, memory, slot) ->
        guest.layout.writeIndirect(memory, slot, Wire.READ, 12, 0, ID, 0, reference);
  }

  /** (who, slot, operation echoed, status expected) */
  static Stream<Arguments> badRequests() {
    long last = SECTORS - 8;
    return Stream.of(
        Arguments.of("read of no segments", request(Wire.READ, 0, 0), Wire.READ, ERROR),
        Arguments.of("write of no segments", request(Wire.WRITE, 0, 0), Wire.WRITE, ERROR),
        Arguments.of("read of 12 segments", request(Wire.READ, 12, 0), Wire.READ, ERROR),
        Arguments.of("write of 255 segments", request(Wire.WRITE, 255, 0), Wire.WRITE, ERROR),
        Arguments.of("flush of 12 segments", request(Wire.FLUSH_DISKCACHE, 12, 0), 3, ERROR),
        Arguments.of("first after last", request(Wire.READ, 1, 0, 3, 2), Wire.READ, ERROR),
        Arguments.of("last beyond the page", request(Wire.READ, 1, 0, 0, 8), Wire.READ, ERROR),
        Arguments.of("all 255", request(Wire.WRITE, 1, 0, 255, 255), Wire.WRITE, ERROR),
        Arguments.of("one sector too far", request(Wire.READ, 1, last + 1), Wire.READ, ERROR),
        Arguments.of("at the end", request(Wire.WRITE, 1, SECTORS), Wire.WRITE, ERROR),
        Arguments.of("sector -1", request(Wire.READ, 1, -1), Wire.READ, ERROR),
        Arguments.of("sector -8: wraps", request(Wire.WRITE, 1, -8), Wire.WRITE, ERROR),
        Arguments.of("2^55: wraps as bytes", request(Wire.READ, 1, 1L << 55), Wire.READ, ERROR),
        Arguments.of("2^63", request(Wire.READ, 1, Long.MIN_VALUE), Wire.READ, ERROR),
        Arguments.of("flush with data too far", request(3, 1, SECTORS), 3, ERROR),
        Arguments.of("barrier too far", request(2, 1, SECTORS), 2, ERROR),
        Arguments.of("discard of nothing", discard(0, 0), Wire.DISCARD, ERROR),
        Arguments.of("discard too long", discard(1, SECTORS), Wire.DISCARD, ERROR),
        Arguments.of("discard of 2^64-1", discard(1, -1), Wire.DISCARD, ERROR),
        Arguments.of("discard that wraps", discard(-1, 2), Wire.DISCARD, ERROR),
        Arguments.of("discard of 2^63", discard(0, Long.MIN_VALUE), Wire.DISCARD, ERROR),
        Arguments.of("discard 2^55", discard(0, 1L << 55), Wire.DISCARD, ERROR),
        Arguments.of("indirect, no segments", indirect(Wire.READ, 0, 0), Wire.READ, ERROR),
        Arguments.of("indirect, 257 segments", indirect(Wire.READ, 257, 0), Wire.READ, ERROR),
        Arguments.of("indirect, 65535 segments", indirect(Wire.WRITE, 65535, 0), 1, ERROR),
        Arguments.of("indirect flush", indirect(Wire.FLUSH_DISKCACHE, 1, 0), 3, ERROR),
        Arguments.of("indirect discard", indirect(Wire.DISCARD, 1, 0), 5, ERROR),
        Arguments.of("indirect indirect", indirect(Wire.INDIRECT, 1, 0), 6, ERROR),
        Arguments.of("indirect 77", indirect(77, 1, 0), 77, ERROR),
        Arguments.of("indirect too far", indirect(Wire.READ, 12, SECTORS - 11), 0, ERROR),
        Arguments.of("indirect page not granted", indirect(4711), Wire.READ, ERROR),
        Arguments.of("indirect page of grant -1", indirect(-1), Wire.READ, ERROR),
        Arguments.of("packet", request(4, 1, 0), 4, NOT_SUPPORTED),
        Arguments.of("operation 7", request(7, 1, 0), 7, NOT_SUPPORTED),
        Arguments.of("operation 255", request(255, 255, -1), 255, NOT_SUPPORTED));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badRequests")
  void aBadRequestIsAnsweredAndNotServed(String who, SlotWriter slot, int operation, int status) {
    for (RingLayout each : RingLayout.values()) {
      if (each != layout) {
        connect(each, disk.geometry());
      }
      submit(slot);
      submit(request(Wire.READ, 1, 8));
      assertThat(vbd.poll(disk, 64)).as(who).isEqualTo(2);
      assertThat(disk.held).as("only the good request").hasSize(1);
      disk.answerAll();
      vbd.publishResponses();
      assertThat(responses())
          .containsExactly(new Response(ID, operation, status), new Response(ID, Wire.READ, OKAY));
    }
  }

  static Stream<Arguments> onReadOnlyDisk() {
    return Stream.of(
        Arguments.of("write", request(Wire.WRITE, 1, 0), Wire.WRITE, ERROR),
        Arguments.of("barrier", request(Wire.WRITE_BARRIER, 1, 0), 2, ERROR),
        Arguments.of("flush", request(Wire.FLUSH_DISKCACHE, 0, -1), 3, ERROR),
        Arguments.of("indirect write", indirect(Wire.WRITE, 12, 0), Wire.WRITE, ERROR),
        Arguments.of("discard", discard(0, 8), Wire.DISCARD, ERROR),
        Arguments.of("unaligned read", request(Wire.READ, 1, 1), Wire.READ, ERROR),
        Arguments.of("short read", request(Wire.READ, 1, 0, 0, 6), Wire.READ, ERROR));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("onReadOnlyDisk")
  void aReadOnlyDiskOf4kBlocksRefuses(String who, SlotWriter slot, int operation, int status) {
    connect(layout, new BlockGeometry(SECTORS * 512, 4096, 4096, true, false, 0));
    submit(slot);
    vbd.poll(disk, 64);
    vbd.publishResponses();
    assertThat(disk.held).as(who).isEmpty();
    assertThat(responses()).containsExactly(new Response(ID, operation, status));
  }

  @Test
  void aDiscardThatIsNotOfferedIsNotSupported() {
    connect(layout, new BlockGeometry(SECTORS * 512, 512, 512, false, true, 0));
    submit(discard(0, 8));
    vbd.poll(disk, 64);
    vbd.publishResponses();
    assertThat(responses()).containsExactly(new Response(ID, Wire.DISCARD, NOT_SUPPORTED));
  }

  /** The edges of what is allowed. */
  static Stream<Arguments> goodRequests() {
    return Stream.of(
        Arguments.of("last sectors", request(Wire.READ, 1, SECTORS - 8), Wire.READ),
        Arguments.of("one sector", request(Wire.WRITE, 1, SECTORS - 1, 7, 7), Wire.WRITE),
        Arguments.of("11 segments", request(Wire.READ, 11, 0), Wire.READ),
        Arguments.of("256 segments", indirect(Wire.WRITE, 256, SECTORS - 256), Wire.WRITE),
        Arguments.of("1 indirect", indirect(Wire.READ, 1, SECTORS - 1), Wire.READ),
        Arguments.of("empty flush at -1", request(Wire.FLUSH_DISKCACHE, 0, -1), 3),
        Arguments.of("empty barrier", request(Wire.WRITE_BARRIER, 0, -1), 2),
        Arguments.of("flush with data", request(Wire.FLUSH_DISKCACHE, 1, 0), 3),
        Arguments.of("discard of all", discard(0, SECTORS), Wire.DISCARD));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("goodRequests")
  void theEdgesOfWhatIsAllowedAreServed(String who, SlotWriter slot, int operation) {
    submit(slot);
    vbd.poll(disk, 64);
    assertThat(disk.answerAll()).as(who).isEqualTo(1);
    vbd.publishResponses();
    assertThat(responses()).containsExactly(new Response(ID, operation, OKAY));
  }

  @ParameterizedTest
  @ValueSource(ints = {4711, -1, 0})
  void aBadGrantFailsTheCopyOnly(int reference) {
    submit(
        (guest, memory, slot) -> {
          layout.writeRequest(memory, slot, Wire.WRITE, 2, 0, ID, 0);
          RingLayout.writeSegment(memory, layout.segmentOffset(slot, 0), good, 0, 7);
          RingLayout.writeSegment(memory, layout.segmentOffset(slot, 1), reference, 0, 7);
        });
    vbd.poll(disk, 64);
    disk.answerAll();
    vbd.publishResponses();
    assertThat(responses()).containsExactly(new Response(ID, Wire.WRITE, ERROR));
  }

  @Test
  void aReadIntoAPageGrantedForReadingOnlyFails() {
    submit(
        (guest, memory, slot) -> {
          layout.writeRequest(memory, slot, Wire.READ, 1, 0, ID, 0);
          RingLayout.writeSegment(memory, layout.segmentOffset(slot, 0), readOnlyGrant, 0, 7);
        });
    vbd.poll(disk, 64);
    disk.answerAll();
    vbd.publishResponses();
    assertThat(responses()).containsExactly(new Response(ID, Wire.READ, ERROR));
  }

  @Test
  void aSlotChangedAfterItWasTakenHasNoEffect() {
    submit(request(Wire.WRITE, 1, 8));
    page.memory().put(0, (byte) 42);
    vbd.poll(disk, 64);
    int slot = SharedRing.HEADER_BYTES;
    layout.writeRequest(ring.memory(), slot, Wire.READ, 11, 0, 99, 1L << 40);
    BlockRequest taken = disk.held.get(0);
    assertThat(taken.operation()).isEqualTo(BlockOperation.WRITE);
    assertThat(taken.offsetBytes()).isEqualTo(4096);
    assertThat(taken.lengthBytes()).isEqualTo(4096);
    disk.answerAll();
    vbd.publishResponses();
    assertThat(disk.content[4096]).isEqualTo((byte) 42);
    assertThat(responses()).containsExactly(new Response(ID, Wire.WRITE, OKAY));
  }

  @Test
  void anIndirectPageChangedAfterItWasTakenHasNoEffect() {
    submit(indirect(Wire.READ, 12, 0));
    vbd.poll(disk, 64);
    for (int i = 0; i < 512; i++) {
      RingLayout.writeSegment(indirect.memory(), i * 8, -1, 255, 0);
    }
    disk.answerAll();
    vbd.publishResponses();
    assertThat(responses()).containsExactly(new Response(ID, Wire.READ, OKAY));
  }

  /** req_prod says that there are more requests than slots, or fewer than were taken. */
  @ParameterizedTest
  @ValueSource(ints = {33, 1000, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
  void aProducerIndexBeyondTheRingClosesTheDevice(int producer) {
    SharedRing.writeIndex(ring.memory(), SharedRing.REQ_PROD_OFFSET, producer);
    assertThat(vbd.untaken()).isZero();
    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.CLOSED);
    assertThat(disk.held).isEmpty();
    assertThat(disk.disconnections).isEqualTo(1);
    assertThat(host.node(address.errorPath() + "/error").orElseThrow())
        .contains("req_prod is " + Integer.toUnsignedString(producer));
    assertThat(vbd.poll(disk, 64)).isZero();
    domain.destroy();
    assertThat(host.hypervisor.zombies()).isEmpty();
  }

  @Test
  void aProducerIndexThatGoesBackClosesTheDevice() {
    submit(request(Wire.READ, 1, 0));
    submit(request(Wire.READ, 1, 8));
    vbd.poll(disk, 64);
    SharedRing.writeIndex(ring.memory(), SharedRing.REQ_PROD_OFFSET, 1);
    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.CLOSED);
    disk.answerAll();
    vbd.publishResponses();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, 1000, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
  void nonsenseInOurOwnIndexesAndInRspEventIsIgnored(int nonsense) {
    SharedRing.writeIndex(ring.memory(), SharedRing.RSP_EVENT_OFFSET, nonsense);
    SharedRing.writeIndex(ring.memory(), SharedRing.RSP_PROD_OFFSET, nonsense);
    SharedRing.writeIndex(ring.memory(), SharedRing.REQ_EVENT_OFFSET, nonsense);
    submit(request(Wire.READ, 1, 0));
    vbd.poll(disk, 64);
    BlockRequest answered = disk.answer(0);
    assertThat(answered.seen()).as("not even published").isFalse();
    vbd.publishResponses();
    answered.seen();
    answered.release();
    SharedRing.writeIndex(ring.memory(), SharedRing.RSP_EVENT_OFFSET, 1);
    assertThat(responses()).containsExactly(new Response(ID, Wire.READ, OKAY));
  }

  @Test
  void aFrontendThatNeverSeesAnswersIsBoundedByTwoRings() {
    List<BlockRequest> kept = new ArrayList<>();
    for (int round = 0; round < 10; round++) {
      // Takes the responses, but never says so.
      while (!ring.isFull()) {
        submit(request(Wire.READ, 1, 0));
      }
      vbd.poll(disk, 1000);
      while (!disk.held.isEmpty()) {
        kept.add(disk.answer(0));
      }
      vbd.publishResponses();
      ByteBuffer response = ByteBuffer.allocate(12);
      while (ring.responses() > 0) {
        ring.take(response);
      }
    }
    assertThat(kept).hasSize(2 * ring.size());
    assertThat(vbd.poll(disk, 1000)).isZero();
    kept.get(0).release();
    assertThat(vbd.poll(disk, 1000)).as("a released one makes room").isEqualTo(1);
  }

  @ParameterizedTest
  @EnumSource(RingLayout.class)
  void aGuestThatOnlyEverSendsNonsenseHurtsNobodyElse(RingLayout each) {
    if (each != layout) {
      connect(each, disk.geometry());
    }
    EmbeddedDomain other = host.domain();
    DeviceAddress otherAddress = host.publish(other, VbdLimits.DEFAULT);
    MemoryDisk otherDisk = new MemoryDisk(4096);
    Vbd otherVbd = host.vbd(otherAddress, VbdLimits.DEFAULT);
    otherVbd.offer(otherDisk.geometry());
    long seed = System.nanoTime();
    java.util.Random random = new java.util.Random(seed);
    byte[] junk = new byte[layout.slotBytes()];
    for (int i = 0; i < 2000 && vbd.state() == State.CONNECTED; i++) {
      random.nextBytes(junk);
      junk[0] = (byte) random.nextInt(8);
      int slot = ring.requestOffset();
      ring.memory().put(slot, junk);
      ring.put();
      ring.push();
      assertThat(vbd.poll(disk, 64)).as("seed %d", seed).isEqualTo(1);
      disk.answerAll();
      vbd.publishResponses();
      assertThat(responses()).as("seed %d", seed).hasSize(1);
    }
    assertThat(vbd.state()).as("seed %d", seed).isEqualTo(State.CONNECTED);
    assertThat(otherVbd.poll(otherDisk, 64)).isZero();
    assertThat(otherVbd.state()).isEqualTo(State.OFFERED);
  }

  private record Response(long id, int operation, int status) {}

  private void submit(SlotWriter writer) {
    writer.write(this, ring.memory(), ring.requestOffset());
    ring.put();
    ring.push();
  }

  private List<Response> responses() {
    List<Response> found = new ArrayList<>();
    ByteBuffer response = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    while (ring.responses() > 0) {
      ring.take(response);
      found.add(
          new Response(
              RingLayout.responseId(response),
              RingLayout.responseOperation(response),
              RingLayout.responseStatus(response)));
    }
    ring.finalCheckForResponses();
    return found;
  }
}
