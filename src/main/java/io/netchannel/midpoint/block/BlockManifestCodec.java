package io.netchannel.midpoint.block;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.RequestName;
import io.netchannel.device.StorageState;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.ManifestHead;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.midpoint.block.BlockManifest.State;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The manifest of a disk as bytes, big-endian, between the head and the checksum that all manifests
 * have ({@link ManifestHead}).
 *
 * <pre>
 *   head: kind 0  flags 1 storage, 2 unflushed
 *   disk bytes (8)  incomplete (4)  entries (4)  storage (16), 0 without its flag
 *   per entry: sequence (8)  generation (8)  offset bytes (8)  length bytes (8)
 *              name: sequence (8), 0 for none;  operation (1)  state (1)  name: slot (2)
 *              payload bytes (4)  payload
 * </pre>
 *
 * The peer is authenticated, but a manifest decides what is written to a disk: every field is
 * checked before it is used, and nothing is allocated by a number that was not compared with the
 * length.
 */
final class BlockManifestCodec {
  static final byte KIND = 0;

  /** Of the body, before its entries. */
  private static final int FIXED_BYTES = 32;

  private static final int ENTRY_BYTES = 48;
  private static final byte STORAGE = 1;
  private static final byte UNFLUSHED = 2;

  /** Far more than any ring holds; keeps a damaged count from being believed. */
  static final int MAX_ENTRIES = 1 << 16;

  private static final UUID NO_STORAGE = new UUID(0, 0);
  private static final RequestName NO_NAME = new RequestName(0, 0);

  private BlockManifestCodec() {}

  static Manifest.Encoded encode(BlockManifest manifest) {
    long bodyBytes = FIXED_BYTES;
    for (Entry entry : manifest.entries()) {
      bodyBytes += ENTRY_BYTES + entry.payload().remaining();
    }
    ByteBuffer out =
        ManifestHead.begin(KIND, flags(manifest.storage()), manifest.generation(), bodyBytes);
    out.putLong(manifest.diskBytes());
    out.putInt(manifest.incomplete()).putInt(manifest.entries().size());
    UUID storage = manifest.storage().map(StorageState::identity).orElse(NO_STORAGE);
    out.putLong(storage.getMostSignificantBits()).putLong(storage.getLeastSignificantBits());
    for (Entry entry : manifest.entries()) {
      out.putLong(entry.sequence()).putLong(entry.generation());
      out.putLong(entry.offsetBytes()).putLong(entry.lengthBytes());
      out.putLong(entry.name().map(RequestName::sequence).orElse(0L));
      out.put(operationCode(entry.operation())).put(stateCode(entry.state()));
      out.putShort(entry.name().map(RequestName::slot).orElse(0).shortValue());
      out.putInt(entry.payload().remaining()).put(entry.payload().duplicate());
    }
    return ManifestHead.end(out);
  }

  /**
   * @param verified somebody has compared the checksum of all of it already
   */
  static BlockManifest decode(ByteBuffer encoded, boolean verified) {
    ManifestHead head = ManifestHead.of(encoded, KIND, FIXED_BYTES, verified);
    ByteBuffer in = head.body();
    byte flags = head.flags();
    checkArgument(
        (flags & ~(STORAGE | UNFLUSHED)) == 0 && flags != UNFLUSHED,
        "manifest: there are no flags %s",
        flags);
    long diskBytes = in.getLong();
    int incomplete = in.getInt();
    int count = in.getInt();
    UUID identity = new UUID(in.getLong(), in.getLong());
    Optional<StorageState> storage =
        flags == 0
            ? Optional.empty()
            : Optional.of(new StorageState(identity, (flags & UNFLUSHED) != 0));
    checkArgument(diskBytes >= 0, "manifest: disk of %s bytes", diskBytes);
    checkArgument(
        count >= 0 && count <= MAX_ENTRIES && count <= in.remaining() / ENTRY_BYTES,
        "manifest: %s entries do not fit into %s bytes",
        count,
        in.remaining());
    checkArgument(
        incomplete >= 0 && incomplete <= count,
        "manifest: %s incomplete of %s entries",
        incomplete,
        count);
    List<Entry> entries = new ArrayList<>(count);
    long previous = Long.MIN_VALUE;
    BitSet slots = new BitSet();
    for (int i = 0; i < count; i++) {
      Entry entry = decodeEntry(in, i, diskBytes);
      checkArgument(
          i == 0 || entry.sequence() > previous,
          "manifest: entry %s has sequence %s after %s; expected rising ones",
          i,
          entry.sequence(),
          previous);
      previous = entry.sequence();
      checkArgument(
          entry.state() != State.ISSUED || storage.isPresent(),
          "manifest: entry %s is at a device that has no authority",
          i);
      if (entry.name().isPresent()) {
        int slot = entry.name().get().slot();
        checkArgument(!slots.get(slot), "manifest: entry %s: slot %s for the second time", i, slot);
        slots.set(slot);
      }
      entries.add(entry);
    }
    checkArgument(!in.hasRemaining(), "manifest: %s bytes after the last entry", in.remaining());
    return new BlockManifest(
        head.generation(), diskBytes, incomplete, ImmutableList.copyOf(entries), storage);
  }

