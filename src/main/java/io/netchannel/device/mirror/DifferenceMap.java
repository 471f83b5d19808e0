package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.Inheritance;
import io.netchannel.files.MappedFile;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where two legs may differ: a bit for each region. Guarded by its mirror's lock, once it has one.
 *
 * <p>The memory may be a mapped file on tmpfs, which survives the process (kill -9 at any
 * instruction): each word is one release store, made before what depends on it. The bits of an
 * answered write are therefore there whenever the answer is. What was not answered is not in the
 * map: whoever {@link #reopen reopens} it says what that was, and may issue it again.
 *
 * <p>The file is whoever's who made it: it stays when the mirror is closed, and its mapping goes
 * with the object.
 *
 * <p>It is a map of two storages, which the file names: found where another one has the place of
 * either, it says nothing. Of a lasting mirror, whose legs change their roles, the first leg is
 * named in the leader's place, the second in the follower's.
 *
 * <pre>
 *   0   magic (8)   8   version (4)   12  bytes of a region (4)   16  bytes of the device (8)
 *   32  the leader's storage (16)     48  the follower's (16); 0: not known
 *   64  words of 64 regions each, the lowest bit first; all in native order
 * </pre>
 */
public final class DifferenceMap {
  private static final Logger log = LoggerFactory.getLogger(DifferenceMap.class);

  /** 2 MiB of map for each TiB; a copy of one takes a disk about as long as its seek. */
  static final int REGION_BYTES = 64 << 10;

  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private static final long MAGIC = 0x4e63_4d69_7272_6f72L; // "NcMirror"
  private static final int VERSION = 2;
  private static final int VERSION_OFFSET = 8;
  private static final int REGION_OFFSET = 12;
  private static final int SIZE_OFFSET = 16;
  private static final int LEADER_OFFSET = 32;
  private static final int FOLLOWER_OFFSET = 48;
  private static final int HEADER_BYTES = 64;
  private static final int BLOCK_WORDS = 64;

  private static final UUID UNKNOWN = new UUID(0, 0);

  private final ByteBuffer memory;
  private final boolean found;
  private final Runnable onStore;
  private final long sizeBytes;
  private final long regions;

  /** How many are set in each block of words: of a large disk most of the map is passed over. */
  private final int[] blocks;

  private long count;

  private DifferenceMap(ByteBuffer memory, long sizeBytes, boolean found, Runnable onStore) {
    this.memory = memory;
    this.found = found;
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

  /**
   * The map, in a new file, of legs of which nothing is known. A file that is there already is
   * replaced.
   *
   * @param file on tmpfs; its directory is made if needed
   * @param sizeBytes of the device
   * @throws IOException when there is no room for it; nothing of it stays
   */
  public static DifferenceMap create(Path file, long sizeBytes) throws IOException {
    int bytes = bytesFor(sizeBytes);
    Path directory = file.toAbsolutePath().getParent();
    if (directory != null) {
      Files.createDirectories(directory);
    }
    Files.deleteIfExists(file); // not cut short: a mirror that is not closed yet may have it
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE)) {
      return allDiffering(map(channel, file, bytes), sizeBytes, () -> {});
    }
  }

  /**
   * The map that a process before has left in a file, its bits as they were.
   *
   * @param unanswered what was under way then: it may have reached one of the legs
   * @throws NoSuchFileException when there is none, or one that was not finished: no mirror has
   *     begun with it, or the host has lost power. Nothing is known of the legs then
   * @throws IOException when it is another device's, or something else
   */
  public static DifferenceMap reopen(Path file, long sizeBytes, List<Inheritance.Change> unanswered)
      throws IOException {
    int bytes = bytesFor(sizeBytes);
    ByteBuffer memory;
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      ByteBuffer magic = ByteBuffer.allocate(Long.BYTES);
      var unused = channel.read(magic, 0);
      if (magic.getLong(0) == 0) {
        throw new NoSuchFileException(file.toString(), null, "a map that was not finished");
      }
      memory = map(channel, file, (int) Math.min(channel.size(), bytes));
    }
    try {
      DifferenceMap map = reopen(memory, sizeBytes, () -> {});
      unanswered.forEach(change -> map.set(change.offsetBytes(), change.lengthBytes()));
      return map;
    } catch (IOException e) {
      throw new IOException(
          "%s: %s; remove it, then all is compared again".formatted(file, e.getMessage()), e);
    }
  }

  private static ByteBuffer map(FileChannel channel, Path file, int bytes) throws IOException {
    return MappedFile.map(channel, file, bytes, "a map of differences");
  }

  /** As {@link #create}; where there is no room for it in memory only, which is said in the log. */
  public static DifferenceMap createOrInMemory(Path file, long sizeBytes) {
    try {
      return create(file, sizeBytes);
    } catch (IOException e) {
      log.warn("{}: a restart of the daemon will compare all of the disk: {}", file, e.toString());
      return inMemory(sizeBytes);
    }
  }

  /** A map that dies with the process, of legs of which nothing is known. */
  public static DifferenceMap inMemory(long sizeBytes) {
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
    DifferenceMap map = new DifferenceMap(memory, sizeBytes, false, onStore);
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
    return new DifferenceMap(memory, sizeBytes, true, onStore);
  }

  /** Of the device. */
  long sizeBytes() {
    return sizeBytes;
  }

  /** Whether a process before has left it: some of the follower may have been written. */
  public boolean isFound() {
    return found;
  }

  /** Whether nothing is known of the legs. */
  public boolean isFull() {
    return count == regions;
  }

  /** Whether it is the map of these two; it is nobody's of a storage that is not known. */
  public boolean isOf(Optional<UUID> leader, Optional<UUID> follower) {
    return leader.filter(known -> isAt(LEADER_OFFSET, known)).isPresent()
        && follower.filter(known -> isAt(FOLLOWER_OFFSET, known)).isPresent();
  }

  private boolean isAt(int offset, UUID storage) {
    return storage.getMostSignificantBits() == (long) LONG.getAcquire(memory, offset)
        && storage.getLeastSignificantBits() == (long) LONG.getAcquire(memory, offset + Long.BYTES);
  }

  /**
   * Whether a leg of a lasting mirror is what the map is of; one that was not known before, and is
   * not now, is taken for the same.
   *
   * @param leg 0 or 1
   */
  public boolean isOf(int leg, Optional<UUID> storage) {
    return isAt(offset(leg), storage.orElse(UNKNOWN));
  }

  /** A leg of a lasting mirror is that from now on: of another one than before nothing is known. */
  public void legIs(int leg, Optional<UUID> storage) {
    if (!isOf(leg, storage)) {
      setAll(); // first: whatever of this a kill leaves, nothing is known
      put(offset(leg), storage.orElse(UNKNOWN));
    }
  }

  private static int offset(int leg) {
    return leg == 0 ? LEADER_OFFSET : FOLLOWER_OFFSET;
  }

  /** The map of these two from now on, of which nothing is known. */
  public void beginAnew(Optional<UUID> leader, Optional<UUID> follower) {
    setAll(); // first: whatever of this a kill leaves, nothing is known
    put(LEADER_OFFSET, leader.orElse(UNKNOWN));
    put(FOLLOWER_OFFSET, follower.orElse(UNKNOWN));
  }

  private void put(int offset, UUID storage) {
    LONG.setRelease(memory, offset, storage.getMostSignificantBits());
    onStore.run();
    LONG.setRelease(memory, offset + Long.BYTES, storage.getLeastSignificantBits());
    onStore.run();
  }

  /** How many regions may differ. */
  long count() {
    return count;
  }

  boolean isSet(long region) {
    return (word((int) (region / Long.SIZE)) & 1L << region) != 0;
  }

  /**
   * The legs may differ there from now on.
   *
   * @param lengthBytes 1 or more
   */
  public void set(long offsetBytes, long lengthBytes) {
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

  /** Both legs are alike, as is known otherwise. */
  void clearAll() {
    for (int word = 0; word < words(); word++) {
      store(word, 0);
    }
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
