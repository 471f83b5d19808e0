package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/**
 * A frontend that writes whatever it likes into slots, descriptors and indexes. Each bad request
 * gets an answer with an error and never reaches the handler, or the device is closed; a line in
 * the log names guest and port; the next good request is served.
 */
final class HostileUsbFrontendTest {
  private static final int ID = 0xabcd;
  private static final int NODEV = -19;
  private static final int INVAL = -22;

  private static final int BULK = 3 << UrbLayout.TYPE_SHIFT;
  private static final int CONTROL = 2 << UrbLayout.TYPE_SHIFT;
  private static final int INTERRUPT = 1 << UrbLayout.TYPE_SHIFT;
  private static final int ISO = 0;
  private static final int ENDPOINT_1 = 1 << UrbLayout.ENDPOINT_SHIFT;
  private static final int PORT_1 = 1;
  private static final int IN = UrbLayout.IN;

  private final UsbHost host = new UsbHost();
  private final ListAppender<ILoggingEvent> lines = new ListAppender<>();
  private final Logger logger = (Logger) LoggerFactory.getLogger(UsbPort.class);
  private final ByteBuffer response =
      ByteBuffer.allocate(UrbLayout.RESPONSE_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  private GuestPages ringPage;
  private GuestPages plugPage;
  private FrontRing ring;
  private GuestPages page;
  private GuestPages table;
  private int good;
  private int readOnly;
  private int tableGrant;

  @BeforeEach
  void connect() {
    lines.start();
    logger.addAppender(lines);
    ringPage = host.domain.allocatePage();
    plugPage = host.domain.allocatePage();
    ring = new FrontRing(ringPage.memory(), UrbLayout.SLOT_BYTES);
    page = host.domain.allocatePage();
    table = host.domain.allocatePage();
    good = host.domain.grantAccess(0, page, 0, false);
    readOnly = host.domain.grantAccess(0, page, 0, true);
    tableGrant = host.domain.grantAccess(0, table, 0, false);
    host.port.offer();
    try (XenStore guest = host.domain.xenStore()) {
      String frontend = host.address.frontendPath();
      guest.write(frontend + "/urb-ring-ref", "" + host.domain.grantAccess(0, ringPage, 0, false));
      guest.write(frontend + "/conn-ring-ref", "" + host.domain.grantAccess(0, plugPage, 0, false));
      guest.write(frontend + "/event-channel", "" + host.domain.allocUnbound(0));
      guest.write(frontend + "/state", "4");
    }
    host.port.poll(host, 0);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
  }

  @AfterEach
  void stopListening() {
    logger.detachAppender(lines);
  }

  /** Writes one slot. */
  interface SlotWriter {
    void write(HostileUsbFrontendTest guest, ByteBuffer memory, int slot);
  }

  private static SlotWriter urb(int pipe, int length, long setup, int... segments) {
    return (guest, memory, slot) -> {
      memory.putShort(slot + UrbLayout.ID, (short) ID);
      memory.putInt(slot + UrbLayout.PIPE, pipe);
      memory.putShort(slot + UrbLayout.FLAGS, (short) 0);
      memory.putShort(slot + UrbLayout.LENGTH, (short) length);
      memory.putLong(slot + UrbLayout.SETUP, setup);
      memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) (segments.length / 2));
      for (int i = 0; i < segments.length / 2; i++) {
        guest.segment(memory, slot, i, guest.good, segments[2 * i], segments[2 * i + 1]);
      }
    };
  }

  private void segment(
      ByteBuffer memory, int slot, int index, int reference, int offset, int bytes) {
    int position = slot + UrbLayout.SEGMENTS + index * UrbLayout.SEGMENT_BYTES;
    memory.putInt(position, reference);
    memory.putShort(position + 4, (short) offset);
    memory.putShort(position + 6, (short) bytes);
  }

  private static SlotWriter segmentCount(int pipe, int count) {
    return (guest, memory, slot) -> {
      urb(pipe, 512, 0, 0, 512).write(guest, memory, slot);
      memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) count);
    };
  }

  /** An isochronous URB of 1000 bytes, with packets of {offset, length}. */
  private static SlotWriter iso(int packets, int tableSegments, int tableBytes, int... table) {
    return (guest, memory, slot) -> {
      long setup =
          1
              | (long) packets << UrbLayout.PACKET_COUNT_SHIFT
              | (long) tableSegments << UrbLayout.TABLE_SEGMENT_COUNT_SHIFT;
      urb(ISO | ENDPOINT_1 | PORT_1 | IN, 1000, setup, 0, 1000).write(guest, memory, slot);
      guest.segment(memory, slot, 1, guest.tableGrant, 0, tableBytes);
      for (int i = 0; i < table.length / 2; i++) {
        int at = i * UrbLayout.PACKET_BYTES;
        guest.table.memory().putInt(at, table[2 * i]).putInt(at + 4, table[2 * i + 1]);
      }
    };
  }

  private static SlotWriter isoTableGrant(int reference) {
    return (guest, memory, slot) -> {
      iso(1, 1, 16, 0, 1000).write(guest, memory, slot);
      guest.segment(memory, slot, 1, reference, 0, 16);
    };
  }

  private static long setup(int length) {
    return 0x0680 | (long) length << 48;
  }

  /** (who, slot, status expected, what the log says) */
  static Stream<Arguments> badRequests() {
    int bulkIn = BULK | ENDPOINT_1 | PORT_1 | IN;
    return Stream.of(
        Arguments.of("no port", urb(BULK | ENDPOINT_1, 0, 0), NODEV, "port 0"),
        Arguments.of("port 31", urb(bulkIn | 31, 0, 0), NODEV, "port 31"),
        Arguments.of("17 segments", segmentCount(bulkIn, 17), INVAL, "17 and 0 segments"),
        Arguments.of("65535 segments", segmentCount(bulkIn, 0xffff), INVAL, "65535 and 0"),
        Arguments.of("empty segment", urb(bulkIn, 0, 0, 0, 0), INVAL, "segment 0 of 0 bytes"),
        Arguments.of("over the page", urb(bulkIn, 2, 0, 4095, 2), INVAL, "2 bytes at 4095"),
        Arguments.of("off the page", urb(bulkIn, 1, 0, 65535, 1), INVAL, "1 bytes at 65535"),
        Arguments.of("long segment", urb(bulkIn, 65535, 0, 0, 65535), INVAL, "65535 bytes at 0"),
        Arguments.of("less said", urb(bulkIn, 511, 0, 0, 512), INVAL, "511 bytes, its segments"),
        Arguments.of("more said", urb(bulkIn, 513, 0, 0, 512), INVAL, "513 bytes, its segments"),
        Arguments.of("bulk on 0", urb(BULK | PORT_1, 0, 0), INVAL, "BULK on endpoint 0"),
        Arguments.of(
            "interrupt on 0", urb(INTERRUPT | PORT_1, 0, 0), INVAL, "INTERRUPT on endpoint 0"),
        Arguments.of(
            "control on 1",
            urb(CONTROL | ENDPOINT_1 | PORT_1, 0, setup(0)),
            INVAL,
            "CONTROL on endpoint 1"),
        Arguments.of(
            "setup asks for more",
            urb(CONTROL | PORT_1 | IN, 64, setup(65535), 0, 64),
            INVAL,
            "setup for 65535 bytes, the URB has 64"),
        Arguments.of(
            "setup asks for less",
            urb(CONTROL | PORT_1 | IN, 64, setup(8), 0, 64),
            INVAL,
            "setup for 8 bytes"),
        Arguments.of("no packets", iso(0, 1, 16), INVAL, "0 packets, expected 1 to 128"),
        Arguments.of("129 packets", iso(129, 1, 2064), INVAL, "129 packets"),
        Arguments.of("65535 packets", iso(65535, 1, 16), INVAL, "65535 packets"),
        Arguments.of("no descriptors", iso(1, 0, 16), INVAL, "1 packets with 0 bytes"),
        Arguments.of("few descriptors", iso(2, 1, 16), INVAL, "2 packets with 16 bytes"),
        Arguments.of("many segments", iso(1, 16, 16), INVAL, "1 and 16 segments"),
        Arguments.of("all segments", iso(1, 0xffff, 16), INVAL, "1 and 65535 segments"),
        Arguments.of("packet beyond", iso(1, 1, 16, 1, 1000), INVAL, "1000 bytes at 1"),
        Arguments.of("packet far beyond", iso(1, 1, 16, -1, 1), INVAL, "1 bytes at 4294967295"),
        Arguments.of("packet huge", iso(1, 1, 16, 1, -1), INVAL, "4294967295 bytes at 1"),
        Arguments.of(
            "packets overlap", iso(2, 1, 32, 0, 600, 400, 600), INVAL, "before ends at 600"),
        Arguments.of(
            "packets over each other", iso(2, 1, 32, 0, 9, 8, 9), INVAL, "9 bytes at 8, the one"),
        Arguments.of("no such grant", isoTableGrant(4711), INVAL, "cannot be read"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badRequests")
  void badRequestsAreAnsweredAndNeverServed(
      String name, SlotWriter writer, int status, String said) {
    put(writer);
    host.port.poll(host, 64);
    host.port.publishResponses();
    assertThat(host.held).as(name).isEmpty();
    assertThat(taken()).isEqualTo(ID + ": " + status + ", 0 bytes");
    assertThat(lines.list)
        .anySatisfy(
            line ->
                assertThat(line.getFormattedMessage())
                    .startsWith("guest guest (domain 1), vusb 0: bad request refused: ")
                    .contains(said));
    goodRequestsAreServed();
  }

  private void put(SlotWriter writer) {
    writer.write(this, ring.memory(), ring.requestOffset());
    ring.put();
    ring.push();
  }

  private String taken() {
    assertThat(ring.responses()).isPositive();
    ring.take(response);
    return "%d: %d, %d bytes"
        .formatted(
            Short.toUnsignedInt(response.getShort(UrbLayout.ID)),
            response.getInt(UrbLayout.RESPONSE_STATUS),
            response.getInt(UrbLayout.RESPONSE_ACTUAL));
  }

  private void goodRequestsAreServed() {
    put(urb(BULK | ENDPOINT_1 | PORT_1 | IN, 512, 0, 0, 512));
    host.port.poll(host, 64);
    host.answerIn(host.next(), UsbHost.bytes(512, 9));
    assertThat(taken()).isEqualTo(ID + ": 0, 512 bytes");
    assertThat(page.memory().get(511)).isEqualTo(UsbHost.bytes(512, 9)[511]);
  }

  @Test
  void anIdIsNotGivenTwiceAtATime() {
    put(urb(BULK | ENDPOINT_1 | PORT_1 | IN, 512, 0, 0, 512));
    put(urb(BULK | ENDPOINT_1 | PORT_1 | IN, 512, 0, 0, 512));
    host.port.poll(host, 64);
    host.port.publishResponses();
    assertThat(host.held).hasSize(1);
    assertThat(taken()).isEqualTo(ID + ": -22, 0 bytes");
    host.answerIn(host.next(), new byte[1]);
    assertThat(taken()).isEqualTo(ID + ": 0, 1 bytes");
    goodRequestsAreServed();
  }

  private static SlotWriter unlink(int id, int unlinked) {
    return (guest, memory, slot) -> {
      urb(BULK | ENDPOINT_1 | PORT_1 | UrbLayout.UNLINK, 0, unlinked).write(guest, memory, slot);
      memory.putShort(slot + UrbLayout.ID, (short) id);
      memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) 0xffff);
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 7, 0xffff})
  void unlinksOfNothingAreAnswered(int unlinked) {
    put(unlink(7, unlinked));
    host.port.poll(host, 64);
    host.port.publishResponses();
    assertThat(host.held).isEmpty();
    assertThat(taken()).isEqualTo("7: 0, 0 bytes");
  }

  @Test
  void anUnlinkIsNotUnlinkedAndTwoAreOneTooMany() {
    put(urb(BULK | ENDPOINT_1 | PORT_1 | IN, 512, 0, 0, 512));
    put(unlink(1, ID));
    put(unlink(2, ID));
    put(unlink(3, 1));
    host.port.poll(host, 64);
    host.port.publishResponses();
    assertThat(host.held).hasSize(2);
    assertThat(taken()).isEqualTo("2: -22, 0 bytes");
    assertThat(taken()).isEqualTo("3: 0, 0 bytes");
    host.answer(host.next(), UsbHost.ECONNRESET, 0);
    assertThat(taken()).isEqualTo(ID + ": -108, 0 bytes");
    assertThat(taken()).isEqualTo("1: 0, 0 bytes");
  }

  @Test
  void grantsThatDoNotHoldAreOnesOwnFault() {
    put(
        (guest, memory, slot) -> {
          urb(BULK | ENDPOINT_1 | PORT_1 | IN, 512, 0, 0, 512).write(guest, memory, slot);
          guest.segment(memory, slot, 0, guest.readOnly, 0, 512);
        });
    host.port.poll(host, 64);
    host.answerIn(host.next(), new byte[512]);
    assertThat(taken()).isEqualTo(ID + ": -71, 512 bytes");
  }

  /** The descriptors' page is taken away before the outcomes go back. */
  @Test
  void descriptorsThatCannotBeWrittenAreAnError() {
    put(iso(1, 1, 16, 0, 1000));
    host.port.poll(host, 64);
    host.domain.endAccess(tableGrant);
    UrbRequest request = host.next();
    request.packetDone(0, 1000, 0);
    host.answer(request, UsbHost.OK, 1000);
    assertThat(taken()).isEqualTo(ID + ": -71, 1000 bytes");
  }

  @ParameterizedTest
  @ValueSource(ints = {17, -1, Integer.MIN_VALUE})
  void anIndexThatCannotBeClosesTheDevice(int requests) {
    SharedRing.writeIndex(ringPage.memory(), SharedRing.REQ_PROD_OFFSET, requests);
    host.port.poll(host, 64);
    assertThat(host.port.state()).isEqualTo(State.CLOSED);
    assertThat(host.disconnections).isEqualTo(1);
    assertThat(host.node(host.address.errorPath() + "/error").orElseThrow()).contains("req_prod");
  }

  @ParameterizedTest
  @ValueSource(ints = {513, -1, Integer.MIN_VALUE})
  void anIndexOfTheOtherRingThatCannotBeClosesTheDevice(int requests) {
    host.port.plugged(2, "it");
    SharedRing.writeIndex(plugPage.memory(), SharedRing.REQ_PROD_OFFSET, requests);
    host.port.poll(host, 64);
    assertThat(host.port.state()).isEqualTo(State.CLOSED);
    assertThat(host.node(host.address.errorPath() + "/error").orElseThrow())
        .contains("ring of 512 slots");
    host.domain.destroy();
    assertThat(host.hypervisor.zombies()).isEmpty();
  }

  /** Whoever leaves no room for plug events is not told of them; what he asks for is served. */
  @Test
  void aRingOfPlugEventsWithoutFormsHoldsNobodyUp() {
    host.port.plugged(2, "it");
    for (int i = 0; i < 1000; i++) {
      host.port.unplugged();
      host.port.plugged(3, "it");
      host.port.poll(host, 64);
    }
    goodRequestsAreServed();
    FrontRing plugs = new FrontRing(plugPage.memory(), UrbLayout.PLUG_SLOT_BYTES);
    for (int i = 0; i < 3; i++) {
      plugs.put();
    }
    plugs.push();
    host.port.poll(host, 64);
    assertThat(plugs.responses()).as("an empty port, and what is there now").isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void noiseIsAnsweredSlotBySlot(long seed) {
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      put(
          (guest, memory, slot) -> {
            byte[] noise = new byte[UrbLayout.SLOT_BYTES];
            random.nextBytes(noise);
            memory.put(slot, noise);
            if (random.nextBoolean()) {
              // Half of them get past the first look.
              memory.putInt(
                  slot + UrbLayout.PIPE, (memory.getInt(slot + UrbLayout.PIPE) & ~0x3f) | 1);
              memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) random.nextInt(3));
              for (int i = 0; i < 3; i++) {
                guest.segment(
                    memory, slot, i, guest.good, random.nextInt(4200), random.nextInt(64));
              }
            }
          });
      host.port.poll(host, 64);
      while (!host.held.isEmpty()) {
        UrbRequest request = host.next();
        if (!request.isUnlink()) {
          host.answer(
              request,
              request.isIn() && !request.copyToGuest(host.buffer, request.lengthBytes())
                  ? UsbHost.EPROTO
                  : UsbHost.OK,
              request.lengthBytes());
        }
      }
      host.port.publishResponses();
      assertThat(ring.responses()).as("seed %d, round %d", seed, round).isEqualTo(1);
      ring.take(response);
    }
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    assertThat(lines.list).as("lines a guest can cause").hasSizeLessThan(40);
  }
}
