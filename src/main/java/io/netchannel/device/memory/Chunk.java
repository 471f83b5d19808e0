package io.netchannel.device.memory;

import java.nio.ByteBuffer;

/** A piece of a slab: a power of two pages. Made once for its place and used again and again. */
public final class Chunk {
  final Slab slab;

  /** Of the slab's tree. */
  final int node;

  final int order;

  private final ByteBuffer buffer;
  boolean lent;

  /** Of the same order, while it is free; else of no meaning. */
  Chunk nextIdle;

  Chunk(Slab slab, int node, int order, ByteBuffer buffer) {
    this.slab = slab;
    this.node = node;
    this.order = order;
    this.buffer = buffer;
  }

  /**
   * Its memory, direct and page-aligned, always the same object: position 0, limit as it was asked
   * for.
   */
  public ByteBuffer buffer() {
    return buffer;
  }

  public int capacityBytes() {
    return buffer.capacity();
  }
}
