package io.netchannel.midpoint;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * What was pending at a sealed mid-point: everything its guest will resubmit, in the order in which
 * it was taken. See the package's description for what is in it and why.
 *
 * @param generation the source's
 * @param diskBytes size of the disk; 0 when the source had no device
 * @param incomplete how many were at the device, their outcome unknown, when the seal began
 * @param entries in order of sequence, each sequence once
 */
public record Manifest(
    long generation, long diskBytes, int incomplete, ImmutableList<Entry> entries) {

  /** How far a request had come. */
  public enum State {
    /** Taken and never sent to the device: the destination does it. */
    UNISSUED,
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
   *     its data. DONE or ANSWERED write: 16 bytes of digest per sector of 512. Empty for
   *     everything else, and where the source did not have it (any more): then only the shortcut is
   *     lost.
   */
  public record Entry(
      long sequence,
      long generation,
      BlockOperation operation,
      long offsetBytes,
      long lengthBytes,
      State state,
      ByteBuffer payload) {

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

    boolean isKnown() {
      return state == State.DONE || state == State.ANSWERED;
    }

    /** Bytes of the payload when there is one; 0 when there is never one. */
    static long payloadBytes(BlockOperation operation, State state, long lengthBytes) {
      boolean known = state == State.DONE || state == State.ANSWERED;
      return switch (operation) {
        case READ -> known ? lengthBytes : 0;
        case WRITE, WRITE_BARRIER, FLUSH ->
            known
                ? SectorDigests.lengthBytes(lengthBytes)
                : state == State.UNISSUED ? lengthBytes : 0;
        case DISCARD -> 0;
      };
    }
  }

  public Manifest(long generation, long diskBytes, int incomplete, List<Entry> entries) {
    this(generation, diskBytes, incomplete, ImmutableList.copyOf(entries));
  }

  /** Requests that the guest has not seen answered. */
  public int pending() {
    return entries.size();
  }

  /** The form that travels and that is journalled. */
  public byte[] encode() {
    return ManifestCodec.encode(this);
  }

  /**
   * Reads what {@link #encode} wrote.
   *
   * @throws IllegalArgumentException when it is not that; the message says what is wrong
   */
  public static Manifest decode(byte[] encoded) {
    return ManifestCodec.decode(encoded);
  }
}
