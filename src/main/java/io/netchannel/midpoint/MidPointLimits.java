package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;

/**
 * What one mid-point may use.
 *
 * @param maxPending requests taken and not yet seen answered by the guest
 * @param bufferBytes memory for the data of these requests at most, where the host's budget has it
 * @param pollBatch requests taken before completions are looked at again
 * @param replayMillis how long after the connection resubmitted requests are expected
 */
public record MidPointLimits(int maxPending, long bufferBytes, int pollBatch, long replayMillis) {

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

  public MidPointLimits {
    checkArgument(maxPending > 0, "maxPending %s: expected 1 or more", maxPending);
    checkArgument(
        bufferBytes >= MAX_REQUEST_BYTES,
        "bufferBytes %s: one request may need %s",
        bufferBytes,
        MAX_REQUEST_BYTES);
    checkArgument(pollBatch > 0, "pollBatch %s: expected 1 or more", pollBatch);
    checkArgument(replayMillis >= 0, "replayMillis %s: expected 0 or more", replayMillis);
  }

  public static MidPointLimits defaults() {
    return new MidPointLimits(
        DEFAULT_MAX_PENDING, DEFAULT_BUFFER_BYTES, DEFAULT_POLL_BATCH, DEFAULT_REPLAY_MILLIS);
  }
}
