package io.netchannel.midpoint.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Inheritance;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.StorageState;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * What was pending at the sealed mid-point of a disk. See the package's description for what is in
 * it and why.
 *
 * @param generation the source's
 * @param diskBytes size of the disk; 0 when the source had no device
 * @param incomplete how many were at the device, their outcome unknown, when the seal began
 * @param entries in order of sequence, each sequence once; ISSUED ones only with {@code storage}
 * @param storage of a device with an authority, which has not been flushed; empty when the device
 *     was flushed and nothing is at it
 */
public record BlockManifest(
    long generation,
    long diskBytes,
    int incomplete,
    ImmutableList<Entry> entries,
    Optional<StorageState> storage)
    implements Manifest {

  /** How far a request had come. */
  public enum State {
    /** Taken and never sent to the device: the destination does it. */
    UNISSUED,
    /**
     * At the device, whose authority finishes it or never does it, before it lets the destination
     * in.
     */
    ISSUED,
    /** Done, and not answered. */
    DONE,
    /** Failed. Nothing is known of its range; the guest's resubmission is a normal request. */
    FAILED,
    /** Done and answered, but the guest is not known to have seen the answer. */
    ANSWERED
  }

  /**
   * One pending request.
   *
   * @param sequence its number at the source, unique there
   * @param generation of the source when it was taken
   * @param payload not to be changed, position 0. UNISSUED write: its data. DONE or ANSWERED read:
   *     its data. ISSUED, DONE or ANSWERED write: 16 bytes of digest per sector of 512. Empty for
   *     everything else, and where the source did not have it (any more): then only the shortcut is
   *     lost.
   * @param name of an ISSUED write: by which the destination asks what became of it
   */
  public record Entry(
      long sequence,
      long generation,
      BlockOperation operation,
      long offsetBytes,
      long lengthBytes,
      State state,
      ByteBuffer payload,
      Optional<RequestName> name)
      implements MidPointTrace.Subject {

    public Entry(
        long sequence,
        long generation,
        BlockOperation operation,
        long offsetBytes,
        long lengthBytes,
        State state,
        ByteBuffer payload) {
      this(
          sequence,
          generation,
          operation,
          offsetBytes,
          lengthBytes,
          state,
          payload,
          Optional.empty());
    }

    boolean writesData() {
      return switch (operation) {
        case READ, DISCARD -> false;
        case WRITE, WRITE_BARRIER, FLUSH -> lengthBytes > 0;
      };
    }

    boolean changesData() {
      return operation == BlockOperation.DISCARD || writesData();
    }

    /** Whether who takes it over has to do it; a write without its data nobody can do. */
    boolean isToBeDone() {
      return state == State.UNISSUED && !(writesData() && !payload.hasRemaining());
    }

    /**
     * The same request when its fate is known.
     *
     * @param outcome empty: it was never done, and the guest sends it again
     */
    Entry ended(Optional<Outcome> outcome) {
      boolean done = outcome.isPresent() && outcome.get() == Outcome.OK;
      return new Entry(
          sequence,
          generation,
          operation,
          offsetBytes,
          lengthBytes,
          done ? State.DONE : State.FAILED,
          done ? payload : ByteBuffer.allocate(0));
    }

    @Override
    public void describe(MidPointTrace trace) {
      describe(trace, operation, offsetBytes, lengthBytes);
    }

    /** As a trace has what a request asks for. */
    static void describe(
        MidPointTrace trace, BlockOperation operation, long offsetBytes, long lengthBytes) {
      trace.word("op", operation);
      trace.number("off", offsetBytes);
      trace.number("len", lengthBytes);
    }

    boolean isKnown() {
      return state == State.DONE || state == State.ANSWERED;
    }

    /** Bytes of the payload when there is one; 0 when there is never one. */
    static long payloadBytes(BlockOperation operation, State state, long lengthBytes) {
      boolean known = state == State.DONE || state == State.ANSWERED;
      return switch (operation) {
        case READ -> known ? lengthBytes : 0;
        case WRITE, WRITE_BARRIER, FLUSH ->
            known || state == State.ISSUED
                ? SectorDigests.lengthBytes(lengthBytes)
                : state == State.UNISSUED ? lengthBytes : 0;
        case DISCARD -> 0;
      };
    }
  }

  public BlockManifest(long generation, long diskBytes, int incomplete, List<Entry> entries) {
    this(generation, diskBytes, incomplete, ImmutableList.copyOf(entries), Optional.empty());
  }

  /** What the destination opens the device with. */
  public Optional<Inheritance> inheritance() {
    return storage.map(
        state ->
            new Inheritance(
                state,
                entries.stream()
                    .flatMap(entry -> entry.name().stream())
                    .collect(ImmutableList.toImmutableList())));
  }

  /** The same when what was at the device is settled, which {@code fates} tells of. */
  BlockManifest ended(Function<RequestName, Optional<Outcome>> fates) {
    if (entries.stream().noneMatch(entry -> entry.state() == State.ISSUED)) {
      return this;
    }
    return new BlockManifest(
        generation,
        diskBytes,
        incomplete,
        entries.stream()
            .map(
                entry ->
                    entry.state() == State.ISSUED
                        ? entry.ended(entry.name().flatMap(fates))
                        : entry)
            .collect(ImmutableList.toImmutableList()),
        storage);
  }

  @Override
  public int pending() {
    return entries.size();
  }

  @Override
  public Encoded encoded() {
    return BlockManifestCodec.encode(this);
  }

  /** Its bytes alone. */
  public byte[] encode() {
    return encoded().bytes().array();
  }

  /**
   * Reads what {@link #encode} wrote.
   *
   * @throws IllegalArgumentException when it is not that; the message says what is wrong
   */
  public static BlockManifest decode(byte[] encoded) {
    return BlockManifestCodec.decode(ByteBuffer.wrap(encoded), false);
  }

  /**
   * Likewise, without a look at the checksum: somebody has compared {@link Encoded#crc32c} since
   * the bytes came over a network or from a disk.
   *
   * @param encoded not to be changed as long as the manifest is used: it has its payloads there
   */
  public static BlockManifest decodeVerified(ByteBuffer encoded) {
    return BlockManifestCodec.decode(encoded, true);
  }
}
