package io.netchannel.device.usb.fs;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One struct usbdevfs_urb with room for the packets of any URB, made once. Data is sent from and
 * comes to where the URB has it; only what the kernel wants in another form goes through a buffer
 * beside it, which is kept as well: a control transfer, whose setup packet comes first, and packets
 * that are not one after the other.
 */
final class KernelUrb {
  private static final int STRUCT_BYTES =
      UsbfsLayout.URB_BYTES + Urb.MAX_PACKETS * UsbfsLayout.PACKET_BYTES;

  /** Of the buffer beside it, when it is made: what most control transfers need. */
  private static final int FIRST_BESIDE_BYTES = 256;

  private static final int MAX_BESIDE_BYTES = UsbfsLayout.SETUP_BYTES + Urb.MAX_DATA_BYTES;

  /** Where a setup packet says how much data there is, which is what the kernel goes by. */
  private static final int WLENGTH = 6;

  private final ByteBuffer urb = allocate(STRUCT_BYTES);
  private final long address = addressOf(urb);

  private ByteBuffer beside = allocate(0);
  private long besideAt;

  // The address of the buffer that was used last: it is often the same one again.
  private ByteBuffer known;
  private long knownAt;

  /** Whether the data of the present URB goes through the buffer beside it. */
  private boolean isBeside;

  /** Of the struct. */
  long address() {
    return address;
  }

  /** Whether its data is as long as what it says of it; of what does not fit nothing is encoded. */
  static boolean fits(Urb urb) {
    return switch (urb.type()) {
      case CONTROL -> urb.setupShort(WLENGTH) <= urb.dataBytes();
      case ISOCHRONOUS -> {
        long bytes = 0;
        for (int i = 0; i < urb.packets(); i++) {
          bytes += urb.packetBytes(i);
        }
        yield urb.packets() > 0 && bytes <= urb.dataBytes();
      }
      case BULK, INTERRUPT -> true;
    };
  }

  /** Becomes this URB. */
  void encode(Urb of) {
    urb.putLong(0, 0).putInt(UsbfsLayout.STATUS, 0);
    int flags = of.shortNotOk() && of.isIn() ? UsbfsLayout.FLAG_SHORT_NOT_OK : 0;
    switch (of.type()) {
      case CONTROL -> {
        head(UsbfsLayout.TYPE_CONTROL, 0, flags, 0);
        control(of);
      }
      case BULK -> {
        head(UsbfsLayout.TYPE_BULK, of.endpoint(), flags, 0);
        buffer(dataAt(of), of.dataBytes());
      }
      case INTERRUPT -> {
        head(UsbfsLayout.TYPE_INTERRUPT, of.endpoint(), flags, 0);
        buffer(dataAt(of), of.dataBytes());
      }
      case ISOCHRONOUS -> {
        // A guest knows no frame numbers of this host.
        head(UsbfsLayout.TYPE_ISO, of.endpoint(), UsbfsLayout.FLAG_ISO_ASAP, of.packets());
        isochronous(of);
      }
    }
  }

  private void head(byte type, int endpoint, int flags, int packets) {
    isBeside = false;
    urb.put(UsbfsLayout.TYPE, type)
        .put(UsbfsLayout.ENDPOINT, (byte) endpoint)
        .putInt(UsbfsLayout.FLAGS, flags)
        .putInt(UsbfsLayout.ACTUAL_LENGTH, 0)
        .putInt(UsbfsLayout.START_FRAME, 0)
        .putInt(UsbfsLayout.NUMBER_OF_PACKETS, packets)
        .putInt(UsbfsLayout.ERROR_COUNT, 0)
        .putInt(UsbfsLayout.SIGNAL, 0)
        .putLong(UsbfsLayout.USER_CONTEXT, 0);
  }

  private void buffer(long at, int bytes) {
    urb.putLong(UsbfsLayout.BUFFER, bytes == 0 ? 0 : at).putInt(UsbfsLayout.BUFFER_LENGTH, bytes);
  }

