package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkArgument;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Where two legs may differ: a bit for each region. Guarded by its mirror's lock.
 *
 * <p>The memory may be a mapped file on tmpfs, which survives the process (kill -9 at any
 * instruction): each word is one release store, made before what depends on it. The bits of an
 * answered write are therefore there whenever the answer is.
 *
 * <pre>
 *   0   magic (8)   8   version (4)   12  bytes of a region (4)   16  bytes of the device (8)
 *   32  words of 64 regions each, the lowest bit first; all in native order
 * </pre>
 */
final class DifferenceMap {
  /** 2 MiB of map for each TiB; a copy of one takes a disk about as long as its seek. */
  static final int REGION_BYTES = 64 << 10;

  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private static final long MAGIC = 0x4e63_4d69_7272_6f72L; // "NcMirror"
  private static final int VERSION = 1;
  private static final int VERSION_OFFSET = 8;
  private static final int REGION_OFFSET = 12;
  private static final int SIZE_OFFSET = 16;
  private static final int HEADER_BYTES = 32;
  private static final int BLOCK_WORDS = 64;

  private final ByteBuffer memory;
  private final Runnable onStore;
  private final long sizeBytes;
  private final long regions;

  /** How many are set in each block of words: of a large disk most of the map is passed over. */
  private final int[] blocks;

  private long count;

  private DifferenceMap(ByteBuffer memory, long sizeBytes, Runnable onStore) {
    this.memory = memory;
    this.onStore = onStore;
    this.sizeBytes = sizeBytes;
    regions = regions(sizeBytes);
    blocks = new int[(words() + BLOCK_WORDS - 1) / BLOCK_WORDS];
    for (int word = 0; word < words(); word++) {
      counted(word, Long.bitCount(word(word)));
    }
  }

  /** How much memory the map of such a device takes. */
  static int bytesFor(long sizeBytes) {
    long bytes = HEADER_BYTES + (regions(sizeBytes) + Long.SIZE - 1) / Long.SIZE * Long.BYTES;
    checkArgument(
        bytes <= Integer.MAX_VALUE,
        "a device of %s bytes: expected less than 1 PiB, whose map is 2 GiB",
        sizeBytes);
    return (int) bytes;
  }

  /** A map that dies with the process, of legs of which nothing is known. */
  static DifferenceMap inMemory(long sizeBytes) {
    // Aligned: release stores of words are atomic only then.
    ByteBuffer memory = ByteBuffer.allocateDirect(bytesFor(sizeBytes) + Long.BYTES);
    return allDiffering(memory.alignedSlice(Long.BYTES), sizeBytes, () -> {});
  }

  /** Makes the map of legs of which nothing is known in {@code memory}, which is zero. */
  static DifferenceMap allDiffering(ByteBuffer memory, long sizeBytes, Runnable onStore) {
    memory.order(ByteOrder.nativeOrder());
    memory.putInt(VERSION_OFFSET, VERSION);
    memory.putInt(REGION_OFFSET, REGION_BYTES);
    memory.putLong(SIZE_OFFSET, sizeBytes);
    DifferenceMap map = new DifferenceMap(memory, sizeBytes, onStore);
    map.setAll();
    LONG.setRelease(memory, 0, MAGIC); // last: a map without it has never been one
    onStore.run();
    return map;
  }

  /**
   * The map that a process before has left in {@code memory}.
   *
   * @param onStore runs after each store: tests look at every prefix
   * @throws IOException when it is none, or another device's
   */
  static DifferenceMap reopen(ByteBuffer memory, long sizeBytes, Runnable onStore)
      throws IOException {
    memory.order(ByteOrder.nativeOrder());
    boolean whole = memory.capacity() >= bytesFor(sizeBytes);
    if (!whole
        || memory.getLong(0) != MAGIC
        || memory.getInt(VERSION_OFFSET) != VERSION
        || memory.getInt(REGION_OFFSET) != REGION_BYTES
        || memory.getLong(SIZE_OFFSET) != sizeBytes) {
      throw new IOException(
          "expected the map of differences of a device of %d bytes, version %d; found %s"
              .formatted(
                  sizeBytes,
                  VERSION,
                  whole && memory.getLong(0) == MAGIC
                      ? "version %d of a device of %d bytes"
                          .formatted(memory.getInt(VERSION_OFFSET), memory.getLong(SIZE_OFFSET))
                      : "something else"));
    }
    return new DifferenceMap(memory, sizeBytes, onStore);
  }

  long sizeBytes() {
    return sizeBytes;
  }

  /** How many regions may differ. */
  long count() {
    return count;
  }

  boolean isSet(long region) {
    return (word((int) (region / Long.SIZE)) & 1L << region) != 0;
  }

  void set(long offsetBytes, long lengthBytes) {
    long last = lastRegion(offsetBytes, lengthBytes);
    long region = firstRegion(offsetBytes);
    while (region <= last) {
      int word = (int) (region / Long.SIZE);
      long end = Math.min(last, (long) word * Long.SIZE + Long.SIZE - 1);
      store(word, word(word) | mask(region, end));
      region = end + 1;
    }
  }

  void setAll() {
    set(0, sizeBytes);
  }

  void clear(long region) {
    int word = (int) (region / Long.SIZE);
    store(word, word(word) & ~(1L << region));
  }

  /** The first set region from {@code region} on, below {@code end}; else {@code end}. */
  long nextSet(long region, long end) {
    long at = region;
    while (at < end) {
      int word = (int) (at / Long.SIZE);
      if (blocks[word / BLOCK_WORDS] == 0) {
        at = ((long) word / BLOCK_WORDS + 1) * BLOCK_WORDS * Long.SIZE;
        continue;
      }
      long rest = word(word) >>> at;
      if (rest != 0) {
        return Math.min(end, at + Long.numberOfTrailingZeros(rest));
      }
      at = ((long) word + 1) * Long.SIZE;
    }
    return end;
  }

  /** How many regions there are. */
  long regions() {
    return regions;
  }

  static long firstRegion(long offsetBytes) {
    return offsetBytes / REGION_BYTES;
  }

  static long lastRegion(long offsetBytes, long lengthBytes) {
    return (offsetBytes + lengthBytes - 1) / REGION_BYTES;
  }

  private static long regions(long sizeBytes) {
    return (sizeBytes + REGION_BYTES - 1) / REGION_BYTES;
  }

  private static long mask(long first, long last) {
    // Shifts are modulo 64: the first and the last bit of a word.
    return (-1L << first) & (-1L >>> (Long.SIZE - 1 - last % Long.SIZE));
  }

  private int words() {
    return (int) ((regions + Long.SIZE - 1) / Long.SIZE);
  }

  private long word(int word) {
    return (long) LONG.getAcquire(memory, HEADER_BYTES + word * Long.BYTES);
  }

  private void store(int word, long bits) {
    long before = word(word);
    if (before != bits) {
      counted(word, Long.bitCount(bits) - Long.bitCount(before));
      LONG.setRelease(memory, HEADER_BYTES + word * Long.BYTES, bits);
      onStore.run();
    }
  }

  private void counted(int word, int more) {
    blocks[word / BLOCK_WORDS] += more;
    count += more;
  }
}
