package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.memory.BufferLease;

/**
 * What one mid-point may use.
 *
 * @param maxPending requests taken and not yet seen answered by the guest
 * @param bufferBytes memory for the data of these requests at most, where the host's budget has it
 * @param pollBatch requests taken before completions are looked at again
 */
public record MidPointLimits(int maxPending, long bufferBytes, int pollBatch) {
  public MidPointLimits {
    checkArgument(maxPending > 0, "maxPending %s: expected 1 or more", maxPending);
    checkArgument(
        bufferBytes >= BufferLease.MAX_BYTES,
        "bufferBytes %s: one request may need %s",
        bufferBytes,
        BufferLease.MAX_BYTES);
    checkArgument(pollBatch > 0, "pollBatch %s: expected 1 or more", pollBatch);
  }
}