  private void control(Urb of) {
    int bytes = UsbfsLayout.SETUP_BYTES + of.dataBytes();
    useBeside(bytes);
    beside.putLong(0, of.setup());
    if (!of.isIn()) {
      beside.put(UsbfsLayout.SETUP_BYTES, of.data(), of.data().position(), of.dataBytes());
    }
    buffer(besideAt, bytes);
  }

  private void isochronous(Urb of) {
    int bytes = 0;
    boolean inOrder = true;
    for (int i = 0; i < of.packets(); i++) {
      int at = UsbfsLayout.URB_BYTES + i * UsbfsLayout.PACKET_BYTES;
      urb.putInt(at + UsbfsLayout.PACKET_LENGTH, of.packetBytes(i))
          .putInt(at + UsbfsLayout.PACKET_ACTUAL_LENGTH, 0)
          .putInt(at + UsbfsLayout.PACKET_STATUS, 0);
      inOrder &= of.packetOffset(i) == bytes;
      bytes += of.packetBytes(i);
    }
    if (inOrder) {
      buffer(dataAt(of), bytes);
      return;
    }
    useBeside(bytes);
    int at = 0;
    for (int i = 0; i < of.packets() && !of.isIn(); i++) {
      beside.put(at, of.data(), of.data().position() + of.packetOffset(i), of.packetBytes(i));
      at += of.packetBytes(i);
    }
    buffer(besideAt, bytes);
  }

  /**
   * Tells the URB what became of it; the struct was reaped.
   *
   * @param killed as in {@link KernelStatus#ofReaped}
   */
  void decode(Urb into, boolean killed) {
    UrbStatus status = KernelStatus.ofReaped(urb.getInt(UsbfsLayout.STATUS), killed);
    if (into.type() == UrbType.ISOCHRONOUS) {
      into.done(status == UrbStatus.MISSED_FRAME ? UrbStatus.OK : status, packetsOf(into, killed));
      into.frames(
          urb.getInt(UsbfsLayout.START_FRAME), Math.max(0, urb.getInt(UsbfsLayout.ERROR_COUNT)));
      return;
    }
    int actual = Math.max(0, Math.min(urb.getInt(UsbfsLayout.ACTUAL_LENGTH), into.dataBytes()));
    if (isBeside && into.isIn()) {
      into.data().put(into.data().position(), beside, UsbfsLayout.SETUP_BYTES, actual);
    }
    into.done(status, actual);
  }

  /** Bytes of them all. */
  private int packetsOf(Urb into, boolean killed) {
    int all = 0;
    int from = 0;
    for (int i = 0; i < into.packets(); i++) {
      int at = UsbfsLayout.URB_BYTES + i * UsbfsLayout.PACKET_BYTES;
      int length = into.packetBytes(i);
      int actual = Math.max(0, Math.min(urb.getInt(at + UsbfsLayout.PACKET_ACTUAL_LENGTH), length));
      int status = urb.getInt(at + UsbfsLayout.PACKET_STATUS);
      if (isBeside && into.isIn()) {
        into.data().put(into.data().position() + into.packetOffset(i), beside, from, actual);
      }
      into.packetDone(i, actual, KernelStatus.ofReaped(status, killed));
      all += actual;
      from += length;
    }
    return Math.min(all, into.dataBytes()); // packets that overlap may have more
  }

  @SuppressWarnings("ReferenceEquality") // equal content is at another address
  private long dataAt(Urb of) {
    ByteBuffer data = of.data();
    if (data != known) {
      known = data;
      knownAt = addressOf(data);
    }
    return knownAt + data.position();
  }

  private void useBeside(int bytes) {
    isBeside = true;
    if (beside.capacity() < bytes) {
      int rounded = Math.max(FIRST_BESIDE_BYTES, Integer.highestOneBit(bytes - 1) << 1);
      beside = allocate(Math.min(rounded, MAX_BESIDE_BYTES));
      besideAt = addressOf(beside);
    }
  }

  private static ByteBuffer allocate(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static long addressOf(ByteBuffer direct) {
    return Pointer.nativeValue(Native.getDirectBufferPointer(direct));
  }
}
