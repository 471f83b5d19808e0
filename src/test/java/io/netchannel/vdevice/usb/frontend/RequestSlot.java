package io.netchannel.vdevice.usb.frontend;

import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.vdevice.usb.UrbLayout;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** How xen-hcd fills the next slot of its ring; putting it there is the caller's. */
final class RequestSlot {
  private static final int PORT = 1;

  private RequestSlot() {}

  /** The wish to end the URB that is out under {@code urbId}. */
  static void unlink(FrontRing ring, int id, GuestUrb urb, int urbId) {
    ByteBuffer memory = ring.memory();
    int slot = ring.requestOffset();
    memory.putShort(slot + UrbLayout.ID, (short) id);
    memory.putInt(slot + UrbLayout.PIPE, pipe(urb) | UrbLayout.UNLINK);
    memory.putLong(slot + UrbLayout.SETUP, urbId);
  }

  /**
   * A URB.
   *
   * @return the grants that its memory was given
   */
  static List<Integer> submit(FrontRing ring, int id, GuestUrb urb, EmbeddedDomain domain) {
    ByteBuffer memory = ring.memory();
    int slot = ring.requestOffset();
    memory.putShort(slot + UrbLayout.ID, (short) id);
    memory.putInt(slot + UrbLayout.PIPE, pipe(urb));
    memory.putShort(
        slot + UrbLayout.FLAGS, (short) (urb.isShortNotOk() ? UrbLayout.SHORT_NOT_OK : 0));
    memory.putShort(slot + UrbLayout.LENGTH, (short) urb.lengthBytes());
    memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) urb.dataPages());
    memory.putLong(slot + UrbLayout.SETUP, urb.union());
    List<Integer> grants = new ArrayList<>();
    Granter granter = new Granter(memory, slot + UrbLayout.SEGMENTS, domain, grants);
    granter.add(urb.data(), urb.offset(), urb.lengthBytes(), !urb.isIn());
    granter.add(urb.table(), urb.tableOffset(), urb.tableBytes(), false);
    return grants;
  }

  private static int pipe(GuestUrb urb) {
    return PORT
        | (urb.endpoint() & UrbLayout.IN)
        | urb.deviceAddress() << UrbLayout.ADDRESS_SHIFT
        | (urb.endpoint() & UrbLayout.ENDPOINT_MASK) << UrbLayout.ENDPOINT_SHIFT
        | urb.type().number() << UrbLayout.TYPE_SHIFT;
  }

  /** Grants memory, and writes the segments one after the other. */
  private record Granter(
      ByteBuffer memory, int segments, EmbeddedDomain domain, List<Integer> grants) {
    void add(GuestPages pages, int offset, int bytes, boolean readOnly) {
      int page = 0;
      int at = offset;
      for (int left = bytes; left > 0; page++) {
        int part = Math.min(left, GrantTable.PAGE_BYTES - at);
        int reference = domain.grantAccess(0, pages, page, readOnly);
        int position = segments + grants.size() * UrbLayout.SEGMENT_BYTES;
        memory.putInt(position, reference);
        memory.putShort(position + 4, (short) at);
        memory.putShort(position + 6, (short) part);
        grants.add(reference);
        left -= part;
        at = 0;
      }
    }
  }
}
