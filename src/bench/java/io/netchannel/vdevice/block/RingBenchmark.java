package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.MappedQueue;
import io.netchannel.vdevice.RequestRing;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.slf4j.LoggerFactory;

/** A slot made a request, alone and as a part of what a ring does per request; no data is moved. */
@State(Scope.Thread)
public class RingBenchmark {
  private static final int SLOTS = 32;

  /** Pages of data per request. */
  @Param({"1", "11"})
  public int segments;

  private final RingLayout layout = RingLayout.X86_64;
  private final ByteBuffer memory =
      ByteBuffer.allocateDirect(GrantTable.PAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private final BlockGeometry geometry = new BlockGeometry(1 << 30, 512, 4096, false, true, 0);
  private final VirtualDevice.Handler<BlockRequest> handler = new AnswerAtOnce();
  private RequestParser parser;
  private RingRequest request;
  private RequestRing<RingRequest> ring;
  private int producer;

  @Setup
  public void fill() throws RingBrokenException {
    for (int slot = 0; slot < SLOTS; slot++) {
      int position = SharedRing.HEADER_BYTES + slot * layout.slotBytes();
      layout.writeRequest(memory, position, Wire.READ, segments, 0, slot, slot * 100L);
      for (int segment = 0; segment < segments; segment++) {
        RingLayout.writeSegment(memory, layout.segmentOffset(position, segment), 8 + segment, 0, 7);
      }
    }
    GuestMemory guest =
        new GuestMemory(
            1,
            new EmbeddedHypervisor(Runnable::run).grantTable(0),
            VbdLimits.HIGHEST_INDIRECT_SEGMENTS);
    GuestLog log = new GuestLog(LoggerFactory.getLogger(RingBenchmark.class), "benchmark");
    parser = new RequestParser(layout, geometry, VbdLimits.DEFAULT, guest);
    ring =
        new RequestRing<>(
            new MappedQueue(0, ImmutableList.of(new Mapping()), new Channel(), log),
            new BackRing(memory, layout.slotBytes()),
            new BlockFormat(layout, geometry, VbdLimits.DEFAULT, guest, log));
    request = new RingRequest(ring, 0, guest);
    parser.slot().put(0, memory, SharedRing.HEADER_BYTES, layout.slotBytes());
  }

  @Benchmark
  public boolean parse() {
    return parser.parse(request).isEmpty();
  }

  /** A full ring: taken, parsed, answered, released, shown to the guest. */
  @Benchmark
  @OperationsPerInvocation(SLOTS)
  public int takeAndAnswer() throws RingBrokenException {
    for (int slot = 0; slot < SLOTS; slot++) {
      // An answer has overwritten the start of its slot.
      int position = SharedRing.HEADER_BYTES + slot * layout.slotBytes();
      layout.writeRequest(memory, position, Wire.READ, segments, 0, slot, slot * 100L);
    }
    producer += SLOTS;
    SharedRing.writeIndex(memory, SharedRing.REQ_PROD_OFFSET, producer);
    int taken = ring.take(handler, SLOTS);
    ring.push();
    return taken;
  }

  private static final class AnswerAtOnce implements VirtualDevice.Handler<BlockRequest> {
    @Override
    public void onRequest(BlockRequest request) {
      request.respond(ResponseStatus.OKAY);
      request.release();
    }

    @Override
    public void onConnected() {}

    @Override
    public void onDisconnected() {}
  }

  private final class Mapping implements GrantTable.Mapping {
    @Override
    public ByteBuffer memory() {
      return memory;
    }

    @Override
    public void close() {}
  }

  private static final class Channel implements EventChannels.EventChannel {
    @Override
    public void notifyPeer() {}

    @Override
    public void close() {}
  }
}
