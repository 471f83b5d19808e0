package io.netchannel.device.memory;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.BlockBuffers;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The unit that is lent: 1 MiB, carved into powers of two pages (buddies: two free halves of a
 * piece become one again, but only when a piece is asked for that is not there: most requests of a
 * guest are as long as those before). Belongs to one lease at a time, and to its thread.
 */
final class Slab {
  /** The longest request there is. */
  static final int BYTES = 1 << 20;

  static final int HIGHEST_ORDER =
      Integer.numberOfTrailingZeros(BYTES)
          - Integer.numberOfTrailingZeros(BlockBuffers.ALIGNMENT_BYTES);

  private static final int ROOT = 1;
  private static final int NODES = 2 << HIGHEST_ORDER;

  private final ByteBuffer memory;

  /** Chunks by node, made when first needed. */
  private final Chunk[] chunks = new Chunk[NODES];

  /** By node: 1 more than the order of the longest free piece under it; 0 for none. */
  private final byte[] longest = new byte[NODES];

  /** By order: the last of the pieces that are free and not joined with their buddies yet. */
  private final Chunk[] idle = new Chunk[HIGHEST_ORDER + 1];

  private int lent;

  /** Since it came to its lease. */
  private long servedBytes;

  /**
   * Makes its memory.
   *
   * @throws OutOfMemoryError when Java was given less than the budget
   */
  Slab() {
    memory = BlockBuffers.allocate(BYTES);
    clear();
  }

  /** Forgets what was carved: nobody uses any of it. */
  void clear() {
    for (Chunk chunk : chunks) {
      if (chunk != null) {
        chunk.lent = false;
      }
    }
    Arrays.fill(idle, null);
    for (int node = ROOT; node < NODES; node++) {
      longest[node] = (byte) (orderOf(node) + 1);
    }
    lent = 0;
    servedBytes = 0;
  }

  /** Smallest order whose chunks hold so many bytes. */
  static int orderFor(long lengthBytes) {
    return lengthBytes <= BlockBuffers.ALIGNMENT_BYTES
        ? 0
        : Long.SIZE
            - Long.numberOfLeadingZeros(lengthBytes - 1)
            - Integer.numberOfTrailingZeros(BlockBuffers.ALIGNMENT_BYTES);
  }

  boolean fits(int order) {
    if (idle[order] == null && longest[ROOT] <= order) {
      join();
    }
    return idle[order] != null || longest[ROOT] > order;
  }

  boolean isFree() {
    return lent == 0;
  }

  /** Whether it has served as much as it holds since it was lent. */
  boolean hasServed() {
    return servedBytes >= BYTES;
  }

  /** A piece of a slab that {@link #fits}. */
  Chunk take(int order) {
    Chunk chunk = idle[order];
    if (chunk != null) {
      idle[order] = chunk.nextIdle;
    } else {
      chunk = carve(order);
    }
    chunk.lent = true;
    lent++;
    servedBytes += chunk.capacityBytes();
    return chunk;
  }

  void free(Chunk chunk) {
    checkState(chunk.lent, "a buffer of %s bytes was released twice", chunk.capacityBytes());
    chunk.lent = false;
    lent--;
    chunk.nextIdle = idle[chunk.order];
    idle[chunk.order] = chunk;
  }

  private Chunk carve(int order) {
    int node = ROOT;
    for (int at = HIGHEST_ORDER; at > order; at--) {
      int left = longest[2 * node];
      int right = longest[2 * node + 1];
      // The tighter fit: long pieces stay whole.
      node = 2 * node + (left > order && (left <= right || right <= order) ? 0 : 1);
    }
    longest[node] = 0;
    for (int above = node / 2; above >= ROOT; above /= 2) {
      longest[above] = (byte) Math.max(longest[2 * above], longest[2 * above + 1]);
    }
    return chunk(node, order);
  }

  private void join() {
    for (int order = 0; order <= HIGHEST_ORDER; order++) {
      for (Chunk chunk = idle[order]; chunk != null; chunk = chunk.nextIdle) {
        join(chunk);
      }
      idle[order] = null;
    }
  }

  private void join(Chunk chunk) {
    longest[chunk.node] = (byte) (chunk.order + 1);
    int whole = chunk.order + 1;
    for (int above = chunk.node / 2; above >= ROOT; above /= 2) {
      int left = longest[2 * above];
      int right = longest[2 * above + 1];
      boolean joined = left == whole && right == whole;
      whole++;
      longest[above] = (byte) (joined ? whole : Math.max(left, right));
    }
  }

  private Chunk chunk(int node, int order) {
    Chunk known = chunks[node];
    if (known == null) {
      int bytes = BlockBuffers.ALIGNMENT_BYTES << order;
      int first = ROOT << (HIGHEST_ORDER - order);
      known = new Chunk(this, node, order, memory.slice((node - first) * bytes, bytes));
      chunks[node] = known;
    }
    return known;
  }

  private static int orderOf(int node) {
    return HIGHEST_ORDER - (Integer.SIZE - 1 - Integer.numberOfLeadingZeros(node));
  }
}
