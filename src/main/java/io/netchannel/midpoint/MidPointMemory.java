package io.netchannel.midpoint;

import io.netchannel.device.memory.BufferBudget;

/**
 * What all mid-points of a host share.
 *
 * @param buffers outside of the heap: data of requests
 * @param manifests in the heap: data that is handed over
 */
public record MidPointMemory(BufferBudget buffers, ManifestBudget manifests) {

  /** Of a mid-point that has nobody to share with. */
  public static MidPointMemory unshared(long bufferBytes) {
    return new MidPointMemory(new BufferBudget(bufferBytes), new ManifestBudget(2 * bufferBytes));
  }
}
