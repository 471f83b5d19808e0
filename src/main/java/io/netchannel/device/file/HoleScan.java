package io.netchannel.device.file;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import java.util.concurrent.CompletableFuture;

/**
 * Looks for the holes in a range of a regular file, as lseek(2) tells them, and tells them when its
 * request is completed. The file may be written meanwhile, so two answers need not fit together.
 */
final class HoleScan implements Completion {
  private final NativeFile file;
  private final int unitBytes;
  private final CompletableFuture<Extents> told = new CompletableFuture<>();
  private final ImmutableList.Builder<Extents.Run> zeros = ImmutableList.builder();

  /**
   * Of a file that is served.
   *
   * @param unitBytes a power of two, of which holes are told in multiples
   */
  HoleScan(NativeFile file, int unitBytes) {
    this.file = file;
    this.unitBytes = unitBytes;
  }

  CompletableFuture<Extents> told() {
    return told;
  }

  /** Stops at what it cannot find out: from there on all is data. */
  Outcome scan(long offsetBytes, long lengthBytes) {
    // Behind the end, of a file that became shorter, nothing can be read: that is no hole.
    long end = Math.min(offsetBytes + lengthBytes, file.seek(0, Libc.SEEK_END));
    long at = offsetBytes;
    for (int i = 0; i < Extents.MAX_RUNS && at < end; i++) {
      long hole = file.seek(at, Libc.SEEK_HOLE);
      if (hole < 0 || hole >= end) {
        break;
      }
      long data = file.seek(hole, Libc.SEEK_DATA);
      if (data == -Libc.ENXIO) {
        data = end; // the last hole
      } else if (data < 0) {
        break;
      }
      add(hole, Math.min(data, end));
      at = Math.max(data, hole + unitBytes); // written meanwhile: on, in any case
    }
    return Outcome.OK;
  }

  /** Less than that, where it does not end with blocks. */
  private void add(long from, long to) {
    long first = (from + unitBytes - 1) & -unitBytes;
    long behind = to & -unitBytes;
    if (first < behind) {
      zeros.add(new Extents.Run(first, behind - first));
    }
  }

  @Override
  public void complete(Outcome outcome) {
    told.complete(outcome == Outcome.OK ? new Extents(zeros.build()) : Extents.ALL_DATA);
  }
}
