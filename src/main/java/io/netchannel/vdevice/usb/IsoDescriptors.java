package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.GuestMemory;
import io.netchannel.xen.GrantCopy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * The packet descriptors of isochronous URBs, which are in the guest's memory: copied in once,
 * checked, and copied back with what became of the packets. Offsets and lengths that go back are
 * those that were checked: the guest gets again what it wrote.
 */
final class IsoDescriptors {
  private final GuestMemory guest;

  /** Private copy of one table. */
  private final ByteBuffer table =
      ByteBuffer.allocateDirect(UrbRequest.MAX_PACKETS * UrbLayout.PACKET_BYTES)
          .order(ByteOrder.LITTLE_ENDIAN);

  IsoDescriptors(GuestMemory guest) {
    this.guest = guest;
  }

  /**
   * Gives {@code urb} its packets. Its segments are known.
   *
   * @return why not
   */
  Optional<String> read(RingUrb urb, int packets) {
    GrantCopy batch = guest.batch(GrantCopy.Direction.FROM_GUEST, table);
    urb.addTable(batch, packets * UrbLayout.PACKET_BYTES);
    if (!guest.copy(batch)) {
      return Optional.of("packet descriptors cannot be read");
    }
    long end = 0;
    for (int packet = 0; packet < packets; packet++) {
      int position = packet * UrbLayout.PACKET_BYTES;
      long offset = Integer.toUnsignedLong(table.getInt(position + UrbLayout.PACKET_OFFSET));
      long length = Integer.toUnsignedLong(table.getInt(position + UrbLayout.PACKET_LENGTH));
      // Drivers lay packets out one after the other. Of packets one over the other, a few bytes of
      // guest memory would stand for much of ours, and each might be cut by every segment: more
      // parts than a copy has.
      if (offset < end || offset + length > urb.lengthBytes()) {
        return Optional.of(
            "packet %d of %d bytes at %d, the one before ends at %d, the URB has %d"
                .formatted(packet, length, offset, end, urb.lengthBytes()));
      }
      end = offset + length;
      urb.addPacket((int) offset, (int) length);
    }
    return Optional.empty();
  }

  /** Writes what became of the packets; false when a grant was refused or the guest has gone. */
  boolean write(RingUrb urb) {
    for (int packet = 0; packet < urb.packets(); packet++) {
      int position = packet * UrbLayout.PACKET_BYTES;
      table.putInt(position + UrbLayout.PACKET_OFFSET, urb.packetOffset(packet));
      table.putInt(position + UrbLayout.PACKET_LENGTH, urb.packetBytes(packet));
      table.putInt(position + UrbLayout.PACKET_ACTUAL, urb.packetActualBytes(packet));
      table.putInt(position + UrbLayout.PACKET_STATUS, -urb.packetErrno(packet));
    }
    GrantCopy batch = guest.batch(GrantCopy.Direction.TO_GUEST, table);
    urb.addTable(batch, urb.packets() * UrbLayout.PACKET_BYTES);
    return guest.copy(batch);
  }
}
