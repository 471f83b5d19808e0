package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.Device;
import io.netchannel.device.Extents;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Status;
import io.netchannel.wire.WireException;
import io.netchannel.wire.ZeroRuns;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What a client has at the device, and which of its connections may give it more: at most one, and
 * that is decided in the same lock in which a request is given to the device. See the package for
 * its states.
 */
final class Session {
  /**
   * What its client's flushes tell, which outlives the session; called outside of its lock.
   *
   * <p>Who knows that writes were lost sends no flush. So one that comes says that its client has
   * seen this storage in an ATTACHED, and has lost nothing before it.
   */
  interface Flushes {
    /** One has succeeded. */
    void succeeded();

    /**
     * One has failed: what was written may be lost although the storage stays the same.
     *
     * @param told to be run when that is noted, or cannot be
     */
    void failed(Runnable told);
  }

  private final String client;

  /**
   * A hand-over to a thread of the device costs more than such a copy from memory. Writes of any
   * length cost less without: a longer read is better copied while the one before it is sent.
   */
  private static final int QUICK_BYTES = 64 << 10;

  private final Device device;

  /** Runs on the connection's thread what is in memory. */
  private final Device quick;

  /**
   * Runs there also what waits for the storage, as long as nothing else has to wait with it: for a
   * device in memory that does so now and then.
   */
  private final Device alone;

  private final boolean readOnly;
  private final Slot[] slots;
  private final Flushes flushes;

  // All below is guarded by this.
  private Connection current;
  private int awaited;
  private int atDevice;
  private CompletableFuture<Void> settled = CompletableFuture.completedFuture(null);

  /**
   * @param readOnly whether the device refuses writes
   */
  Session(String client, Device device, boolean readOnly, int slots, Flushes flushes) {
    this.client = client;
    this.flushes = flushes;
    this.device = device;
    this.quick = device.onCallersThread(false);
    this.alone = quick == device ? device : device.onCallersThread(true);
    this.readOnly = readOnly;
    this.slots = new Slot[slots];
    for (int i = 0; i < slots; i++) {
      this.slots[i] = new Slot(this, i);
    }
  }

  String client() {
    return client;
  }

  // ---- requests, on the connection's event loop

  /**
   * Gives a request to the device, unless {@code from} is not the connection of this session any
   * more: then it is dropped, and its client will ask for its fate.
   *
   * @param data of a write, or room for a read; owned by the session from now on
   * @param writable whether this client may write
   * @throws WireException when the slot is not free
   */
  void submit(Connection from, FrameHeader request, ByteBuf data, boolean writable)
      throws WireException {
    Slot slot;
    boolean refused;
    Device at;
    synchronized (this) {
      if (current != from) {
        if (data != null) {
          data.release();
        }
        return;
      }
      slot = slots[request.slot()];
      if (slot.state == Slot.State.RUNNING || slot.queued) {
        if (data != null) {
          data.release();
        }
        throw new WireException(
            "%s: expected a free slot, found sequence %d in it".formatted(request, slot.sequence));
      }
      slot.releaseData();
      slot.state = Slot.State.RUNNING;
      slot.type = request.type();
      slot.sequence = request.sequence();
      slot.data = data;
      slot.windowBytes = data == null ? 0 : data.readableBytes();
      slot.orphan = false;
      refused = changes(request.type()) && (readOnly || !writable);
      at = deviceFor(request, from.hasOwnThread(), atDevice++ == 0);
    }
    // From here on it counts as being at the device: a fence that comes now waits for it. Outside
    // of the lock, as what is run on this thread may take its time.
    if (refused) {
      completed(slot, Status.UNSUPPORTED);
    } else {
      start(slot, request, data, at);
    }
  }

  private static boolean changes(FrameType type) {
    return type == FrameType.WRITE || type == FrameType.DISCARD || type == FrameType.ZERO;
  }

  private Device deviceFor(FrameHeader request, boolean mayWait, boolean isAlone) {
    boolean isLongRead = request.type() == FrameType.READ && request.lengthBytes() > QUICK_BYTES;
    if (!mayWait || isLongRead) {
      return device;
    }
    return isAlone ? alone : quick;
  }

