package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import java.util.concurrent.atomic.AtomicLong;

/**
 * What all disks of a host may have in the heap of data that left its buffers: in manifests, those
 * it makes and those that come to it, and in replay maps made of a disk's own requests. Nobody
 * waits for it: an entry without its data is as good, only slower. From any thread.
 */
public final class ManifestBudget {
  private final long bytes;
  private final AtomicLong left;

  public ManifestBudget(long bytes) {
    checkArgument(bytes >= 0, "a budget of %s bytes", bytes);
    this.bytes = bytes;
    left = new AtomicLong(bytes);
  }

  /**
   * Takes as much as is wanted, but at most half of what is left: of many that come at once the
   * last ones get something too.
   *
   * @return how much; to be given back
   */
  public long take(long wantedBytes) {
    long before = left.getAndUpdate(now -> now - Math.min(wantedBytes, now / 2));
    return Math.min(wantedBytes, before / 2);
  }

  public void giveBack(long taken) {
    long now = left.addAndGet(taken);
    checkState(now <= bytes, "%s bytes of %s are left", now, bytes);
  }

  public long budgetBytes() {
    return bytes;
  }

  public long inUseBytes() {
    return bytes - left.get();
  }
}
