package io.netchannel.device;

import java.nio.ByteBuffer;

/** Buffers that direct I/O accepts. */
public final class BlockBuffers {
  /** A page: no storage asks for a coarser alignment of memory. */
  public static final int ALIGNMENT_BYTES = 4096;

  private BlockBuffers() {}

  /** A zeroed direct buffer of {@code lengthBytes} which starts at a page boundary. */
  public static ByteBuffer allocate(int lengthBytes) {
    return ByteBuffer.allocateDirect(lengthBytes + ALIGNMENT_BYTES - 1)
        .alignedSlice(ALIGNMENT_BYTES)
        .limit(lengthBytes)
        .slice();
  }
}
