package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import io.netchannel.files.MappedFile;
import io.netchannel.vdevice.VirtualRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * The taken requests of one virtual device in a mapped file on tmpfs, so that a restarted daemon
 * knows them: the idea of vhost-user's inflight region. Survives the process (kill -9 at any
 * instruction), not the host: the guest does not survive that either.
 *
 * <p>Stores are made in this order, each a release store, and a reader may find any prefix of it:
 *
 * <pre>
 *   take    slot's fields and encoding; state = TAKEN; next sequence; queue's request consumer
 *   issued  slot's mark, where its kind must know that after a crash        then to the device
 *   answer  other encoding, with the response's index; state = ANSWERED     then publishResponses
 *   forget  state = FREE                                 only after publishResponses, see below
 * </pre>
 *
 * Reconciliation after a crash:
 *
 * <ul>
 *   <li>Before state = TAKEN the request counts as not taken: the consumer has not passed it, the
 *       ring gives it again.
 *   <li>A slot holds the consumer after its own request, so the queue's consumer is the furthest of
 *       the header's and the slots': nothing is taken twice.
 *   <li>TAKEN: not answered. ANSWERED: answered if the ring's rsp_prod has passed the response's
 *       index, which is in the encoding; otherwise the response was lost with the process.
 *   <li>FREE is stored only after the response was visible, so a lost response always has a slot.
 *   <li>A slot whose response was lost is TAKEN again before any response is made visible: an old
 *       index would soon look passed ({@link #takenAgain}).
 * </ul>
 */
public final class InflightTable implements AutoCloseable {
  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  /**
   * Where things are in the in-flight file of a kind of device. Native byte order: the file never
   * leaves its host.
   *
   * <pre>
   *   header   0 magic (8)   8 version (4)   12 slots (4)   16 next sequence (8)
   *           64 request consumer of queue 0..15 (4 each)
   *   slot     0 state (4)   4 queue (4)     8 sequence (8)  16 id (8)  24 generation (8)
   *           32 request consumer after it (4)  36 length of encoding A (4)  40 of B (4)
   *           44 given to the device (4): 1, or 0 for no and for not noted
   *           64 encoding A   then encoding B
   * </pre>
   *
   * A slot has two encodings because the one that says "answered" must not overwrite the one that
   * is valid before: a process may die in the middle of a copy. The state says which one counts.
   *
   * @param magic of the kind
   * @param encodedBytes what its requests are at most when they are encoded
   */
  public record Layout(long magic, int encodedBytes) {
    static final int VERSION = 1;

    static final int MAGIC_OFFSET = 0;
    static final int VERSION_OFFSET = 8;
    static final int SLOTS_OFFSET = 12;
    static final int NEXT_SEQUENCE_OFFSET = 16;
    static final int CONSUMERS_OFFSET = 64;

    /** Linux' blkfront uses at most 4 rings, and one per CPU is the most anybody asks for. */
    static final int MAX_QUEUES = 16;

    static final int HEADER_BYTES = 4096;

    static final int STATE = 0;
    static final int QUEUE = 4;
    static final int SEQUENCE = 8;
    static final int ID = 16;
    static final int GENERATION = 24;
    static final int CONSUMER = 32;
    static final int LENGTH_A = 36;
    static final int LENGTH_B = 40;
    static final int ISSUED = 44;
    static final int ENCODING_A = 64;

    static final int FREE = 0;
    static final int TAKEN_A = 1;
    static final int TAKEN_B = 2;
    static final int ANSWERED_A = 3;
    static final int ANSWERED_B = 4;

    /**
     * Of a kind.
     *
     * @param magic eight letters that name it
     */
    public static Layout of(String magic, int encodedBytes) {
      byte[] letters = magic.getBytes(StandardCharsets.US_ASCII);
      return new Layout(ByteBuffer.wrap(letters).getLong(), encodedBytes);
    }

    int encodingB() {
      return ENCODING_A + encodedBytes;
    }

    /** Whole cache lines. */
    int slotBytes() {
      return (ENCODING_A + 2 * encodedBytes + 63) & ~63;
    }

    int slotOffset(int slot) {
      return HEADER_BYTES + slot * slotBytes();
    }

    int fileBytes(int slots) {
      return Math.addExact(HEADER_BYTES, Math.multiplyExact(slots, slotBytes()));
    }

    static boolean isA(int state) {
      return state == TAKEN_A || state == ANSWERED_A;
    }
  }

  /**
   * A request that an earlier process had taken and perhaps answered.
   *
   * @param issued whether it may have been given to the device, where that was noted
   * @param encoded as {@link VirtualRequest#encode} wrote it last
   */
  public record Slot(
      int slot,
      long sequence,
      long generation,
      int queue,
      long id,
      boolean issued,
      ByteBuffer encoded) {}

  private final Layout layout;
  private final ByteBuffer memory;

  /** The same memory; its position and limit are those of the encoding being written. */
  private final ByteBuffer encodings;

  private final Path file;
  private final Runnable onStore;
  private final int slots;
  private final int[] freeSlots;
  private int freeCount;

  /** {@code onStore} runs after each store: tests look at every prefix. */
  InflightTable(Layout layout, ByteBuffer memory, Path file, Runnable onStore) {
    this.layout = layout;
    this.memory = memory.order(ByteOrder.nativeOrder());
    encodings = memory.duplicate();
    this.file = file;
    this.onStore = onStore;
    slots = getInt(Layout.SLOTS_OFFSET);
    freeSlots = new int[slots];
    for (int slot = slots - 1; slot >= 0; slot--) {
      if (state(slot) == Layout.FREE) {
        freeSlots[freeCount++] = slot;
      }
    }
  }

  /**
   * Maps the table of one virtual device, and makes it when it is not there.
   *
   * @param file under /run/netchannel/inflight, see {@code names}; its directory is made if needed
   * @throws IOException when it cannot be mapped, or is the file of another version
   */
  public static InflightTable open(Path file, Layout layout, MidPointLimits limits)
      throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    if (directory != null) {
      Files.createDirectories(directory);
    }
    try (FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      long found = channel.size();
      int expected = layout.fileBytes(limits.maxPending());
      // A smaller one was not finished by a process that died; it has never held a request.
      long sizeBytes = Math.max(found, expected);
      if (sizeBytes > Integer.MAX_VALUE) {
        throw new IOException(file + ": " + found + " bytes is no in-flight table; remove it");
      }
      ByteBuffer memory = MappedFile.map(channel, file, sizeBytes, "its requests in flight");
      format(layout, memory, limits.maxPending(), file);
      return new InflightTable(layout, memory, file, () -> {});
    }
  }

  /** A table that dies with the process. */
  static InflightTable inMemory(Layout layout, ByteBuffer memory, MidPointLimits limits) {
    try {
      format(layout, memory, limits.maxPending(), null);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new InflightTable(layout, memory, null, () -> {});
  }

  private static void format(Layout layout, ByteBuffer memory, int slots, Path file)
      throws IOException {
    memory.order(ByteOrder.nativeOrder());
    long magic = memory.getLong(Layout.MAGIC_OFFSET);
    if (magic == 0) {
      memory.putInt(Layout.VERSION_OFFSET, Layout.VERSION);
      memory.putInt(Layout.SLOTS_OFFSET, slots);
      LONG.setRelease(memory, Layout.NEXT_SEQUENCE_OFFSET, 1L);
      LONG.setRelease(memory, Layout.MAGIC_OFFSET, layout.magic());
      return;
    }
    int version = memory.getInt(Layout.VERSION_OFFSET);
    int found = memory.getInt(Layout.SLOTS_OFFSET);
    if (magic != layout.magic() || version != Layout.VERSION) {
      throw new IOException(
          "%s: expected an in-flight table of version %d, found magic %x version %d; finish with the netchannel that wrote it, or remove the file when its guest is gone"
              .formatted(file, Layout.VERSION, magic, version));
    }
    if (found <= 0 || found > (memory.capacity() - Layout.HEADER_BYTES) / layout.slotBytes()) {
      throw new IOException(
          "%s: %d slots do not fit into its %d bytes; remove it when its guest is gone"
              .formatted(file, found, memory.capacity()));
    }
  }

  /** How many requests it holds at most. */
  int slots() {
    return slots;
  }

  boolean hasFree() {
    return freeCount > 0;
  }

  /** The sequence the next request taken gets. */
  long nextSequence() {
    return getLong(Layout.NEXT_SEQUENCE_OFFSET);
  }

  /**
   * Remembers a request that is being taken.
   *
   * @param consumerAfter index of the request after it in its queue
   * @return its slot
   */
  int take(VirtualRequest request, long sequence, long generation, int consumerAfter) {
    checkState(freeCount > 0, "the in-flight table is full: its user must ask hasFree() first");
    checkQueue(request.queue());
    int slot = freeSlots[--freeCount];
    int base = layout.slotOffset(slot);
    putInt(base + Layout.QUEUE, request.queue());
    putLong(base + Layout.SEQUENCE, sequence);
    putLong(base + Layout.ID, request.id());
    putLong(base + Layout.GENERATION, generation);
    putInt(base + Layout.CONSUMER, consumerAfter);
    if (getInt(base + Layout.ISSUED) != 0) {
      putInt(base + Layout.ISSUED, 0);
    }
    encode(base, true, request);
    putInt(base + Layout.STATE, Layout.TAKEN_A);
    putLong(Layout.NEXT_SEQUENCE_OFFSET, sequence + 1);
    consumed(request.queue(), consumerAfter);
    return slot;
  }

  /** It is about to be given to the device. */
  void issued(int slot) {
    putInt(layout.slotOffset(slot) + Layout.ISSUED, 1);
  }

  /** The response has been given, and is not visible yet. */
  void answered(int slot, VirtualRequest request) {
    int base = layout.slotOffset(slot);
    boolean toA = !Layout.isA(state(slot));
    encode(base, toA, request);
    putInt(base + Layout.STATE, toA ? Layout.ANSWERED_A : Layout.ANSWERED_B);
  }

  /** The response of an earlier process was lost: the request is to be answered again. */
  void takenAgain(int slot, VirtualRequest request) {
    int base = layout.slotOffset(slot);
    boolean toA = !Layout.isA(state(slot));
    encode(base, toA, request);
    putInt(base + Layout.STATE, toA ? Layout.TAKEN_A : Layout.TAKEN_B);
  }

  /** Only after the response is visible, or when nobody will ever ask for it. */
  void forget(int slot) {
    checkState(state(slot) != Layout.FREE, "slot %s is free already", slot);
    putInt(layout.slotOffset(slot) + Layout.STATE, Layout.FREE);
    freeSlots[freeCount++] = slot;
  }

  /** The queue's consumer: also malformed requests, which never come here, move it. */
  void consumed(int queue, int consumer) {
    checkQueue(queue);
    int offset = Layout.CONSUMERS_OFFSET + queue * Integer.BYTES;
    if (getInt(offset) != consumer) {
      putInt(offset, consumer);
    }
  }

  /** Forgets everything: before a frontend may connect with new rings, whose indices start at 0. */
  void clear() {
    freeCount = 0;
    for (int slot = slots - 1; slot >= 0; slot--) {
      if (state(slot) != Layout.FREE) {
        putInt(layout.slotOffset(slot) + Layout.STATE, Layout.FREE);
      }
      freeSlots[freeCount++] = slot;
    }
    for (int queue = 0; queue < Layout.MAX_QUEUES; queue++) {
      consumed(queue, 0);
    }
  }

  /** What an earlier process left, in order of sequence. */
  public List<Slot> recovered() {
    List<Slot> found = new ArrayList<>();
    for (int slot = 0; slot < slots; slot++) {
      int state = state(slot);
      if (state == Layout.FREE) {
        continue;
      }
      int base = layout.slotOffset(slot);
      boolean a = Layout.isA(state);
      int lengthBytes = getInt(base + (a ? Layout.LENGTH_A : Layout.LENGTH_B));
      int start = base + (a ? Layout.ENCODING_A : layout.encodingB());
      found.add(
          new Slot(
              slot,
              getLong(base + Layout.SEQUENCE),
              getLong(base + Layout.GENERATION),
              getInt(base + Layout.QUEUE),
              getLong(base + Layout.ID),
              getInt(base + Layout.ISSUED) != 0,
              memory.slice(start, lengthBytes)));
    }
    found.sort((left, right) -> Long.compare(left.sequence(), right.sequence()));
    return found;
  }

  /** Per queue, the index of the next request to take, as an earlier process left it. */
  int[] requestConsumers() {
    int[] consumers = new int[Layout.MAX_QUEUES];
    for (int queue = 0; queue < consumers.length; queue++) {
      consumers[queue] = getInt(Layout.CONSUMERS_OFFSET + queue * Integer.BYTES);
    }
    for (int slot = 0; slot < slots; slot++) {
      if (state(slot) != Layout.FREE) {
        int base = layout.slotOffset(slot);
        int queue = getInt(base + Layout.QUEUE);
        int after = getInt(base + Layout.CONSUMER);
        // Ring indices are free running and wrap: the difference tells which one is further.
        if (after - consumers[queue] > 0) {
          consumers[queue] = after;
        }
      }
    }
    return consumers;
  }

  /** The highest sequence given out so far is below this. */
  long recoveredNextSequence() {
    long next = nextSequence();
    for (int slot = 0; slot < slots; slot++) {
      if (state(slot) != Layout.FREE) {
        next = Math.max(next, getLong(layout.slotOffset(slot) + Layout.SEQUENCE) + 1);
      }
    }
    return next;
  }

  /** Removes the file: the virtual device has gone for good, and nothing here is used any more. */
  void remove() {
    if (file != null) {
      try {
        MappedFile.remove(file);
      } catch (IOException e) {
        throw new UncheckedIOException(file + ": cannot be removed", e);
      }
    }
  }

  /** The file stays for the next process; the mapping goes with the object. */
  @Override
  public void close() {}

  private void encode(int base, boolean toA, VirtualRequest request) {
    int start = base + (toA ? Layout.ENCODING_A : layout.encodingB());
    encodings.limit(start + layout.encodedBytes()).position(start);
    request.encode(encodings);
    onStore.run();
    int lengthBytes = encodings.position() - start;
    putInt(base + (toA ? Layout.LENGTH_A : Layout.LENGTH_B), lengthBytes);
  }

  private int state(int slot) {
    return getInt(layout.slotOffset(slot) + Layout.STATE);
  }

  private int getInt(int offset) {
    return (int) INT.getAcquire(memory, offset);
  }

  private long getLong(int offset) {
    return (long) LONG.getAcquire(memory, offset);
  }

  private void putInt(int offset, int value) {
    INT.setRelease(memory, offset, value);
    onStore.run();
  }

  private void putLong(int offset, long value) {
    LONG.setRelease(memory, offset, value);
    onStore.run();
  }

  private static void checkQueue(int queue) {
    checkArgument(
        queue >= 0 && queue < Layout.MAX_QUEUES,
        "queue %s: expected 0 to %s",
        queue,
        Layout.MAX_QUEUES - 1);
  }
}