  private void start(Slot slot, FrameHeader request, ByteBuf data, Device at) {
    long offset = request.offsetBytes();
    Stages.ISSUED.pass(request.sequence());
    switch (request.type()) {
      case READ -> at.read(offset, buffer(data, request.lengthBytes()), slot);
      case WRITE -> at.write(offset, buffer(data, request.lengthBytes()), slot);
      case FLUSH -> device.flush(slot);
      case DISCARD -> device.discard(offset, request.lengthBytes(), slot);
      case ZERO -> device.zero(offset, request.lengthBytes(), request.mayDeallocate(), slot);
      case EXTENTS -> {
        CompletableFuture<Void> unused =
            device
                .extents(offset, request.lengthBytes())
                .thenAccept(found -> told(slot, found, data));
      }
      case ATTACH, ATTACHED, REFUSED, REPLY, DETACH, DETACHED, PING, PONG ->
          throw new IllegalArgumentException(request.toString());
      case MOVED, ARRIVED, NOTED, RECORD, RECORDED ->
          throw new IllegalArgumentException(request.toString());
    }
  }

  private void told(Slot slot, Extents found, ByteBuf data) {
    data.clear();
    new ZeroRuns(
            found.zeros().stream()
                .map(run -> new ZeroRuns.Run(run.offsetBytes(), run.lengthBytes()))
                .collect(ImmutableList.toImmutableList()))
        .encode(data);
    completed(slot, Status.OK);
  }

  private static ByteBuffer buffer(ByteBuf data, long lengthBytes) {
    return data.internalNioBuffer(0, (int) lengthBytes);
  }

  /** On any thread, exactly once for each request. */
  void completed(Slot slot, Status status) {
    if (slot.type == FrameType.FLUSH) {
      switch (status) {
        case OK, UNSUPPORTED -> flushes.succeeded();
        case IO_ERROR, NO_SPACE -> {
          // Noted before it is told: its client may be killed as soon as it knows.
          flushes.failed(() -> finished(slot, status));
          return;
        }
      }
    }
    finished(slot, status);
  }

  private void finished(Slot slot, Status status) {
    Connection to;
    CompletableFuture<Void> nothingAwaited = null;
    boolean wake = false;
    Stages.FINISHED.pass(slot.sequence);
    synchronized (this) {
      slot.status = status;
      slot.state = Slot.State.FINISHED;
      atDevice--;
      to = current;
      if (slot.awaited) {
        slot.awaited = false;
        if (--awaited == 0) {
          nothingAwaited = settled;
        }
      }
      if (slot.orphan) {
        slot.free();
      } else if (to == null) {
        keep(slot);
      } else {
        slot.queued = true;
        wake = to.replies().add(slot);
      }
    }
    if (wake) {
      to.answerSoon();
    }
    if (nothingAwaited != null) {
      nothingAwaited.complete(null);
    }
  }

  /** Nobody to be told at the moment: the outcome waits for an ATTACH that asks for it. */
  private static void keep(Slot slot) {
    slot.releaseData();
    if (!slot.isKept()) {
      slot.free();
    }
  }

  /**
   * Takes what a reply needs out of a finished slot, on the connection's event loop.
   *
   * @param writer gets the frame
   * @return how much of the window is free again; nothing when the connection is not the session's
   *     any more
   */
  int takeReply(Connection from, Slot slot, FrameWriter writer) {
    ByteBuf data;
    int freed;
    synchronized (this) {
      if (current != from) {
        return 0;
      }
      slot.queued = false;
      data = slot.data;
      slot.data = null;
      freed = slot.windowBytes;
      boolean answers = slot.type == FrameType.READ || slot.type == FrameType.EXTENTS;
      boolean carries = answers && slot.status == Status.OK;
      if (!carries && data != null) {
        data.release();
        data = null;
      }
      int payloadBytes = carries ? data.readableBytes() : 0;
      writer.header().reply(slot.status, slot.number, slot.sequence, payloadBytes);
      if (!slot.isKept()) {
        slot.free();
      }
    }
    if (data == null) {
      writer.add();
    } else {
      writer.add(data);
    }
    return freed;
  }

