package io.netchannel.xen;

import java.nio.ByteBuffer;

/**
 * A reusable batch of copies between a local buffer and granted pages of one domain. Held by its
 * user and refilled for each request, so that the steady path allocates nothing.
 *
 * <p>Segments are stored as plain arrays: reference, offset in the page, length, position in the
 * local buffer.
 */
public final class GrantCopy {
  /** Direction of a whole batch. */
  public enum Direction {
    FROM_GUEST,
    TO_GUEST
  }

  private final int capacity;
  private final int[] references;
  private final int[] pageOffsets;
  private final int[] lengthsBytes;
  private final int[] positions;
  private int domid;
  private Direction direction = Direction.FROM_GUEST;
  private ByteBuffer local = ByteBuffer.allocate(0);
  private int count;

  /** A batch of up to {@code capacity} segments. */
  public GrantCopy(int capacity) {
    this.capacity = capacity;
    references = new int[capacity];
    pageOffsets = new int[capacity];
    lengthsBytes = new int[capacity];
    positions = new int[capacity];
  }

  /**
   * Empties the batch for a new use.
   *
   * @param domid the domain whose grants are used
   * @param local a direct buffer; positions are absolute in it, its own position is not used
   */
  public GrantCopy reset(int domid, Direction direction, ByteBuffer local) {
    this.domid = domid;
    this.direction = direction;
    this.local = local;
    count = 0;
    return this;
  }

  /**
   * Adds a segment within one page.
   *
   * @throws IllegalArgumentException when it leaves the page or the local buffer; that is a
   *     caller's bug, guest input is validated before
   */
  public void add(int reference, int pageOffset, int lengthBytes, int position) {
    if (count == capacity
        || pageOffset < 0
        || lengthBytes <= 0
        || pageOffset + lengthBytes > GrantTable.PAGE_BYTES
        || position < 0
        || position + lengthBytes > local.capacity()) {
      throw new IllegalArgumentException(
          "segment %d of at most %d: page offset %d, %d bytes, position %d of %d"
              .formatted(count, capacity, pageOffset, lengthBytes, position, local.capacity()));
    }
    references[count] = reference;
    pageOffsets[count] = pageOffset;
    lengthsBytes[count] = lengthBytes;
    positions[count] = position;
    count++;
  }

  public int domid() {
    return domid;
  }

  public Direction direction() {
    return direction;
  }

  public ByteBuffer local() {
    return local;
  }

  public int count() {
    return count;
  }

  public int reference(int segment) {
    return references[segment];
  }

  public int pageOffset(int segment) {
    return pageOffsets[segment];
  }

  public int lengthBytes(int segment) {
    return lengthsBytes[segment];
  }

  public int position(int segment) {
    return positions[segment];
  }
}
