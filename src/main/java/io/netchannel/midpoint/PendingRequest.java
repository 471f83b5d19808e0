package io.netchannel.midpoint;

import io.netchannel.device.memory.Chunk;
import io.netchannel.vdevice.VirtualRequest;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One entry of the pending table, and with what its kind adds the completion token that the device
 * gets. Pooled: everything but the completion belongs to the agent's thread.
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
 * A request may have several steps at the device; to the table it is one.
 *
 * @param <R> the guest's request
 * @param <P> the kind's own entries
 */
public abstract class PendingRequest<R extends VirtualRequest, P extends PendingRequest<R, P>>
    implements MidPointTrace.Subject {
  private static final Logger log = LoggerFactory.getLogger(PendingRequest.class);

  /** How far it has come. */
  public enum State {
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

  /**
   * Guards against a second completion, which would give this request's outcome to the next user.
   */
  private final AtomicBoolean atDevice = new AtomicBoolean();

  P nextCompleted;

  /** Which list of the table it is in, and its neighbours there; only for {@link PendingTable}. */
  PendingTable.Chain<R, P> list;

  P previous;
  P next;

  private State state = State.FREE;
  private long sequence;
  private long generation;
  private R request;

  /** Its slot of the in-flight table; -1 when it was adopted. */
  private int slot = -1;

  /** What the buffer is part of; null without one. */
  private Chunk chunk;

  /** To which of its flow's devices it was given last. */
  int deviceNumber;

  /** Becomes a guest's request, or with null for it one that comes from elsewhere. */
  final void become(R taken, long newSequence, long newGeneration, int newSlot) {
    request = taken;
    sequence = newSequence;
    generation = newGeneration;
    slot = newSlot;
    if (taken != null) {
      read(taken);
    }
  }

  /** Remembers what the guest asks for. */
  protected abstract void read(R taken);

  /** How long a buffer it needs; 0 for none. */
  protected abstract long bufferBytes();

  /** Whether its data is of use when it has been answered: until somebody else needs the memory. */
  protected boolean isWorthKeeping() {
    return false;
  }

  /** Whether it changes what is at the device. */
  protected boolean changesData() {
    return false;
  }

  /** For the next use. */
  protected void reset() {}

  /** The guest's request; null when it was adopted from a manifest. */
  public final R request() {
    return request;
  }

  @Override
  public final long sequence() {
    return sequence;
  }

  @Override
  public final long generation() {
    return generation;
  }

  public final State state() {
    return state;
  }

  /** After it in its list, or null; to be asked for before anything is done with it. */
  public final P next() {
    return next;
  }

  public final boolean isUnfinished() {
    return state == State.HELD || state == State.ISSUED;
  }

  final int slot() {
    return slot;
  }

  /** Data, or null: not there yet, none needed, or given up. */
  public final ByteBuffer buffer() {
    return chunk == null ? null : chunk.buffer();
  }

  final void hold(Chunk acquired) {
    chunk = acquired;
  }

  final Chunk takeChunk() {
    Chunk taken = chunk;
    chunk = null;
    return taken;
  }

  final void state(State newState) {
    state = newState;
  }

  final void free() {
    state = State.FREE;
    request = null;
    slot = -1;
    nextCompleted = null;
    reset();
  }

  final void leaveForDevice() {
    if (!atDevice.compareAndSet(false, true)) {
      throw new IllegalStateException("request " + sequence + " is at the device already");
    }
  }

  /**
   * The device says that it is done; on any thread. Does not throw: the device's thread has other
   * requests to serve.
   *
   * @return false when it has said so before: what it says now is not to be believed
   */
  protected final boolean leaveDevice(Object outcome) {
    if (atDevice.compareAndSet(true, false)) {
      return true;
    }
    log.error(
        "bug in a device: completed twice, {}; the second outcome {} is ignored", this, outcome);
    return false;
  }
}
