package io.netchannel.vdevice.block;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * One request of a guest, copied out of the ring and validated. Reused after {@link #release}.
 *
 * <p>Lengths and offsets are in bytes, within the device, multiples of its sector size.
 */
public interface BlockRequest {

  /** Bytes of the longest encoding: header and 256 indirect segments. */
  int MAX_ENCODED_BYTES = 64 + 256 * 8;

  int queue();

  /** The frontend's name for it, echoed in the response; unique only among its outstanding ones. */
  long id();

  BlockOperation operation();

  long offsetBytes();

  /** Bytes of data for read and write, of the range for a discard, 0 for a plain flush. */
  long lengthBytes();

  /**
   * Copies the write's data out of the guest into {@code data} (from position 0, lengthBytes long).
   *
   * @return false when a grant was refused: answer with {@link ResponseStatus#ERROR}
   */
  boolean copyFromGuest(ByteBuffer data);

  /** Copies a read's data into the guest; false when a grant was refused or the guest has gone. */
  boolean copyToGuest(ByteBuffer data);

  /**
   * Puts the response on the ring; it is visible after {@link VirtualDisk#publishResponses}. Goes
   * nowhere when the connection the request came by has ended. Exactly once per request.
   *
   * @return the index of the response in its ring: to be remembered with the request until {@link
   *     #seen}, so that a restarted process knows whether the answer was given
   */
  int respond(ResponseStatus status);

  /**
   * Whether the frontend is known to have taken the response (its rsp_event has passed it). A guest
   * that is suspended will resubmit every request whose answer it has not seen.
   */
  boolean seen();

  /**
   * Writes what {@link VirtualDisk#reattach} needs, from the position of {@code target} on: at most
   * {@link #MAX_ENCODED_BYTES}, in little-endian order whatever the order of {@code target}. The
   * index of the response is in it once there is one: encode again after {@link #respond}, before
   * {@link VirtualDisk#publishResponses}.
   */
  void encode(ByteBuffer target);

  /** What a request may have changed, in bytes. */
  record Change(long offsetBytes, long lengthBytes) {}

  /** What an encoded request changes; empty when nothing. */
  static Optional<Change> encodedChange(ByteBuffer encoded) {
    return RingRequest.encodedChange(encoded);
  }

  /** Gives the object back to its ring. It must not be used afterwards. */
  void release();
}
