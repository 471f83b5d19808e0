package io.netchannel.midpoint.block;

import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The replay map of a full ring of requests of 4 KiB, per request. An answer takes its range out of
 * the map, so each map is built anew: subtract the build to know what an answer costs.
 */
@State(Scope.Thread)
public class ReplayMapBenchmark {
  private static final int REQUESTS = 32;
  private static final int LENGTH_BYTES = 4096;

  private final ByteBuffer data = ByteBuffer.allocateDirect(LENGTH_BYTES);
  private final List<Entry> reads = new ArrayList<>();
  private final List<Entry> writes = new ArrayList<>();

  @Setup
  public void fill() {
    byte[] content = new byte[LENGTH_BYTES];
    new Random(1).nextBytes(content);
    data.put(0, content);
    for (int i = 0; i < REQUESTS; i++) {
      reads.add(entry(i, BlockOperation.READ, ByteBuffer.wrap(content)));
      writes.add(entry(i, BlockOperation.WRITE, SectorDigests.of(data)));
    }
  }

  /** In another order than on the disk, with room between them. */
  private static Entry entry(int number, BlockOperation operation, ByteBuffer payload) {
    return new Entry(
        number + 1, 1, operation, offset(number), LENGTH_BYTES, BlockManifest.State.DONE, payload);
  }

  private static long offset(int number) {
    return (number * 7 & (REQUESTS - 1)) * 3L * LENGTH_BYTES;
  }

  @Benchmark
  @OperationsPerInvocation(REQUESTS)
  public Object build() {
    return ReplayMap.of(writes);
  }

  @Benchmark
  @OperationsPerInvocation(REQUESTS)
  public Object buildAndAnswerReads() {
    ReplayMap map = ReplayMap.of(reads);
    for (int i = 0; i < REQUESTS; i++) {
      check(map.answerRead(offset(i), data));
    }
    return map;
  }

  @Benchmark
  @OperationsPerInvocation(REQUESTS)
  public Object buildAndConfirmWrites() {
    ReplayMap map = ReplayMap.of(writes);
    for (int i = 0; i < REQUESTS; i++) {
      check(map.confirmWrite(offset(i), data));
    }
    return map;
  }

  /** What a seal does for each write that was done: it is in the time the guest stands still. */
  @Benchmark
  public Object digest() {
    return SectorDigests.of(data);
  }

  private static void check(boolean known) {
    if (!known) {
      throw new IllegalStateException("the map does not know what was put into it");
    }
  }
}
