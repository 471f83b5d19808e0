package io.netchannel.vdevice.block.frontend;

import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.util.function.Consumer;

/**
 * What a program in the guest asked its disk for: one read, write, flush or discard. The block
 * layer cuts it into pieces, and after a migration perhaps into others; it is done when all of it
 * is.
 */
public final class GuestIo {
  /** What it does; the numbers are those of the ring. */
  public enum Kind {
    READ(Wire.READ),
    WRITE(Wire.WRITE),
    FLUSH(Wire.FLUSH_DISKCACHE),
    DISCARD(Wire.DISCARD);

    private final int wireOperation;

    Kind(int wireOperation) {
      this.wireOperation = wireOperation;
    }

    int wireOperation() {
      return wireOperation;
    }

    boolean hasData() {
      return this == READ || this == WRITE;
    }
  }

  private final Kind kind;
  private final long offsetBytes;
  private final long lengthBytes;
  private final Consumer<GuestIo> onDone;

  private GuestPages pages;

  /** Whose the pages are. */
  private EmbeddedDomain owner;

  /** The pages' content when the domain was suspended: what a migration carries over. */
  private byte[] image = new byte[0];

  private long pendingBytes;
  private boolean done;
  private boolean failed;

  GuestIo(
      EmbeddedDomain domain,
      Kind kind,
      long offsetBytes,
      long lengthBytes,
      Consumer<GuestIo> onDone) {
    this.kind = kind;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.onDone = onDone;
    // A flush has no bytes; it counts as one, so that its piece is waited for like others.
    pendingBytes = Math.max(1, lengthBytes);
    allocate(domain);
  }

  public Kind kind() {
    return kind;
  }

  public long offsetBytes() {
    return offsetBytes;
  }

  public long lengthBytes() {
    return lengthBytes;
  }

  /** The data in guest memory: what is being written, or what was read once it is done. */
  public ByteBuffer data() {
    return kind.hasData() ? pages.memory().slice(0, (int) lengthBytes) : ByteBuffer.allocate(0);
  }

  /** Whether all of it has been answered. */
  public boolean isDone() {
    return done;
  }

  /** Whether a part of it was answered with an error, or lost with the device. */
  public boolean hasFailed() {
    return failed;
  }

  int grant(int backendDomid, int page) {
    return owner.grantAccess(backendDomid, pages, page, false);
  }

  void complete(long bytes, boolean success) {
    failed |= !success;
    pendingBytes -= bytes;
    if (pendingBytes < 0) {
      throw new IllegalStateException(this + " was answered more often than it was asked for");
    }
    if (pendingBytes == 0) {
      done = true;
      onDone.accept(this);
    }
  }

  /** Frees the pages of one that is done: nobody asks for {@link #data} any more. */
  public void free() {
    if (!done) {
      throw new IllegalStateException(this + " is not done");
    }
    if (kind.hasData()) {
      owner.freePages(pages);
    }
  }

  /** Remembers what is in the pages now. */
  void takeImage() {
    if (kind.hasData()) {
      image = new byte[(int) lengthBytes];
      data().get(image);
    }
  }

  /** Moves to pages of {@code domain}, with the content of the image. */
  void moveTo(EmbeddedDomain domain) {
    if (owner != domain) {
      allocate(domain);
      data().put(image);
    }
  }

  private void allocate(EmbeddedDomain domain) {
    owner = domain;
    if (kind.hasData()) {
      pages =
          domain.allocatePages(
              (int) ((lengthBytes + GrantTable.PAGE_BYTES - 1) / GrantTable.PAGE_BYTES));
    }
  }

  @Override
  public String toString() {
    return "%s of %d bytes at %d".formatted(kind, lengthBytes, offsetBytes);
  }
}
