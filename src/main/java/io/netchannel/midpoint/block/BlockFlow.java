package io.netchannel.midpoint.block;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.DeviceFlow;
import io.netchannel.midpoint.HandOver;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.midpoint.Milestones;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.vdevice.block.BlockGeometry;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.ResponseStatus;
import io.netchannel.vdevice.block.VirtualDisk;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;

/**
 * What a disk makes of the way through a mid-point: several steps at the device, answers from what
 * was done elsewhere ({@link TakeOver}), a manifest of all that is pending ({@link BlockHandOver}),
 * and an order. Devices may run what they have been given in any order; so
 *
 * <ul>
 *   <li>overlapping requests, at least one of which changes the range, run in the order in which
 *       they were taken. A guest that cares never has them in flight together (Linux does not), but
 *       their order must still be one order: the same now, when they are issued again after a crash
 *       and when they are finished on another host;
 *   <li>a barrier waits for everything before it, and everything after it waits for the barrier;
 *   <li>a flush waits for nothing: it covers what was answered before it (blkback's
 *       BLKIF_OP_FLUSH_DISKCACHE). Its data, if it has some, is an overlapping write like any
 *       other.
 * </ul>
 */
final class BlockFlow extends DeviceFlow<Device, BlockManifest, BlockRequest, PendingBlock> {
  private final VirtualDisk disk;
  private final long replayMillis;
  private final ManifestEntries entries;
  private final BlockHandOver handOver;
  private final TakeOver takeOver;

  private long replayDeadlineNanos;

  BlockFlow(
      VirtualDisk disk,
      Parts parts,
      long replayMillis,
      ManifestBudget manifests,
      Milestones milestones) {
    super(disk, parts, PendingBlock::new);
    this.disk = disk;
    this.replayMillis = replayMillis;
    entries = new ManifestEntries(table(), manifests);
    takeOver = new TakeOver(manifests, milestones);
    handOver = new BlockHandOver(this, entries, takeOver);
  }

  // Requests

  @Override
  protected void taken(PendingBlock entry) {
    takeOver.taken();
    if (entry.changesData()) {
      supersede(entry);
    }
    Fill fill = fill(entry);
    if (fill == Fill.REFUSED && answers()) {
      takeOver.forgetRange(entry);
      refused(entry);
    } else if (fill == Fill.READY && answers() && takeOver.knows(entry)) {
      trace().replay(entry);
      table().done(entry);
      answer(entry);
      counters().add(Counter.REPLAYED, 1);
    } else {
      takeOver.forgetRange(entry);
      if (answers() && !mustWait(entry)) {
        var unused = issue(entry);
      }
    }
  }

  @Override
  protected boolean load(PendingBlock entry, ByteBuffer buffer) {
    if (!entry.carriesData()) {
      return true;
    }
    if (entry.request() == null) {
      buffer.put(0, entry.adoptedData, 0, buffer.limit());
      return true;
    }
    return entry.request().copyFromGuest(buffer);
  }

  @Override
  protected void submit(PendingBlock entry) {
    leaveForDevice(entry);
    switch (entry.step) {
      case FLUSH_BEFORE, FLUSH_AFTER -> device().flush(entry);
      case TRANSFER -> {
        switch (entry.operation) {
          case READ -> device().read(entry.offsetBytes, entry.buffer(), entry);
          case WRITE, WRITE_BARRIER, FLUSH ->
              device().write(entry.offsetBytes, entry.buffer(), entry);
          case DISCARD -> device().discard(entry.offsetBytes, entry.lengthBytes, entry);
        }
      }
    }
  }

  @Override
  protected void refused(PendingBlock entry) {
    entry.outcome = Outcome.IO_ERROR;
    finish(entry);
  }

  @Override
  protected void completed(PendingBlock entry) {
    PendingBlock.Step step = entry.outcome == Outcome.OK ? entry.nextStep() : null;
    boolean leaving = mode() == Mode.LEAVING || mode() == Mode.LEFT;
    if (leaving && (step != null || entry.outcome != Outcome.OK)) {
      trace().hold(entry);
      entry.step = entry.firstStep();
      table().heldAgain(entry);
    } else if (mode() == Mode.LEFT) {
      table().done(entry);
    } else if (step == null) {
      finish(entry);
    } else {
      entry.step = step;
      submit(entry);
    }
  }

  private void finish(PendingBlock entry) {
    trace().done(entry, entry.outcome);
    table().done(entry);
    if (entry.request() == null) {
      takeOver.finished(ManifestEntries.finished(entry));
      table().release(entry, Fate.SETTLED);
    } else if (answers()) {
      answer(entry);
    }
  }