  private static Entry decodeEntry(ByteBuffer in, int index, long diskBytes) {
    checkArgument(in.remaining() >= ENTRY_BYTES, "manifest: entry %s is cut off", index);
    long sequence = in.getLong();
    long generation = in.getLong();
    long offsetBytes = in.getLong();
    long lengthBytes = in.getLong();
    long nameSequence = in.getLong();
    BlockOperation operation = operation(in.get(), index);
    State state = state(in.get(), index);
    RequestName name = new RequestName(Short.toUnsignedInt(in.getShort()), nameSequence);
    boolean named = name.sequence() > 0;
    checkArgument(
        named ? state == State.ISSUED && operation == BlockOperation.WRITE : name.equals(NO_NAME),
        "manifest: entry %s: %s %s cannot have the name %s",
        index,
        state,
        operation,
        name);
    int payloadBytes = in.getInt();
    checkArgument(
        offsetBytes >= 0
            && lengthBytes >= 0
            && offsetBytes <= diskBytes
            && lengthBytes <= diskBytes - offsetBytes
            && offsetBytes % BlockLimits.SECTOR_BYTES == 0
            && lengthBytes % BlockLimits.SECTOR_BYTES == 0,
        "manifest: entry %s: %s bytes at %s are not sectors of a disk of %s bytes",
        index,
        lengthBytes,
        offsetBytes,
        diskBytes);
    checkArgument(
        operation == BlockOperation.DISCARD || lengthBytes <= BlockLimits.MAX_REQUEST_BYTES,
        "manifest: entry %s: %s of %s bytes; a request has at most %s",
        index,
        operation,
        lengthBytes,
        BlockLimits.MAX_REQUEST_BYTES);
    long whole = Entry.payloadBytes(operation, state, lengthBytes);
    checkArgument(
        payloadBytes == 0 || payloadBytes == whole,
        "manifest: entry %s: %s %s of %s bytes with %s bytes of payload; expected 0 or %s",
        index,
        state,
        operation,
        lengthBytes,
        payloadBytes,
        whole);
    checkArgument(
        payloadBytes <= in.remaining(), "manifest: payload of entry %s is cut off", index);
    ByteBuffer payload = in.slice(in.position(), payloadBytes);
    in.position(in.position() + payloadBytes);
    return new Entry(
        sequence,
        generation,
        operation,
        offsetBytes,
        lengthBytes,
        state,
        payload,
        named ? Optional.of(name) : Optional.empty());
  }

  private static byte flags(Optional<StorageState> storage) {
    if (storage.isEmpty()) {
      return 0;
    }
    return storage.get().unflushed() ? STORAGE | UNFLUSHED : STORAGE;
  }

  private static BlockOperation operation(byte code, int index) {
    for (BlockOperation operation : BlockOperation.values()) {
      if (operationCode(operation) == code) {
        return operation;
      }
    }
    throw new IllegalArgumentException(
        "manifest: entry %d: there is no operation %d".formatted(index, code));
  }

  private static State state(byte code, int index) {
    for (State state : State.values()) {
      if (stateCode(state) == code) {
        return state;
      }
    }
    throw new IllegalArgumentException(
        "manifest: entry %d: there is no state %d".formatted(index, code));
  }

  /** Numbers on the wire, written out: the order in the enum may change, these may not. */
  private static byte operationCode(BlockOperation operation) {
    return switch (operation) {
      case READ -> 0;
      case WRITE -> 1;
      case WRITE_BARRIER -> 2;
      case FLUSH -> 3;
      case DISCARD -> 4;
    };
  }

  private static byte stateCode(State state) {
    return switch (state) {
      case UNISSUED -> 0;
      case DONE -> 1;
      case FAILED -> 2;
      case ANSWERED -> 3;
      case ISSUED -> 4;
    };
  }
}
