package io.netchannel.xen.jna;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.GrantCopy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A reusable array of {@code xengnttab_grant_copy_segment_t} (xengnttab.h), written without any
 * object per segment:
 *
 * <pre>
 *    0                8               16    18     20      22   24
 *    | source         | dest          | len | flags| status| pad |
 *      virt (64 bit), or
 *      ref (32) | offset (16) | domid (16)
 * </pre>
 */
final class GrantCopySegments {
  static final int SEGMENT_BYTES = 24;

  private static final int SOURCE = 0;
  private static final int DESTINATION = 8;
  private static final int FOREIGN_OFFSET = 4;
  private static final int FOREIGN_DOMID = 6;
  private static final int LENGTH = 16;
  private static final int FLAGS = 18;
  private static final int STATUS = 20;

  /** GNTCOPY_source_gref, GNTCOPY_dest_gref and GNTST_okay of xen/include/public/grant_table.h. */
  private static final short SOURCE_IS_GRANT = 1;

  private static final short DESTINATION_IS_GRANT = 2;
  private static final short OKAY = 0;

  /** Enough for an indirect request of blkif: 256 segments. */
  private static final int INITIAL_SEGMENTS = 256;

  private Memory memory = new Memory((long) INITIAL_SEGMENTS * SEGMENT_BYTES);
  private ByteBuffer segments = view(memory);

  /** Writes the whole batch in the form of the library; valid until the next call. */
  Pointer encode(GrantCopy batch) {
    int neededBytes = batch.count() * SEGMENT_BYTES;
    if (segments.capacity() < neededBytes) {
      memory = new Memory(neededBytes);
      segments = view(memory);
    }
    long local = Pointer.nativeValue(Native.getDirectBufferPointer(batch.local()));
    boolean fromGuest = batch.direction() == GrantCopy.Direction.FROM_GUEST;
    int foreignAt = fromGuest ? SOURCE : DESTINATION;
    int localAt = fromGuest ? DESTINATION : SOURCE;
    short flags = fromGuest ? SOURCE_IS_GRANT : DESTINATION_IS_GRANT;
    for (int i = 0; i < batch.count(); i++) {
      int at = i * SEGMENT_BYTES;
      segments.putInt(at + foreignAt, batch.reference(i));
      segments.putShort(at + foreignAt + FOREIGN_OFFSET, (short) batch.pageOffset(i));
      segments.putShort(at + foreignAt + FOREIGN_DOMID, (short) batch.domid());
      segments.putLong(at + localAt, local + batch.position(i));
      segments.putShort(at + LENGTH, (short) batch.lengthBytes(i));
      segments.putShort(at + FLAGS, flags);
      segments.putInt(at + STATUS, OKAY); // and the padding
    }
    return memory;
  }

  /** Whether Xen copied the first {@code count} segments. */
  boolean allCopied(int count) {
    for (int i = 0; i < count; i++) {
      if (status(i) != OKAY) {
        return false;
      }
    }
    return true;
  }

  /** GNTST_* of a segment. */
  short status(int segment) {
    return segments.getShort(segment * SEGMENT_BYTES + STATUS);
  }

  private static ByteBuffer view(Memory memory) {
    return memory.getByteBuffer(0, memory.size()).order(ByteOrder.nativeOrder());
  }
}
