package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import io.netchannel.files.MappedFile;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.BlockRequest.Change;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * The taken requests in a mapped file on tmpfs, so that a restarted daemon knows them: the idea of
 * vhost-user's inflight region. Survives the process (kill -9 at any instruction), not the host:
 * the guest does not survive that either.
 *
 * <p>Stores are made in this order, each a release store, and a reader may find any prefix of it:
 *
 * <pre>
 *   take    slot's fields and encoding; state = TAKEN; next sequence; queue's request consumer
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
   * A request that an earlier process had taken and perhaps answered.
   *
   * @param encoded as {@link BlockRequest#encode} wrote it last
   */
  record Slot(int slot, long sequence, long generation, int queue, long id, ByteBuffer encoded) {}

  private final ByteBuffer memory;

  /** The same memory; its position and limit are those of the encoding being written. */
  private final ByteBuffer encodings;

  private final Path file;
  private final Runnable onStore;
  private final int slots;
  private final int[] freeSlots;
  private int freeCount;

  /** {@code onStore} runs after each store: tests look at every prefix. */
  InflightTable(ByteBuffer memory, Path file, Runnable onStore) {
    this.memory = memory.order(ByteOrder.nativeOrder());
    encodings = memory.duplicate();
    this.file = file;
    this.onStore = onStore;
    slots = getInt(InflightLayout.SLOTS_OFFSET);
    freeSlots = new int[slots];
    for (int slot = slots - 1; slot >= 0; slot--) {
      if (state(slot) == InflightLayout.FREE) {
        freeSlots[freeCount++] = slot;
      }
    }
  }

  /**
   * Maps the table of one virtual disk, and makes it when it is not there.
   *
   * @param file under /run/netchannel/inflight, see {@code names}; its directory is made if needed
   * @throws IOException when it cannot be mapped, or is the file of another version
   */
  public static InflightTable open(Path file, MidPointLimits limits) throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    if (directory != null) {
      Files.createDirectories(directory);
    }
    try (FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      long found = channel.size();
      int expected = InflightLayout.fileBytes(limits.maxPending());
      // A smaller one was not finished by a process that died; it has never held a request.
      long sizeBytes = Math.max(found, expected);
      if (sizeBytes > Integer.MAX_VALUE) {
        throw new IOException(file + ": " + found + " bytes is no in-flight table; remove it");
      }
      ByteBuffer memory = MappedFile.map(channel, file, sizeBytes, "its requests in flight");
      format(memory, limits.maxPending(), file);
      return new InflightTable(memory, file, () -> {});
    }
  }

  /** A table that dies with the process: for the embedded hypervisor, whose guests do so too. */
  public static InflightTable inMemory(MidPointLimits limits) {
    ByteBuffer memory =
        ByteBuffer.allocateDirect(InflightLayout.fileBytes(limits.maxPending()) + 64)
            .alignedSlice(64);
    return inMemory(memory, limits);
  }

  static InflightTable inMemory(ByteBuffer memory, MidPointLimits limits) {
    try {
      format(memory, limits.maxPending(), null);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new InflightTable(memory, null, () -> {});
  }

  private static void format(ByteBuffer memory, int slots, Path file) throws IOException {
    memory.order(ByteOrder.nativeOrder());
    long magic = memory.getLong(InflightLayout.MAGIC_OFFSET);
    if (magic == 0) {
      memory.putInt(InflightLayout.VERSION_OFFSET, InflightLayout.VERSION);
      memory.putInt(InflightLayout.SLOTS_OFFSET, slots);
      LONG.setRelease(memory, InflightLayout.NEXT_SEQUENCE_OFFSET, 1L);
      LONG.setRelease(memory, InflightLayout.MAGIC_OFFSET, InflightLayout.MAGIC);
      return;
    }
    int version = memory.getInt(InflightLayout.VERSION_OFFSET);
    int found = memory.getInt(InflightLayout.SLOTS_OFFSET);
    if (magic != InflightLayout.MAGIC || version != InflightLayout.VERSION) {
      throw new IOException(
          "%s: expected an in-flight table of version %d, found magic %x version %d; finish with the netchannel that wrote it, or remove the file when its guest is gone"
              .formatted(file, InflightLayout.VERSION, magic, version));
    }
    if (found <= 0
        || found > (memory.capacity() - InflightLayout.HEADER_BYTES) / InflightLayout.SLOT_BYTES) {
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
    return getLong(InflightLayout.NEXT_SEQUENCE_OFFSET);
  }

  /**
   * Remembers a request that is being taken.
   *
   * @param consumerAfter index of the request after it in its queue
   * @return its slot
   */
  int take(BlockRequest request, long sequence, long generation, int consumerAfter) {
    checkState(freeCount > 0, "the in-flight table is full: its user must ask hasFree() first");
    checkQueue(request.queue());
    int slot = freeSlots[--freeCount];
    int base = InflightLayout.slotOffset(slot);
    putInt(base + InflightLayout.QUEUE, request.queue());
    putLong(base + InflightLayout.SEQUENCE, sequence);
    putLong(base + InflightLayout.ID, request.id());
    putLong(base + InflightLayout.GENERATION, generation);
    putInt(base + InflightLayout.CONSUMER, consumerAfter);
    encode(base, true, request);
    putInt(base + InflightLayout.STATE, InflightLayout.TAKEN_A);
    putLong(InflightLayout.NEXT_SEQUENCE_OFFSET, sequence + 1);
    consumed(request.queue(), consumerAfter);
    return slot;
  }

  /** The response has been given, and is not visible yet. */
  void answered(int slot, BlockRequest request) {
    int base = InflightLayout.slotOffset(slot);
    boolean toA = !InflightLayout.isA(state(slot));
    encode(base, toA, request);
    putInt(
        base + InflightLayout.STATE, toA ? InflightLayout.ANSWERED_A : InflightLayout.ANSWERED_B);
  }

  /** The response of an earlier process was lost: the request is to be answered again. */
  void takenAgain(int slot, BlockRequest request) {
    int base = InflightLayout.slotOffset(slot);
    boolean toA = !InflightLayout.isA(state(slot));
    encode(base, toA, request);
    putInt(base + InflightLayout.STATE, toA ? InflightLayout.TAKEN_A : InflightLayout.TAKEN_B);
  }

  /** Only after the response is visible, or when nobody will ever ask for it. */
  void forget(int slot) {
    checkState(state(slot) != InflightLayout.FREE, "slot %s is free already", slot);
    putInt(InflightLayout.slotOffset(slot) + InflightLayout.STATE, InflightLayout.FREE);
    freeSlots[freeCount++] = slot;
  }

  /** The queue's consumer: also malformed requests, which never come here, move it. */
  void consumed(int queue, int consumer) {
    checkQueue(queue);
    int offset = InflightLayout.CONSUMERS_OFFSET + queue * Integer.BYTES;
    if (getInt(offset) != consumer) {
      putInt(offset, consumer);
    }
  }

  /** Forgets everything: before a frontend may connect with new rings, whose indices start at 0. */
  void clear() {
    freeCount = 0;
    for (int slot = slots - 1; slot >= 0; slot--) {
      if (state(slot) != InflightLayout.FREE) {
        putInt(InflightLayout.slotOffset(slot) + InflightLayout.STATE, InflightLayout.FREE);
      }
      freeSlots[freeCount++] = slot;
    }
    for (int queue = 0; queue < InflightLayout.MAX_QUEUES; queue++) {
      consumed(queue, 0);
    }
  }

  /** What an earlier process left, in order of sequence. */
  List<Slot> recovered() {
    List<Slot> found = new ArrayList<>();
    for (int slot = 0; slot < slots; slot++) {
      int state = state(slot);
      if (state == InflightLayout.FREE) {
        continue;
      }
      int base = InflightLayout.slotOffset(slot);
      boolean a = InflightLayout.isA(state);
      int lengthBytes = getInt(base + (a ? InflightLayout.LENGTH_A : InflightLayout.LENGTH_B));
      int start = base + (a ? InflightLayout.ENCODING_A : InflightLayout.ENCODING_B);
      found.add(
          new Slot(
              slot,
              getLong(base + InflightLayout.SEQUENCE),
              getLong(base + InflightLayout.GENERATION),
              getInt(base + InflightLayout.QUEUE),
              getLong(base + InflightLayout.ID),
              memory.slice(start, lengthBytes)));
    }
    found.sort((left, right) -> Long.compare(left.sequence(), right.sequence()));
    return found;
  }

  /** What an earlier process may have been changing when it ended, in any order. */
  List<Change> changes() {
    return recovered().stream()
        .flatMap(slot -> BlockRequest.encodedChange(slot.encoded()).stream())
        .toList();
  }

  /** Per queue, the index of the next request to take, as an earlier process left it. */
  int[] requestConsumers() {
    int[] consumers = new int[InflightLayout.MAX_QUEUES];
    for (int queue = 0; queue < consumers.length; queue++) {
      consumers[queue] = getInt(InflightLayout.CONSUMERS_OFFSET + queue * Integer.BYTES);
    }
    for (int slot = 0; slot < slots; slot++) {
      if (state(slot) != InflightLayout.FREE) {
        int base = InflightLayout.slotOffset(slot);
        int queue = getInt(base + InflightLayout.QUEUE);
        int after = getInt(base + InflightLayout.CONSUMER);
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
      if (state(slot) != InflightLayout.FREE) {
        next =
            Math.max(next, getLong(InflightLayout.slotOffset(slot) + InflightLayout.SEQUENCE) + 1);
      }
    }
    return next;
  }

  /** Removes the file: the virtual disk has gone for good, and nothing here is used any more. */
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

  private void encode(int base, boolean toA, BlockRequest request) {
    int start = base + (toA ? InflightLayout.ENCODING_A : InflightLayout.ENCODING_B);
    encodings.limit(start + BlockRequest.MAX_ENCODED_BYTES).position(start);
    request.encode(encodings);
    onStore.run();
    int lengthBytes = encodings.position() - start;
    putInt(base + (toA ? InflightLayout.LENGTH_A : InflightLayout.LENGTH_B), lengthBytes);
  }

  private int state(int slot) {
    return getInt(InflightLayout.slotOffset(slot) + InflightLayout.STATE);
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
        queue >= 0 && queue < InflightLayout.MAX_QUEUES,
        "queue %s: expected 0 to %s",
        queue,
        InflightLayout.MAX_QUEUES - 1);
  }
}
