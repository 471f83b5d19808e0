package io.netchannel.midpoint.block;

import io.netchannel.device.Device;
import io.netchannel.midpoint.DeviceFlow;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.Milestones;
import io.netchannel.vdevice.block.BlockGeometry;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.VirtualDisk;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.LongSupplier;

/** The mid-point of one virtual disk. */
public final class BlockMidPoint extends MidPoint<Device, BlockManifest> {
  static final InflightTable.Layout INFLIGHT =
      InflightTable.Layout.of("NCINFLT1", BlockRequest.MAX_ENCODED_BYTES);

  private final InflightTable inflight;
  private final long offeredBytesBefore;

  /**
   * A mid-point that expects its device, with memory for requests of its own.
   *
   * @param disk published already, not offered; owned by the mid-point from now on
   * @param inflight likewise
   * @param nanoTime of a monotonic clock
   * @param wake makes somebody call {@link #doWork} soon; called on any thread
   */
  public BlockMidPoint(
      MidPointId id,
      VirtualDisk disk,
      InflightTable inflight,
      BlockLimits limits,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake) {
    this(
        id,
        disk,
        inflight,
        limits,
        MidPointMemory.unshared(limits.common().bufferBytes()),
        trace,
        nanoTime,
        wake,
        Milestones.IGNORED);
  }

  /**
   * Likewise.
   *
   * @param memory of all devices of the host
   * @param milestones hears of a guest that is taken over
   */
  public BlockMidPoint(
      MidPointId id,
      VirtualDisk disk,
      InflightTable inflight,
      BlockLimits limits,
      MidPointMemory memory,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake,
      Milestones milestones) {
    super(
        new BlockFlow(
            disk,
            new DeviceFlow.Parts(
                id,
                inflight,
                limits.common(),
                memory.buffers().lease(id.toString(), limits.common().bufferBytes(), wake),
                trace,
                nanoTime,
                wake),
            limits.replayMillis(),
            memory.manifests(),
            milestones));
    this.inflight = inflight;
    offeredBytesBefore = disk.offered().map(BlockGeometry::sizeBytes).orElse(0L);
  }

  /**
   * Maps the table of a disk's requests in flight, and makes it when it is not there.
   *
   * @param file its directory is made if needed
   * @throws IOException when it cannot be mapped, or is the file of another version
   */
  public static InflightTable inflight(Path file, BlockLimits limits) throws IOException {
    return InflightTable.open(file, INFLIGHT, limits.common());
  }

  /** The size that a process before told the guest; 0 when none did. On any thread. */
  public long offeredBytesBefore() {
    return offeredBytesBefore;
  }

  /**
   * What a process before may have been changing when it ended, and did not answer. It is forgotten
   * with the first device: {@link #recover} issues it again if the guest still asks for it. On any
   * thread.
   */
  public List<BlockRequest.Change> changesBefore() {
    return inflight.recovered().stream()
        .flatMap(slot -> BlockRequest.encodedChange(slot.encoded()).stream())
        .toList();
  }
}
