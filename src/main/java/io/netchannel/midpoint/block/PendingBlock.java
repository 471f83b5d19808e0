package io.netchannel.midpoint.block;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.PendingRequest;
import io.netchannel.midpoint.PendingTable;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import java.nio.ByteBuffer;

/** A disk's pending request. One with data and a flush has up to three steps at the device. */
final class PendingBlock extends PendingRequest<BlockRequest, PendingBlock> implements Completion {

  /** Where a request with a flush is. */
  enum Step {
    FLUSH_BEFORE,
    TRANSFER,
    FLUSH_AFTER
  }

  private final PendingTable<BlockRequest, PendingBlock> table;

  Step step = Step.TRANSFER;
  BlockOperation operation = BlockOperation.READ;
  long offsetBytes;
  long lengthBytes;

  /** Data to be written when it was adopted; null otherwise. */
  ByteBuffer adoptedData;

  Outcome outcome = Outcome.OK;

  /**
   * A later request changes the range, so what is known of the range through this one is not kept.
   */
  boolean superseded;

  PendingBlock(PendingTable<BlockRequest, PendingBlock> table) {
    this.table = table;
  }

  @Override
  protected void read(BlockRequest request) {
    set(request.operation(), request.offsetBytes(), request.lengthBytes());
  }

  void set(BlockOperation newOperation, long newOffsetBytes, long newLengthBytes) {
    operation = newOperation;
    offsetBytes = newOffsetBytes;
    lengthBytes = newLengthBytes;
    step = firstStep();
  }

  @Override
  public void complete(Outcome result) {
    if (leaveDevice(result)) {
      outcome = result;
      table.completed(this);
    }
  }

  @Override
  protected boolean changesData() {
    return switch (operation) {
      case READ -> false;
      case WRITE, WRITE_BARRIER, DISCARD -> true;
      case FLUSH -> lengthBytes > 0;
    };
  }

  /** Whether its data comes from the guest. */
  boolean carriesData() {
    return operation != BlockOperation.DISCARD && changesData() && lengthBytes > 0;
  }

  @Override
  protected long bufferBytes() {
    return carriesData() || operation == BlockOperation.READ ? lengthBytes : 0;
  }

  @Override
  protected boolean isWorthKeeping() {
    return !superseded && outcome == Outcome.OK;
  }

  boolean overlaps(PendingBlock other) {
    return lengthBytes > 0
        && other.lengthBytes > 0
        && offsetBytes < other.offsetBytes + other.lengthBytes
        && other.offsetBytes < offsetBytes + lengthBytes;
  }

  Step firstStep() {
    return switch (operation) {
      case READ, WRITE, DISCARD -> Step.TRANSFER;
      case WRITE_BARRIER, FLUSH -> Step.FLUSH_BEFORE;
    };
  }

  /** The step after this one, or null when the request is finished. */
  Step nextStep() {
    return switch (step) {
      case FLUSH_BEFORE -> lengthBytes > 0 ? Step.TRANSFER : null;
      case TRANSFER -> firstStep() == Step.FLUSH_BEFORE ? Step.FLUSH_AFTER : null;
      case FLUSH_AFTER -> null;
    };
  }

  @Override
  public void describe(MidPointTrace trace) {
    BlockManifest.Entry.describe(trace, operation, offsetBytes, lengthBytes);
  }

  @Override
  protected void reset() {
    step = Step.TRANSFER;
    adoptedData = null;
    outcome = Outcome.OK;
    superseded = false;
  }

  @Override
  public String toString() {
    return "%s of %d bytes at %d".formatted(operation, lengthBytes, offsetBytes);
  }
}