  @Override
  protected void answer(PendingBlock entry) {
    ResponseStatus status =
        switch (entry.outcome) {
          case OK -> ResponseStatus.OKAY;
          case UNSUPPORTED -> ResponseStatus.NOT_SUPPORTED;
          case IO_ERROR, NO_SPACE -> ResponseStatus.ERROR;
        };
    if (status == ResponseStatus.OKAY
        && entry.operation == BlockOperation.READ
        && entry.lengthBytes > 0
        && !entry.request().copyToGuest(entry.buffer())) {
      status = ResponseStatus.ERROR;
      entry.outcome = Outcome.IO_ERROR;
    }
    int unused = entry.request().respond(status);
    if (status == ResponseStatus.OKAY) {
      count(entry);
    }
    takeOver.answered(entry);
    responded(entry, status, status != ResponseStatus.OKAY);
  }

  private void count(PendingBlock entry) {
    if (entry.operation == BlockOperation.READ) {
      counters().add(Counter.BYTES_READ, entry.lengthBytes);
    } else if (entry.carriesData()) {
      counters().add(Counter.BYTES_WRITTEN, entry.lengthBytes);
    }
  }

  /**
   * Each may be as long as a request can be. The others wait on their rings, but for one: how long
   * it is tells how much is missing.
   */
  @Override
  protected int mayTake(boolean starved, BufferLease available) {
    return starved ? 0 : Math.max(1, available.longestBuffers());
  }

  // Order

  @Override
  protected boolean mustWait(PendingBlock request) {
    // The usual answers without a look at each open request: nothing else is unfinished, or
    // nothing that is unfinished changes anything.
    boolean othersMatter =
        request.changesData()
            ? table().heldCount() + table().issuedCount() > 1
            : table().hasUnfinishedChanges();
    return othersMatter && mustWaitForOneOf(table().firstOpen(), request);
  }

  private static boolean mustWaitForOneOf(PendingBlock first, PendingBlock request) {
    for (PendingBlock earlier = first; earlier != request; earlier = earlier.next()) {
      if (earlier.isUnfinished() && conflict(earlier, request)) {
        return true;
      }
    }
    return false;
  }

  private static boolean conflict(PendingBlock earlier, PendingBlock later) {
    return earlier.operation == BlockOperation.WRITE_BARRIER
        || later.operation == BlockOperation.WRITE_BARRIER
        || (earlier.overlaps(later) && (earlier.changesData() || later.changesData()));
  }

  /** A later request changes this range: what older entries tell about it must not outlive it. */
  private void supersede(PendingBlock by) {
    for (PendingBlock entry = table().firstOpen(); entry != null; entry = entry.next()) {
      if (entry != by && entry.overlaps(by)) {
        entry.superseded = true;
      }
    }
    supersede(table().firstAnswered(), by);
    supersede(table().firstUnseen(), by);
  }

  private void supersede(PendingBlock finished, PendingBlock by) {
    for (PendingBlock entry = finished; entry != null; entry = entry.next()) {
      if (entry.overlaps(by)) {
        entry.superseded = true;
        table().releaseBuffer(entry);
      }
    }
  }

  // The frontend

  @Override
  protected void offer(Device device) {
    DeviceGeometry geometry = device.geometry();
    disk.offer(
        new BlockGeometry(
            geometry.sizeBytes(),
            geometry.logicalBlockBytes(),
            geometry.physicalBlockBytes(),
            geometry.readOnly(),
            geometry.canFlush(),
            geometry.canDiscard() ? geometry.discardGranularityBytes() : 0));
  }

  @Override
  protected void connected() {
    takeOver.connected();
    replayDeadlineNanos = nowNanos() + TimeUnit.MILLISECONDS.toNanos(replayMillis);
  }

  @Override
  protected void served() {
    if (takeOver.isResuming() && isConnected() && nowNanos() - replayDeadlineNanos >= 0) {
      takeOver.expire();
    }
  }

  // What is pending elsewhere, or of a frontend that began again

  @Override
  protected HandOver<Device, BlockManifest> handOver() {
    return handOver;
  }

  @Override
  protected int settle() {
    int count = 0;
    while (!takeOver.isFed() && table().hasFree()) {
      adopt(takeOver.next());
      count++;
    }
    return count + issueHeld();
  }

  private void adopt(Entry source) {
    if (!source.isToBeDone()) {
      takeOver.finished(source);
      return;
    }
    PendingBlock entry = adopt(source.sequence(), source.generation());
    entry.set(source.operation(), source.offsetBytes(), source.lengthBytes());
    entry.adoptedData = source.payload();
    table().hold(entry);
  }

  @Override
  protected boolean isFed() {
    return takeOver.isFed();
  }

  @Override
  protected int settled(boolean resubmits) {
    return takeOver.settle(entries, resubmits);
  }

  @Override
  protected void dropSettled() {
    takeOver.drop();
  }
}
