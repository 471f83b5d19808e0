package io.netchannel.xen.embedded;

import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Contiguous pages of a domain's own memory. */
public final class GuestPages {
  /** Another one when the memory has moved. */
  private volatile EmbeddedDomain owner;

  private final long firstFrame;
  private final ByteBuffer memory;

  /** The same, with a limit that nobody moves. */
  private final ByteBuffer whole;

  GuestPages(EmbeddedDomain owner, int count, long firstFrame) {
    this.owner = owner;
    this.firstFrame = firstFrame;
    memory =
        ByteBuffer.allocateDirect((count + 1) * GrantTable.PAGE_BYTES)
            .alignedSlice(GrantTable.PAGE_BYTES)
            .slice(0, count * GrantTable.PAGE_BYTES)
            .order(ByteOrder.LITTLE_ENDIAN);
    whole = memory.duplicate();
  }

  /** The number of pages. */
  public int count() {
    return memory.capacity() / GrantTable.PAGE_BYTES;
  }

  /**
   * All pages as one direct buffer in little-endian order. Always the same object; its position and
   * limit belong to the caller, so use {@code duplicate()} where they matter.
   */
  public ByteBuffer memory() {
    return memory;
  }

  /** One page as a buffer of its own over the same memory, in little-endian order. */
  public ByteBuffer page(int index) {
    return slice(index, 1);
  }

  ByteBuffer slice(int firstPage, int pages) {
    return memory
        .slice(firstPage * GrantTable.PAGE_BYTES, pages * GrantTable.PAGE_BYTES)
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /** All pages, for absolute access only, whose bounds are those of the pages. */
  ByteBuffer whole() {
    return whole;
  }

  /** As if they had just been allocated. */
  void clear() {
    memory.clear();
    for (int at = 0; at < memory.capacity(); at += Long.BYTES) {
      memory.putLong(at, 0);
    }
  }

  EmbeddedDomain owner() {
    return owner;
  }

  void owner(EmbeddedDomain newOwner) {
    owner = newOwner;
  }

  /** The guest's number of the first page; the others follow (gfn). */
  public long firstFrame() {
    return firstFrame;
  }
}
