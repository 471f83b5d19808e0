package io.netchannel.midpoint;

import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.ResponseStatus;
import java.nio.ByteBuffer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** The life of a request in the pending table: taken, issued, done, answered, forgotten. */
@State(Scope.Thread)
public class PendingTableBenchmark {
  private static final int REQUESTS = 256;

  /** Requests finish in another order than they were taken in; odd, so that each has its turn. */
  private static final int STRIDE = 97;

  /** How many are in the table at a time. */
  @Param({"1", "32", "256"})
  public int depth;

  private final BlockRequest request = new Request();
  private final PendingRequest[] entries = new PendingRequest[REQUESTS];
  private PendingTable table;
  private long sequence;

  @Setup
  public void fill() {
    BufferLease buffers = new BufferBudget(1 << 20).lease("guest", 1 << 20, () -> {});
    table = new PendingTable(REQUESTS, buffers, new CompletionQueue(), () -> {});
  }

  @Benchmark
  @OperationsPerInvocation(REQUESTS)
  public void request() {
    for (int done = 0; done < REQUESTS; done += depth) {
      for (int i = 0; i < depth; i++) {
        entries[i] = table.take(request, sequence++, 1, i);
        table.issued(entries[i]);
      }
      for (int i = 0; i < depth; i++) {
        PendingRequest entry = entries[i * STRIDE & (depth - 1)];
        table.done(entry, Outcome.OK);
        table.answered(entry);
      }
      table.published();
      for (int i = 0; i < depth; i++) {
        table.release(entries[i * STRIDE & (depth - 1)], Fate.SEEN);
      }
    }
  }

  private static final class Request implements BlockRequest {
    @Override
    public int queue() {
      return 0;
    }

    @Override
    public long id() {
      return 0;
    }

    @Override
    public BlockOperation operation() {
      return BlockOperation.READ;
    }

    @Override
    public long offsetBytes() {
      return 0;
    }

    @Override
    public long lengthBytes() {
      return 4096;
    }

    @Override
    public boolean copyFromGuest(ByteBuffer data) {
      return true;
    }

    @Override
    public boolean copyToGuest(ByteBuffer data) {
      return true;
    }

    @Override
    public int respond(ResponseStatus status) {
      return 0;
    }

    @Override
    public boolean seen() {
      return true;
    }

    @Override
    public void encode(ByteBuffer target) {}

    @Override
    public void release() {}
  }
}
