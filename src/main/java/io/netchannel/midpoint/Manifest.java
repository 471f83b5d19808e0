package io.netchannel.midpoint;

import java.nio.ByteBuffer;

/**
 * What was pending at a sealed mid-point: everything its guest will resubmit, in the order in which
 * it was taken. Each kind of device has its own; all of them travel alike ({@link ManifestHead}).
 */
public interface Manifest {

  /** The source's. */
  long generation();

  /** How many were at the device, their outcome unknown, when the seal began. */
  int incomplete();

  /** Requests that the guest has not seen answered. */
  int pending();

  /** The form that travels and that is journalled. */
  Encoded encoded();

  /**
   * The form that travels and that is journalled.
   *
   * @param bytes all of its array, which is not to be changed
   * @param crc32c of all of them, computed while they were made
   */
  record Encoded(ByteBuffer bytes, int crc32c) {}
}
