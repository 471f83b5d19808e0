package io.netchannel.vdevice.block;

import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualRequest;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * One request of a guest, copied out of the ring and validated. Reused after {@link #release}.
 *
 * <p>Lengths and offsets are in bytes, within the device, multiples of its sector size.
 */
public interface BlockRequest extends VirtualRequest {

  /** Bytes of the longest {@link #encode encoding}: header and 256 indirect segments. */
  int MAX_ENCODED_BYTES = 64 + 256 * 8;

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
   * Puts the response on the ring; it is visible after {@link VirtualDevice#publishResponses}. Goes
   * nowhere when the connection the request came by has ended. Exactly once per request.
   *
   * @return the index of the response in its ring: to be remembered with the request until {@link
   *     #seen}, so that a restarted process knows whether the answer was given
   */
  int respond(ResponseStatus status);

  /** What a request may have changed, in bytes. */
  record Change(long offsetBytes, long lengthBytes) {}

  /** What an encoded request changes; empty when nothing. */
  static Optional<Change> encodedChange(ByteBuffer encoded) {
    return RingRequest.encodedChange(encoded);
  }
}
