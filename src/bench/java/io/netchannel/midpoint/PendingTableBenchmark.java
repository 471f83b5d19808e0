package io.netchannel.midpoint;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.VirtualRequest;
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

  private final Request request = new Request();
  private final Entry[] entries = new Entry[REQUESTS];
  private PendingTable<Request, Entry> table;
  private long sequence;

  @Setup
  public void fill() {
    BufferLease buffers = new BufferBudget(1 << 20).lease("guest", 1 << 20, () -> {});
    table = new PendingTable<>(REQUESTS, buffers, () -> {}, unused -> new Entry());
  }

  @Benchmark
  @OperationsPerInvocation(REQUESTS)
  public void request() {
    for (int done = 0; done < REQUESTS; done += depth) {
      for (int i = 0; i < depth; i++) {
        entries[i] = table.newEntry();
        entries[i].become(request, sequence++, 1, i);
        table.issued(table.hold(entries[i]));
      }
      for (int i = 0; i < depth; i++) {
        Entry entry = entries[i * STRIDE & (depth - 1)];
        table.done(entry);
        table.answered(entry);
      }
      table.published();
      for (int i = 0; i < depth; i++) {
        table.release(entries[i * STRIDE & (depth - 1)], Fate.SEEN);
      }
    }
  }

  private static final class Entry extends PendingRequest<Request, Entry> {
    @Override
    protected void read(Request taken) {}

    @Override
    protected long bufferBytes() {
      return 4096;
    }

    @Override
    public void describe(MidPointTrace trace) {}
  }

  private static final class Request implements VirtualRequest {
    @Override
    public int queue() {
      return 0;
    }

    @Override
    public long id() {
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
