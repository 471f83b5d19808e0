package io.netchannel.device;

import java.nio.ByteBuffer;

/** Buffers that direct I/O accepts. */
public final class BlockBuffers {
  /** A page: no storage asks for a coarser alignment of memory. */
  public static final int ALIGNMENT_BYTES = 4096;

  private BlockBuffers() {}

  /** A zeroed direct buffer of {@code lengthBytes} which starts at a page boundary. */
  public static ByteBuffer allocate(int lengthBytes) {
    ByteBuffer whole = ByteBuffer.allocateDirect(lengthBytes + ALIGNMENT_BYTES - 1);
    // Not alignedSlice: that also rounds the end down, so that a part of a page would be lost.
    int misalignment = whole.alignmentOffset(0, ALIGNMENT_BYTES);
    return whole.slice(misalignment == 0 ? 0 : ALIGNMENT_BYTES - misalignment, lengthBytes);
  }
}