  /**
   * The finished slots that the connection has not answered yet, into {@code to}.
   *
   * @return how many; 0 also when it is not the session's connection any more
   */
  synchronized int finished(Connection of, Slot[] to) {
    return current == of ? of.replies().drain(to) : of.replies().stop();
  }

  // ---- who may use it, on the export's executor

  /** From now on nothing new gets to the device. Returns the connection that could. */
  synchronized Optional<Connection> fence() {
    Connection before = current;
    current = null;
    for (Slot slot : slots) {
      slot.queued = false;
      if (slot.state == Slot.State.FINISHED) {
        keep(slot);
      }
    }
    return Optional.ofNullable(before);
  }

  /** A connection was lost. */
  synchronized void lost(Connection connection) {
    if (current == connection) {
      var unused = fence();
    }
  }

  /**
   * Lets go of what the client does not list, and tells when nothing of that is at the device any
   * more; after {@link #fence}.
   *
   * @param all waits for everything: a take-over
   */
  synchronized CompletableFuture<Void> settle(
      ImmutableList<Attach.Unanswered> listed, boolean all) {
    ImmutableSet<Attach.Unanswered> wanted = ImmutableSet.copyOf(listed);
    awaited = 0;
    for (Slot slot : slots) {
      boolean keeps =
          slot.isKept() && wanted.contains(new Attach.Unanswered(slot.number, slot.sequence));
      switch (slot.state) {
        case FREE -> {}
        case FINISHED -> {
          if (!keeps) {
            slot.free();
          }
        }
        case RUNNING -> {
          slot.orphan = !keeps;
          slot.awaited = all || !keeps;
          if (slot.awaited) {
            awaited++;
          }
        }
      }
    }
    settled.cancel(false); // who waited for less, or more, has been superseded
    settled = new CompletableFuture<>();
    if (awaited == 0) {
      settled.complete(null);
    }
    return settled;
  }

  /** What an ATTACH is told; {@code tell} is called before any reply of a request can be. */
  interface Answer {
    /**
     * Tells it.
     *
     * @param runningBytes how much of the window those have that run
     */
    void tell(ImmutableList<Fate> fates, int runningBytes);
  }

  /** The connection is the session's from now on; after {@link #settle} has settled. */
  synchronized void use(
      Connection connection, ImmutableList<Attach.Unanswered> listed, Answer answer) {
    current = connection;
    answer.tell(
        listed.stream().map(this::fate).collect(ImmutableList.toImmutableList()), runningBytes());
  }

  private int runningBytes() {
    int bytes = 0;
    for (Slot slot : slots) {
      if (slot.state == Slot.State.RUNNING) {
        bytes += slot.windowBytes;
      }
    }
    return bytes;
  }

  private Fate fate(Attach.Unanswered request) {
    if (request.slot() >= slots.length) {
      return Fate.UNKNOWN;
    }
    Slot slot = slots[request.slot()];
    if (slot.state == Slot.State.FREE || slot.sequence != request.sequence()) {
      return Fate.UNKNOWN;
    }
    return slot.state == Slot.State.RUNNING ? Fate.RUNNING : Fate.done(slot.status);
  }

  /** Gives it up, if nothing is running and {@code connection} is the session's. */
  synchronized boolean end(Connection connection) {
    if (current != connection || running() > 0) {
      return false;
    }
    var unused = fence();
    return true;
  }

  /** Requests without a reply. */
  synchronized int running() {
    int running = 0;
    for (Slot slot : slots) {
      if (slot.state == Slot.State.RUNNING || slot.queued) {
        running++;
      }
    }
    return running;
  }

  synchronized int atDevice() {
    return atDevice;
  }

  synchronized Optional<Connection> connection() {
    return Optional.ofNullable(current);
  }
}
