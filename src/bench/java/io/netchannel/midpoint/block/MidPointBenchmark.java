package io.netchannel.midpoint.block;

import io.netchannel.vdevice.block.RingLayout.Wire;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A request of 4 KiB all the way: from the guest's ring through the virtual disk and the mid-point
 * to a disk in memory and back, on the embedded hypervisor. The guest's part is in it. No thread
 * has to be woken: this is the work per request, not its latency.
 */
@State(Scope.Thread)
public class MidPointBenchmark {
  /** Names of the ring's operations. */
  public enum Operation {
    READ(Wire.READ),
    WRITE(Wire.WRITE);

    private final int wireOperation;

    Operation(int wireOperation) {
      this.wireOperation = wireOperation;
    }
  }

  @Param public Operation operation;

  /** How many are on the ring at a time. */
  @Param({"1", "32"})
  public int depth;

  private SteadyGuest guest;

  @Setup
  public void connect() {
    guest = new SteadyGuest();
  }

  @TearDown
  public void close() {
    guest.close();
  }

  @Benchmark
  @OperationsPerInvocation(SteadyGuest.MAX_DEPTH)
  public void request() {
    for (int done = 0; done < SteadyGuest.MAX_DEPTH; done += depth) {
      guest.exchange(operation.wireOperation, depth);
    }
  }
}
