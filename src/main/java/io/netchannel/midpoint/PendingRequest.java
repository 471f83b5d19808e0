package io.netchannel.midpoint;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.Chunk;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One entry of the pending table, and the completion token the device gets. Pooled: everything but
 * {@link #complete} belongs to the agent's thread.
 *
 * <pre>
 *   FREE --take/adopt--> HELD --issue--> ISSUED --outcome--> DONE --respond--> ANSWERED
 *     ^                   |  ^             ^  |  |             |                  | publish
 *     |                   |  |             +--+  | next step   |                  v
 *     |                   |  +-------------------+             |                  |
 *     |                   |    no outcome: it was left         |                  |
 *     +----- release -----+------------------------------------+---------------UNSEEN
 * </pre>
 *
 * A request with data and a flush has up to three steps at the device; to the table it is one.
 */
final class PendingRequest implements Completion {
  private static final Logger log = LoggerFactory.getLogger(PendingRequest.class);

  enum State {
    FREE,
    /**
     * Taken and not at the device: it waits for an earlier request, for memory or for an unseal.
     */
    HELD,
    /** At the device, which owns the buffer. */
    ISSUED,
    /** The outcome is known and the guest has not been told. */
    DONE,
    /** The response is on the ring, not yet visible: not to be forgotten before it is. */
    ANSWERED,
    /** The response is visible; the frontend is not known to have taken it. */
    UNSEEN
  }

  /** Where a request with a flush is. */
  enum Step {
    FLUSH_BEFORE,
    TRANSFER,
    FLUSH_AFTER
  }

  private final CompletionQueue completions;
  private final Runnable wake;

  /**
   * Guards against a second completion, which would give this request's outcome to the next user.
   */
  private final AtomicBoolean atDevice = new AtomicBoolean();

  PendingRequest nextCompleted;

  /** Which list of the table it is in, and its neighbours there; only for {@link PendingList}. */
  PendingList list;

  PendingRequest previous;
  PendingRequest next;

  State state = State.FREE;
  Step step = Step.TRANSFER;
  long sequence;
  long generation;
  BlockOperation operation = BlockOperation.READ;
  long offsetBytes;
  long lengthBytes;

  /** The guest's request; null when it was adopted from a manifest. */
  BlockRequest request;

  /** Data to be written when it was adopted; null otherwise. */
  ByteBuffer adoptedData;

  /** Its slot of the in-flight table; -1 when it was adopted. */
  int slot = -1;

  /** Data, or null: not there yet, none needed, or given up. */
  ByteBuffer buffer;

  /** What the buffer is part of; null without one. */
  Chunk chunk;

  Outcome outcome = Outcome.OK;

  /** To which of its flow's devices it was given last. */
  int deviceNumber;

  /**
   * A later request changes the range, so what is known of the range through this one is not kept.
   */
  boolean superseded;

  PendingRequest(CompletionQueue completions, Runnable wake) {
    this.completions = completions;
    this.wake = wake;
  }

  @Override
  public void complete(Outcome result) {
    if (!atDevice.compareAndSet(true, false)) {
      // Completions must not throw: the device's thread has other requests to serve.
      log.error(
          "bug in a device: completed twice, {} of {} bytes at {}; the second outcome {} is"
              + " ignored",
          operation,
          lengthBytes,
          offsetBytes,
          result);
      return;
    }
    outcome = result;
    completions.push(this);
    wake.run();
  }

  void leaveForDevice() {
    if (!atDevice.compareAndSet(false, true)) {
      throw new IllegalStateException("request " + sequence + " is at the device already");
    }
  }

  boolean isUnfinished() {
    return state == State.HELD || state == State.ISSUED;
  }

  boolean changesData() {
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

  void hold(Chunk acquired) {
    chunk = acquired;
    buffer = acquired.buffer();
  }

  boolean needsBuffer() {
    return carriesData() || (operation == BlockOperation.READ && lengthBytes > 0);
  }

  boolean overlaps(PendingRequest other) {
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

  /** Only for the table. */
  void reset() {
    state = State.FREE;
    step = Step.TRANSFER;
    request = null;
    adoptedData = null;
    slot = -1;
    buffer = null;
    chunk = null;
    outcome = Outcome.OK;
    superseded = false;
    nextCompleted = null;
  }
}
