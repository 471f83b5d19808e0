package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.XenException;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The page of a ring that was in use elsewhere: all of it fits what is known, or none is taken. */
final class OldRingTest {
  private static final int CONSUMER = 0x1234;
  private static final int ORPHANS = 3;
  private static final int BULK = 3 << UrbLayout.TYPE_SHIFT;
  private static final int ISO = 0;

  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final ForeignMemory memory = hypervisor.foreignMemory();
  private final EmbeddedDomain domain = hypervisor.createDomain();
  private final DeviceAddress address = UsbNodes.TYPE.address(domain.domid(), 0, 0);
  private final GuestPages ring = domain.allocatePage();
  private final GuestPages data = domain.allocatePage();
  private final int good = domain.grantAccess(0, data, 0, false);
  private final int othersGrant = domain.grantAccess(5, data, 0, false);
  private final ByteBuffer page = ring.memory();

  /** A good ring with three INs of a page each. */
  private void fill(int consumer) {
    index(SharedRing.REQ_PROD_OFFSET, consumer + ORPHANS);
    index(SharedRing.REQ_EVENT_OFFSET, consumer + 1);
    index(SharedRing.RSP_PROD_OFFSET, consumer);
    index(SharedRing.RSP_EVENT_OFFSET, consumer + 1);
    for (int orphan = 0; orphan < ORPHANS; orphan++) {
      int slot = slot(consumer, orphan);
      page.putShort(slot + UrbLayout.ID, (short) (15 - orphan));
      page.putInt(slot + UrbLayout.PIPE, 1 | UrbLayout.IN | 1 << UrbLayout.ENDPOINT_SHIFT | BULK);
      page.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) 1);
      segment(slot, good, 0, 4096);
    }
  }

  private void index(int offset, int value) {
    page.putInt(offset, value);
  }

  private static int slot(int consumer, int orphan) {
    return SharedRing.HEADER_BYTES + ((consumer + orphan) & 15) * UrbLayout.SLOT_BYTES;
  }

  private void segment(int slot, int reference, int offset, int bytes) {
    int position = slot + UrbLayout.SEGMENTS;
    page.putInt(position, reference);
    page.putShort(position + 4, (short) offset);
    page.putShort(position + 6, (short) bytes);
  }

  private OldRing read(int consumer) throws RingBrokenException {
    return OldRing.read(memory, address, new RingMark(ring.firstFrame(), consumer, consumer));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 5, 14, CONSUMER, -2, Integer.MAX_VALUE - 1})
  void aGoodRingIsReadAlsoWhereItWraps(int consumer) throws RingBrokenException {
    fill(consumer);
    OldRing old = read(consumer);
    fillWithGarbage(1); // it is read once
    ByteBuffer slot = ByteBuffer.allocate(UrbLayout.SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(old.count()).isEqualTo(ORPHANS);
    for (int orphan = 0; orphan < ORPHANS; orphan++) {
      assertThat(old.waiting()).isEqualTo(ORPHANS - orphan);
      old.take(slot);
      assertThat(slot.getShort(UrbLayout.ID)).isEqualTo((short) (15 - orphan));
      assertThat(slot.getInt(UrbLayout.SEGMENTS)).isEqualTo(good);
    }
    assertThat(old.waiting()).isZero();
  }

  private void fillWithGarbage(long seed) {
    byte[] garbage = new byte[4096];
    new Random(seed).nextBytes(garbage);
    page.put(0, garbage);
  }

  /** Something is changed in a good ring. */
  interface Change {
    /** Makes it; {@code slot} is that of the second orphan. */
    void in(OldRingTest test, int slot);
  }

  private static Arguments row(String name, Change change, String expected) {
    return Arguments.of(name, change, expected);
  }

  private static Change moved(int offset, int difference) {
    return (test, slot) -> test.index(offset, CONSUMER + difference);
  }

  static Stream<Arguments> nothingIsTaken() {
    return Stream.of(
        row("one answer more", moved(SharedRing.RSP_PROD_OFFSET, 1), "rsp_prod"),
        row("one answer less", moved(SharedRing.RSP_PROD_OFFSET, -1), "rsp_prod"),
        row("asked for events beyond the next", moved(SharedRing.REQ_EVENT_OFFSET, 2), "req_event"),
        row("17 requests not asked for", moved(SharedRing.REQ_EVENT_OFFSET, -16), "req_event"),
        row("events of more than there is", moved(SharedRing.RSP_EVENT_OFFSET, 2), "rsp_event"),
        row("17 answers not taken", moved(SharedRing.RSP_EVENT_OFFSET, -16), "rsp_event"),
        row("17 requests", moved(SharedRing.REQ_PROD_OFFSET, 17), "req_prod"),
        row("one request less than taken", moved(SharedRing.REQ_PROD_OFFSET, -1), "req_prod"),
        row("requests without end", moved(SharedRing.REQ_PROD_OFFSET, 1 << 31), "req_prod"),
        row(
            "an id beyond the table",
            (test, slot) -> test.page.putShort(slot + UrbLayout.ID, (short) 16),
            "id 16"),
        row(
            "an id that the driver ends its list with",
            (test, slot) -> test.page.putShort(slot + UrbLayout.ID, (short) 0x0fff),
            "id 4095"),
        row(
            "the highest id",
            (test, slot) -> test.page.putShort(slot + UrbLayout.ID, (short) -1),
            "id 65535"),
        row(
            "an id twice",
            (test, slot) -> test.page.putShort(slot + UrbLayout.ID, (short) 15),
            "no other has"),
        row(
            "an unlink with an id twice",
            (test, slot) -> {
              test.page.putInt(slot + UrbLayout.PIPE, 1 | UrbLayout.UNLINK | BULK);
              test.page.putShort(slot + UrbLayout.ID, (short) 15);
            },
            "no other has"),
        row(
            "17 segments",
            (test, slot) -> test.page.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) 17),
            "17 and 0 segments"),
        row(
            "65535 segments",
            (test, slot) -> test.page.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) -1),
            "65535 and 0 segments"),
        row(
            "packet descriptors beyond the slot",
            (test, slot) -> {
              test.page.putInt(slot + UrbLayout.PIPE, 1 | ISO | 1 << UrbLayout.ENDPOINT_SHIFT);
              test.page.putLong(slot + UrbLayout.SETUP, 16L << UrbLayout.TABLE_SEGMENT_COUNT_SHIFT);
            },
            "1 and 16 segments"),
        row(
            "packet descriptors that are not granted",
            (test, slot) -> {
              test.page.putInt(slot + UrbLayout.PIPE, 1 | ISO | 1 << UrbLayout.ENDPOINT_SHIFT);
              test.page.putLong(slot + UrbLayout.SETUP, 1L << UrbLayout.TABLE_SEGMENT_COUNT_SHIFT);
              test.segment(slot + UrbLayout.SEGMENT_BYTES, 7777, 0, 16);
            },
            "grant 7777"),
        row("a segment of nothing", (test, slot) -> test.segment(slot, test.good, 0, 0), "0 bytes"),
        row(
            "a segment that leaves its page",
            (test, slot) -> test.segment(slot, test.good, 1, 4096),
            "4096 bytes at 1"),
        row(
            "a segment that begins behind its page",
            (test, slot) -> test.segment(slot, test.good, 4096, 1),
            "1 bytes at 4096"),
        row("no such grant", (test, slot) -> test.segment(slot, 7777, 0, 16), "grant 7777"),
        row(
            "the highest grant",
            (test, slot) -> test.segment(slot, -1, 0, 16),
            "grant 4294967295, which is not granted to domain 0"),
        row(
            "a grant that was ended",
            (test, slot) -> {
              int ended = test.domain.grantAccess(0, test.data, 0, false);
              test.domain.endAccess(ended);
              test.segment(slot, ended, 0, 16);
            },
            "not granted to domain 0"),
        row(
            "another's grant",
            (test, slot) -> test.segment(slot, test.othersGrant, 0, 16),
            "not granted to domain 0"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void nothingIsTaken(String name, Change change, String expected) throws RingBrokenException {
    fill(CONSUMER);
    assertThat(read(CONSUMER).count()).as("before: %s", name).isEqualTo(ORPHANS);
    change.in(this, slot(CONSUMER, 1));
    assertThatThrownBy(() -> read(CONSUMER))
        .isInstanceOf(RingBrokenException.class)
        .hasMessageContaining(expected);
  }

  @Test
  void sixteenAreTaken() throws RingBrokenException {
    fill(CONSUMER);
    index(SharedRing.REQ_PROD_OFFSET, CONSUMER + 16);
    for (int orphan = 0; orphan < 16; orphan++) {
      page.putShort(slot(CONSUMER, orphan) + UrbLayout.ID, (short) orphan);
    }
    assertThat(read(CONSUMER).count()).isEqualTo(16);
  }

  @Test
  void noneIsNotAnError() throws RingBrokenException {
    fill(CONSUMER);
    index(SharedRing.REQ_PROD_OFFSET, CONSUMER);
    assertThat(read(CONSUMER).count()).isZero();
  }

  /** The last answers may have come when the guest did not look any more. */
  @Test
  void answersThatTheGuestHasNotTakenAreNoError() throws RingBrokenException {
    fill(CONSUMER);
    index(SharedRing.RSP_EVENT_OFFSET, CONSUMER - 15);
    assertThat(read(CONSUMER).count()).isEqualTo(ORPHANS);
  }

  /** At another host more were answered than the ring had requests. */
  @Test
  void answersMayBeAheadOfTheRequests() throws RingBrokenException {
    fill(CONSUMER);
    index(SharedRing.RSP_PROD_OFFSET, CONSUMER + 5);
    index(SharedRing.RSP_EVENT_OFFSET, CONSUMER + 6);
    RingMark mark = new RingMark(ring.firstFrame(), CONSUMER, CONSUMER + 5);
    assertThat(OldRing.read(memory, address, mark).count()).isEqualTo(ORPHANS);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void garbageIsNoRing(long seed) {
    fillWithGarbage(seed);
    assertThatThrownBy(() -> read(CONSUMER)).isInstanceOf(RingBrokenException.class);
  }

  /** Whatever else is in the page: a clear no, or no more than the ring has slots. */
  @Test
  void garbageBehindGoodIndexes() {
    Random random = new Random(11);
    int taken = 0;
    for (int round = 0; round < 2000; round++) {
      fillWithGarbage(random.nextLong());
      fill(CONSUMER);
      for (int i = 0; i < 3; i++) {
        page.put(SharedRing.HEADER_BYTES + random.nextInt(4032), (byte) random.nextInt());
      }
      try {
        OldRing old = read(CONSUMER);
        assertThat(old.count()).isEqualTo(ORPHANS);
        taken++;
      } catch (RingBrokenException e) {
        assertThat(e).hasMessageContaining("request");
      }
    }
    assertThat(taken).as("some hit nothing that matters").isBetween(100, 1999);
  }

  @Test
  void aPageThatIsNotTheGuestsIsRefused() {
    assertThatThrownBy(() -> OldRing.read(memory, address, new RingMark(1, 0, 0)))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("frame 0x1 of domain 1");
  }
}
