package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Stages;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/**
 * What a client has at the device, and which of its connections may give it more: at most one, and
 * that is decided in the same lock in which a request is counted as given to the device. See the
 * package for its states. What a request is, is its kind's to know.
 *
 * @param <S> what its kind keeps of a request
 */
abstract class Session<S extends Slot> {
  private final String client;
  private final Attached.Window window;
  private final ImmutableList<S> slots;

  // All below is guarded by this.
  private Connection current;
  private int awaited;
  private int atDevice;
  private CompletableFuture<Void> settled = CompletableFuture.completedFuture(null);

  /**
   * @param window what its client may have outstanding
   * @param slots those of the window, and what its kind has beside them
   */
  Session(String client, Attached.Window window, int slots) {
    this.client = client;
    this.window = window;
    this.slots =
        IntStream.range(0, slots).mapToObj(this::newSlot).collect(ImmutableList.toImmutableList());
  }

  String client() {
    return client;
  }

  Attached.Window window() {
    return window;
  }

  // ---- what its kind has of its own

  /** Called by the constructor: only takes the session as it is. */
  abstract S newSlot(int number);

  /** Memory for the data of a connection's requests. */
  abstract ClientMemory memoryFor(Connection connection);

  /** A connection that had it is over. */
  abstract void leaves(ClientMemory memory);

  /**
   * Whether a request is one of this kind, and within what the device and the window are.
   *
   * @throws WireException when it is not
   */
  abstract void check(FrameHeader request) throws WireException;

  /**
   * A request gets its slot; in the session's lock.
   *
   * @param isAlone whether nothing else is at the device
   */
  abstract void begin(S slot, Connection from, FrameHeader request, boolean isAlone);

  /** Gives it to the device, or finishes it; outside of the lock. */
  abstract void start(S slot, FrameHeader request);

  /**
   * Ends a request that has not ended.
   *
   * @throws WireException when there is no such request of this kind
   */
  abstract void unlink(Connection from, FrameHeader header) throws WireException;

  /** Tells what is at the port, if the connection's client does not know it. */
  abstract void tellPort(Connection to, FrameWriter writer);

  // ---- requests, on the connection's event loop

  /**
   * Gives a request to the device, unless {@code from} is not the connection of this session any
   * more: then it is dropped, and its client will ask for its fate.
   *
   * @param data what is given to the device, or room for what comes from it; null for none. Owned
   *     by the session from now on
   * @throws WireException when the slot is not free
   */
  void submit(Connection from, FrameHeader request, ByteBuf data) throws WireException {
    S slot;
    synchronized (this) {
      if (current != from) {
        if (data != null) {
          data.release();
        }
        return;
      }
      slot = slots.get(request.slot());
      if (slot.state == Slot.State.RUNNING || slot.queued) {
        if (data != null) {
          data.release();
        }
        throw new WireException(
            "%s: expected a free slot, found sequence %d in it".formatted(request, slot.sequence));
      }
      slot.releaseData();
      slot.state = Slot.State.RUNNING;
      slot.sequence = request.sequence();
      slot.data = data;
      slot.windowBytes = data == null ? 0 : data.readableBytes();
      slot.orphan = false;
      begin(slot, from, request, atDevice++ == 0);
    }
    // From here on it counts as being at the device: a fence that comes now waits for it. Outside
    // of the lock, as what is run on this thread may take its time.
    start(slot, request);
  }

  /** The client uses a slot again: it has seen its outcome. */
  final synchronized void reuse(Connection from, int number) {
    S slot = slots.get(number);
    if (current == from && slot.state == Slot.State.FINISHED && !slot.queued) {
      slot.free();
    }
  }

  /** On any thread, exactly once for each request; its outcome is in the slot. */
  final void finished(S slot) {
    Connection to;
    CompletableFuture<Void> nothingAwaited = null;
    boolean wake = false;
    Stages.FINISHED.pass(slot.sequence);
    synchronized (this) {
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
    slot.keep();
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
      freed = slot.windowBytes;
      data = slot.reply(writer.header());
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
  final synchronized int finished(Connection of, Slot[] to) {
    return current == of ? of.replies().drain(to) : of.replies().stop();
  }

  // ---- who may use it, on the export's executor

  /** From now on nothing new gets to the device. Returns the connection that could. */
  final synchronized Optional<Connection> fence() {
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
  final synchronized void lost(Connection connection) {
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
  CompletableFuture<Void> settle(ImmutableList<Attach.Unanswered> listed, boolean all) {
    synchronized (this) {
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
  void use(Connection connection, Attach attach, Answer answer) {
    boolean wake = false;
    synchronized (this) {
      current = connection;
      answer.tell(
          attach.unanswered().stream().map(this::fate).collect(ImmutableList.toImmutableList()),
          runningBytes());
      for (Slot slot : repliedAgain()) {
        slot.queued = true;
        wake |= connection.replies().add(slot);
      }
    }
    if (wake) {
      connection.answerSoon();
    }
  }

  /** In the order of their requests: drivers take what an endpoint sends as its URBs end. */
  private List<S> repliedAgain() {
    return slots.stream()
        .filter(slot -> slot.state == Slot.State.FINISHED && slot.isRepliedAgain())
        .sorted(Comparator.comparingLong(slot -> slot.sequence))
        .toList();
  }

  private int runningBytes() {
    int bytes = 0;
    for (Slot slot : slots) {
      boolean isReplied = slot.state == Slot.State.FINISHED && slot.isRepliedAgain();
      if (slot.state == Slot.State.RUNNING || isReplied) {
        bytes += slot.windowBytes;
      }
    }
    return bytes;
  }

  private Fate fate(Attach.Unanswered request) {
    if (request.slot() >= slots.size()) {
      return Fate.UNKNOWN;
    }
    Slot slot = slots.get(request.slot());
    if (slot.state == Slot.State.FREE || slot.sequence != request.sequence()) {
      return Fate.UNKNOWN;
    }
    return slot.state == Slot.State.RUNNING ? Fate.RUNNING : slot.fate();
  }

  /** Nobody comes again for what it has; after {@link #fence}. */
  void over() {
    synchronized (this) {
      for (Slot slot : slots) {
        if (slot.state == Slot.State.FINISHED) {
          slot.free();
        } else {
          slot.orphan = slot.state == Slot.State.RUNNING;
        }
      }
    }
  }

  /** Gives it up, if nothing is running and {@code connection} is the session's. */
  final synchronized boolean end(Connection connection) {
    if (current != connection || running() > 0) {
      return false;
    }
    var unused = fence();
    return true;
  }

  /** Requests without a reply. */
  final synchronized int running() {
    int running = 0;
    for (Slot slot : slots) {
      if (slot.state == Slot.State.RUNNING || slot.queued) {
        running++;
      }
    }
    return running;
  }

  final ImmutableList<S> slots() {
    return slots;
  }

  final S slot(int number) {
    return slots.get(number);
  }

  /** In the session's lock. */
  final boolean isOf(Connection connection) {
    return current == connection;
  }

  final synchronized int atDevice() {
    return atDevice;
  }

  final synchronized Optional<Connection> connection() {
    return Optional.ofNullable(current);
  }
}
