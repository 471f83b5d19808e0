package io.netchannel.midpoint.block;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.midpoint.MidPointLimits;

/**
 * What the mid-point of one disk may use.
 *
 * @param common see {@link MidPointLimits}
 * @param replayMillis how long after the connection resubmitted requests are expected
 */
public record BlockLimits(MidPointLimits common, long replayMillis) {

  /** Longest request there is: 256 indirect segments of a page (io/blkif.h). */
  public static final int MAX_REQUEST_BYTES = 256 * 4096;

  /** Unit of offsets on the ring, and of digests (io/blkif.h). */
  public static final int SECTOR_BYTES = 512;

  /** More than a frontend with 4 rings of 8 pages, each of 32 requests, can have outstanding. */
  private static final int DEFAULT_MAX_PENDING = 1024;

  /**
   * Four rings of 32 requests of 128 KiB (Linux' usual longest), each in flight, and as much
   * retained.
   */
  private static final long DEFAULT_BUFFER_BYTES = 32L << 20;

  private static final int DEFAULT_POLL_BATCH = 32;

  /** Linux resubmits within a second of its resume; a minute leaves room for a loaded host. */
  private static final long DEFAULT_REPLAY_MILLIS = 60_000;

  public BlockLimits {
    checkArgument(
        common.bufferBytes() >= MAX_REQUEST_BYTES,
        "bufferBytes %s: one request may need %s",
        common.bufferBytes(),
        MAX_REQUEST_BYTES);
    checkArgument(replayMillis >= 0, "replayMillis %s: expected 0 or more", replayMillis);
  }

  public static BlockLimits defaults() {
    return new BlockLimits(
        new MidPointLimits(DEFAULT_MAX_PENDING, DEFAULT_BUFFER_BYTES, DEFAULT_POLL_BATCH),
        DEFAULT_REPLAY_MILLIS);
  }
}
