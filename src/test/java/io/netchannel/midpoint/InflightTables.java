package io.netchannel.midpoint;

import java.nio.ByteBuffer;
import java.nio.file.Path;

/** Tables of requests in flight that tests look into. */
public final class InflightTables {
  private InflightTables() {}

  /** One that dies with the test. */
  public static InflightTable inMemory(InflightTable.Layout layout, MidPointLimits limits) {
    return InflightTable.inMemory(layout, memory(layout, limits), limits);
  }

  /** Memory of one, that outlives its processes. */
  public static ByteBuffer memory(InflightTable.Layout layout, MidPointLimits limits) {
    ByteBuffer memory =
        ByteBuffer.allocateDirect(layout.fileBytes(limits.maxPending()) + 64).alignedSlice(64);
    var unused = InflightTable.inMemory(layout, memory, limits);
    return memory;
  }

  /** What is in such memory, for the next process; {@code onStore} runs after each store. */
  public static InflightTable over(
      InflightTable.Layout layout, ByteBuffer memory, Runnable onStore) {
    return new InflightTable(layout, memory, (Path) null, onStore);
  }
}
