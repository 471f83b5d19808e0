package io.netchannel.xen.jna;

import io.netchannel.xen.GrantCopy;
import java.nio.ByteBuffer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** A batch of grant copies written as Xen's library wants it; the copy itself needs Xen. */
@State(Scope.Thread)
public class GrantCopySegmentsBenchmark {
  private static final int PAGE_BYTES = 4096;

  @Param({"1", "11"})
  public int segments;

  private final GrantCopySegments encoder = new GrantCopySegments();
  private final GrantCopy batch = new GrantCopy(256);

  @Setup
  public void fill() {
    batch.reset(
        1, GrantCopy.Direction.FROM_GUEST, ByteBuffer.allocateDirect(segments * PAGE_BYTES));
    for (int i = 0; i < segments; i++) {
      batch.add(8 + i, 0, PAGE_BYTES, i * PAGE_BYTES);
    }
  }

  @Benchmark
  public Object encode() {
    return encoder.encode(batch);
  }
}
