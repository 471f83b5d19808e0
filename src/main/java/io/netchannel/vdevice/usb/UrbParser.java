package io.netchannel.vdevice.usb;

import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * Makes a request of a slot, or refuses it. Works on private copies of the slot and of the packet
 * descriptors: what has been checked cannot be changed by the guest any more.
 *
 * <p>One per port, for all its connections: it knows which address the guest has given the device.
 */
final class UrbParser {
  /** The one port of the controller. */
  static final int PORT = 1;

  private static final int SETUP_LENGTH_SHIFT = 48;
  private static final int SETUP_VALUE_SHIFT = 16;

  private final IsoDescriptors descriptors;

  /** Private copy of the slot. */
  private final ByteBuffer slot =
      ByteBuffer.allocate(UrbLayout.SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /** The device's address at the guest; 0 while it has none. */
  private int address;

  /** Which device is there: counts those that went. */
  private int device;

  /** One went, and the guest has given no address to what came then, if anything did. */
  private boolean awaitsAddress;

  UrbParser(IsoDescriptors descriptors) {
    this.descriptors = descriptors;
  }

  /**
   * A request that is answered without being served.
   *
   * @param errno Linux' number
   */
  record Refusal(int errno, String reason) {}

  /** Where the slot is to be copied to before {@link #parse}. */
  ByteBuffer slot() {
    return slot;
  }

  int address() {
    return address;
  }

  void address(int newAddress) {
    address = newAddress;
  }

  /** The id of the copied slot. */
  int id() {
    return Short.toUnsignedInt(slot.getShort(UrbLayout.ID));
  }

  /**
   * Fills {@code urb} from the copied slot.
   *
   * @param sequence its number among the requests of its ring
   * @return why it is refused; the id is set even then, for the response
   */
  Optional<Refusal> parse(RingUrb urb, long sequence) {
    int pipe = slot.getInt(UrbLayout.PIPE);
    int flags = slot.getShort(UrbLayout.FLAGS) & UrbLayout.SHORT_NOT_OK;
    urb.reset(id(), pipe, flags, slot.getLong(UrbLayout.SETUP), sequence);
    if (urb.isUnlink()) {
      return Optional.empty();
    }
    if ((pipe & UrbLayout.PORT_MASK) != PORT) {
      return refuse(
          -UsbifStatus.NODEV,
          "port %d, there is only port %d".formatted(pipe & UrbLayout.PORT_MASK, PORT));
    }
    Optional<Refusal> refusal = parseSegments(urb);
    if (refusal.isEmpty()) {
      refusal =
          switch (urb.type()) {
            case CONTROL -> parseControl(urb);
            case BULK, INTERRUPT -> checkEndpoint(urb, urb.endpointNumber() != 0);
            case ISOCHRONOUS -> parsePackets(urb);
          };
    }
    if (refusal.isEmpty()) {
      learnAddress(urb);
    }
    return refusal;
  }

  private Optional<Refusal> parseSegments(RingUrb urb) {
    int data = Short.toUnsignedInt(slot.getShort(UrbLayout.SEGMENT_COUNT));
    int table =
        urb.type() == PipeType.ISOCHRONOUS
            ? (int) (slot.getLong(UrbLayout.SETUP) >>> UrbLayout.TABLE_SEGMENT_COUNT_SHIFT)
            : 0;
    if (data + table > UrbLayout.MAX_SEGMENTS) {
      return refuse(
          "%d and %d segments, at most %d fit".formatted(data, table, UrbLayout.MAX_SEGMENTS));
    }
    for (int segment = 0; segment < data + table; segment++) {
      int position = UrbLayout.SEGMENTS + segment * UrbLayout.SEGMENT_BYTES;
      int reference = slot.getInt(position);
      int offset = Short.toUnsignedInt(slot.getShort(position + 4));
      int bytes = Short.toUnsignedInt(slot.getShort(position + 6));
      if (bytes == 0 || offset + bytes > GrantTable.PAGE_BYTES) {
        return refuse("segment %d of %d bytes at %d of its page".formatted(segment, bytes, offset));
      }
      if (segment < data) {
        urb.addDataSegment(reference, offset, bytes);
      } else {
        urb.addTableSegment(reference, offset, bytes);
      }
    }
    int said = Short.toUnsignedInt(slot.getShort(UrbLayout.LENGTH));
    if (said != (urb.lengthBytes() & 0xffff)) {
      return refuse("%d bytes, its segments have %d".formatted(said, urb.lengthBytes()));
    }
    return Optional.empty();
  }

  private Optional<Refusal> parseControl(RingUrb urb) {
    int length = (int) (urb.setup() >>> SETUP_LENGTH_SHIFT);
    // Linux refuses another length before it gets here (urb.c); a device would send what the setup
    // asks for, whether there is room or not.
    return length == urb.lengthBytes()
        ? checkEndpoint(urb, urb.endpointNumber() == 0)
        : refuse("setup for %d bytes, the URB has %d".formatted(length, urb.lengthBytes()));
  }

  private Optional<Refusal> parsePackets(RingUrb urb) {
    int packets = (int) (slot.getLong(UrbLayout.SETUP) >>> UrbLayout.PACKET_COUNT_SHIFT) & 0xffff;
    if (packets == 0 || packets > UrbRequest.MAX_PACKETS) {
      return refuse("%d packets, expected 1 to %d".formatted(packets, UrbRequest.MAX_PACKETS));
    }
    if (urb.tableBytes() != packets * UrbLayout.PACKET_BYTES) {
      return refuse("%d packets with %d bytes of descriptors".formatted(packets, urb.tableBytes()));
    }
    Optional<String> wrong = descriptors.read(urb, packets);
    return wrong.isPresent() ? refuse(wrong.get()) : checkEndpoint(urb, urb.endpointNumber() != 0);
  }

  private static Optional<Refusal> checkEndpoint(RingUrb urb, boolean fits) {
    return fits
        ? Optional.empty()
        : refuse("%s on endpoint %d".formatted(urb.type(), urb.endpointNumber()));
  }

  private void learnAddress(RingUrb urb) {
    if (urb.isSetAddress()) {
      urb.wasAddressed(address != 0);
    }
    taken(urb);
  }

  /**
   * What is sent to an address has it, also when another process was told so. Linux resets a disk
   * whose transfer was an error without a word to its address before: that of a transfer which
   * another process had taken may be all that tells.
   */
  void taken(RingUrb urb) {
    if (urb.isUnlink() || (awaitsAddress && urb.deviceAddress() != 0)) {
      return;
    }
    urb.device(device);
    if (urb.isSetAddress()) {
      address = (int) (urb.setup() >>> SETUP_VALUE_SHIFT) & UrbLayout.ADDRESS_MASK;
      awaitsAddress = false;
    } else if (urb.deviceAddress() != 0) {
      address = urb.deviceAddress();
    }
  }

  /**
   * What was plugged went. A guest that has not heard of it yet goes on to write to an address that
   * what comes then has not been given.
   */
  void unplugged() {
    address = 0;
    awaitsAddress = true;
    device++;
  }

  /** Whether the guest has given no address since one was unplugged. */
  boolean awaitsAddress() {
    return awaitsAddress;
  }

  /** Which device is there now. */
  int device() {
    return device;
  }

  private static Optional<Refusal> refuse(String reason) {
    return refuse(-UsbifStatus.INVAL, reason);
  }

  private static Optional<Refusal> refuse(int errno, String reason) {
    return Optional.of(new Refusal(errno, reason));
  }
}
