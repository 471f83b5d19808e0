package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreOperations;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/**
 * The blkif backend an unmodified blkfront talks to. The state diagram is in the package
 * documentation; what each step does follows Linux' drivers/block/xen-blkback/xenbus.c.
 *
 * <p>Whatever the guest writes into its nodes and rings ends here, in an answer with an error or in
 * a closed device.
 */
public final class Vbd implements VirtualDisk {
  /** What a restarted daemon compares with the frontend's nodes: are these still the same rings? */
  private static final String CONNECTION = "/connection";

  /** The number blkback puts before the text of an error that a frontend made. */
  private static final int EINVAL = 22;

  private final VbdAddress address;
  private final XenStore store;
  private final VbdLimits limits;
  private final Runnable wake;
  private final GuestLog log;
  private final RingMapper mapper;
  private final XenStore.Watch watch;

  /** Set by the watch, cleared by {@link #poll}. */
  private final AtomicBoolean frontendChanged = new AtomicBoolean(true);

  private State state = State.PREPARED;

  /** What we last wrote to our own "state" node; UNKNOWN in a restarted process. */
  private XenbusState backendState = XenbusState.UNKNOWN;

  private Optional<BlockGeometry> geometry;

  // ---- of the present connection
  private ImmutableList<BlockRing> rings = ImmutableList.of();
  private Optional<ConnectionParameters> connection;
  private boolean frontendWasConnected;

  /** The ring that is served first, so that none starves the others. */
  private int firstRing;

  /** Whether the frontend has closed since the last connection: only then it may start again. */
  private boolean frontendWasClosed;

  private boolean closed;

  /**
   * Watches the frontend of nodes that have been published ({@link VbdNodes}); nothing is written
   * before {@link #offer}. The state is PREPARED; or CONNECTED, when a process before this one has
   * connected and the frontend still uses the same rings: {@link #reattach} maps them.
   *
   * @param guestName for log lines
   * @param wake runs on any thread when there may be something to poll
   */
  public Vbd(
      VbdAddress address,
      String guestName,
      XenStore store,
      GrantTable grants,
      EventChannels events,
      VbdLimits limits,
      Runnable wake) {
    this.address = address;
    this.store = store;
    this.limits = limits;
    this.wake = wake;
    log =
        new GuestLog(
            LoggerFactory.getLogger(Vbd.class),
            "guest %s (domain %d), vbd %d".formatted(guestName, address.domid(), address.devid()));
    mapper = new RingMapper(address.domid(), grants, events, limits, wake, log);
    geometry = VbdFeatures.readGeometry(store, address.backendPath());
    connection = connectionBefore();
    if (connection.isPresent()) {
      state = State.CONNECTED;
      backendState = XenbusState.CONNECTED;
    }
    watch = store.watch(address.frontendPath(), this::frontendNodeChanged);
  }

  /**
   * Only the state tells something, and the frontend itself when it is removed. A frontend writes
   * its other nodes first, while its guest stands still: nobody should wake up for them.
   */
  private void frontendNodeChanged(String path) {
    String frontend = address.frontendPath();
    if (path.length() <= frontend.length() || path.equals(frontend + VbdNodes.STATE)) {
      frontendChanged.set(true);
      wake.run();
    }
  }

  @Override
  public State state() {
    return state;
  }

  @Override
  public Optional<BlockGeometry> offered() {
    return geometry;
  }

  @Override
  public void offer(BlockGeometry offered) {
    if (state != State.PREPARED) {
      throw new IllegalStateException(
          "%s is %s: a disk is offered while it is PREPARED".formatted(log.device(), state));
    }
    geometry = Optional.of(offered);
    boolean published =
        switchBackend(
            XenbusState.INIT_WAIT,
            nodes -> VbdFeatures.write(nodes, address.backendPath(), offered));
    change(published ? State.OFFERED : State.GONE, published ? "offered" : "nodes removed");
    // A resumed blkfront does not wait for us: its rings may be there already.
    frontendChanged.set(true);
    wake.run();
  }

  @Override
  public int poll(Handler<BlockRequest> handler, int maxRequests) {
    int done = 0;
    if (!closed && frontendChanged.get() && frontendChanged.getAndSet(false)) {
      done += follow(handler);
    }
    if (state == State.CONNECTED && maxRequests > 0) {
      done += takeRequests(handler, maxRequests);
    }
    return done;
  }

  /** Does what the frontend's state asks for; returns 1 when the state of this disk changed. */
  private int follow(Handler<BlockRequest> handler) {
    State before = state;
    try {
      Optional<String> text = store.read(address.frontendPath() + VbdNodes.STATE);
      if (text.isEmpty()) {
        gone(handler, "frontend removed");
      } else {
        frontendIs(XenbusState.parse(text.get()), handler);
      }
    } catch (XenStoreException e) {
      // Not the guest's doing; what the frontend wants is still in its nodes at the next poll.
      frontendChanged.set(true);
      log.warn("xenstore: " + e.getMessage());
    }
    return state == before ? 0 : 1;
  }

  private void frontendIs(XenbusState frontend, Handler<BlockRequest> handler) {
    if (state == State.GONE) {
      return;
    }
    switch (frontend) {
      case INITIALISING -> frontendInitialising(handler);
      case INITIALISED, CONNECTED -> frontendReady(frontend, handler);
      case CLOSING -> frontendClosing();
      case CLOSED -> frontendClosed(handler);
      case UNKNOWN, INIT_WAIT, RECONFIGURING, RECONFIGURED ->
          fail(handler, "saw state %s at frontend".formatted(frontend));
    }
  }

  private void frontendInitialising(Handler<BlockRequest> handler) {
    switch (state) {
      case CONNECTED -> prepareAgain(handler, "frontend starts again");
      case CLOSED -> {
        if (frontendWasClosed && isOnline()) {
          prepareAgain(handler, "frontend is back");
        }
      }
      case PREPARED, OFFERED, GONE -> {}
    }
  }

  private void frontendReady(XenbusState frontend, Handler<BlockRequest> handler) {
    switch (state) {
      case OFFERED -> connect(handler);
      case CONNECTED -> {
        // After resume blkfront goes from Connected to Initialised with new rings, without a step
        // between.
        // Right after our own Connected it is still Initialised with the rings we have.
        if (frontend == XenbusState.CONNECTED) {
          frontendWasConnected = true;
        } else if (frontendWasConnected || !sameRings()) {
          prepareAgain(handler, "frontend has new rings");
        }
      }
      case CLOSED -> {
        if (frontendWasClosed && isOnline()) {
          prepareAgain(handler, "frontend is back");
        }
      }
      case PREPARED, GONE -> {} // offer() looks again
    }
  }

  /**
   * The frontend closes. The rings stay: blkfront may still wait for answers. It goes on to Closed
   * when it sees our Closing; a backend that goes straight to Closed costs a guest 5 s at
   * power-off.
   */
  private void frontendClosing() {
    if (backendState != XenbusState.CLOSING && backendState != XenbusState.CLOSED) {
      switchBackend(XenbusState.CLOSING, nodes -> {});
    }
    if (state != State.CONNECTED) {
      change(State.CLOSED, "frontend closes");
    }
  }

  private void frontendClosed(Handler<BlockRequest> handler) {
    frontendWasClosed = true;
    disconnect();
    if (backendState != XenbusState.CLOSED) {
      switchBackend(XenbusState.CLOSED, nodes -> {});
    }
    if (isOnline()) {
      end(handler, State.CLOSED, "frontend closed");
    } else {
      gone(handler, "frontend closed, disk detached");
    }
  }

  private boolean isOnline() {
    return store.read(address.backendPath() + VbdNodes.ONLINE).equals(Optional.of("1"));
  }

  private boolean sameRings() {
    try {
      return Optional.of(ConnectionParameters.read(store, address.frontendPath(), limits))
          .equals(connection);
    } catch (HandshakeException e) {
      return false;
    }
  }

  private void connect(Handler<BlockRequest> handler) {
    disconnect(); // of an attempt that xenstore made fail
    try {
      ConnectionParameters parameters =
          ConnectionParameters.read(store, address.frontendPath(), limits);
      rings =
          mapper.open(
              parameters,
              geometry.orElseThrow(),
              (queue, memory) -> new BackRing(memory, parameters.layout().slotBytes()));
      connection = Optional.of(parameters);
      if (!switchBackend(
          XenbusState.CONNECTED,
          nodes -> nodes.write(address.backendPath() + CONNECTION, parameters.toString()))) {
        gone(handler, "nodes removed");
        return;
      }
    } catch (HandshakeException | XenException | RingBrokenException e) {
      fail(handler, e.getMessage());
      return;
    }
    frontendWasClosed = false;
    frontendWasConnected = false;
    change(State.CONNECTED, rings.toString());
    handler.onConnected();
  }

  private int takeRequests(Handler<BlockRequest> handler, int maxRequests) {
    int taken = 0;
    ImmutableList<BlockRing> present = rings;
    int first = firstRing++;
    try {
      for (int i = 0; i < present.size() && taken < maxRequests; i++) {
        int turn = Math.floorMod(first + i, present.size());
        taken += present.get(turn).take(handler, maxRequests - taken);
      }
    } catch (RingBrokenException e) {
      fail(handler, e.getMessage());
    }
    return taken;
  }

  @Override
  public void publishResponses() {
    for (int i = 0; i < rings.size(); i++) {
      rings.get(i).push();
    }
  }

  @Override
  public int untaken() {
    int untaken = 0;
    for (int i = 0; i < rings.size(); i++) {
      untaken += rings.get(i).untaken();
    }
    return untaken;
  }

  @Override
  public int requestConsumer(int queue) {
    return rings.get(queue).consumer();
  }

  @Override
  public int queues() {
    return rings.size();
  }

  @Override
  public List<BlockRequest> reattach(List<ByteBuffer> taken, int[] requestConsumers) {
    if (state != State.CONNECTED || !rings.isEmpty()) {
      throw new IllegalStateException(
          "%s is %s: only a disk that is CONNECTED from the start on is reattached"
              .formatted(log.device(), state));
    }
    try {
      ConnectionParameters parameters = connection.orElseThrow();
      TakenBefore before = new TakenBefore(taken, requestConsumers, parameters);
      rings = mapper.open(parameters, geometry.orElseThrow(), before::attach);
      List<BlockRequest> requests = new ArrayList<>();
      for (ByteBuffer encoded : before.unanswered()) {
        requests.add(rings.get(RingRequest.encodedQueue(encoded)).adopt(encoded));
      }
      log.info("reattached with %d requests, %s".formatted(requests.size(), rings));
      return ImmutableList.copyOf(requests);
    } catch (XenException | RingBrokenException e) {
      String reason = "cannot go on with the rings: " + e.getMessage();
      closeWithError(reason);
      change(State.CLOSED, reason);
      return ImmutableList.of();
    }
  }

  /** The rings that a process before this one had mapped, if the frontend still uses them. */
  private Optional<ConnectionParameters> connectionBefore() {
    Optional<String> recorded = store.read(address.backendPath() + CONNECTION);
    XenbusState backend = readState(address.backendPath());
    XenbusState frontend = readState(address.frontendPath());
    if (recorded.isEmpty()
        || geometry.isEmpty()
        || backend != XenbusState.CONNECTED
        || (frontend != XenbusState.CONNECTED && frontend != XenbusState.INITIALISED)) {
      return Optional.empty();
    }
    try {
      return Optional.of(ConnectionParameters.read(store, address.frontendPath(), limits))
          .filter(now -> now.toString().equals(recorded.get()));
    } catch (HandshakeException e) {
      return Optional.empty();
    }
  }

  private XenbusState readState(String end) {
    return store.read(end + VbdNodes.STATE).map(XenbusState::parse).orElse(XenbusState.UNKNOWN);
  }

  @Override
  public void close(boolean removeNodes) {
    if (!closed) {
      closed = true;
      watch.close();
      disconnect();
    }
    if (removeNodes || state == State.GONE) {
      try {
        VbdNodes.remove(store, address);
      } catch (XenStoreException e) {
        log.warn("cannot remove the nodes of the disk: " + e.getMessage());
      }
    }
  }

  // ---- how a connection ends

  /** What the frontend did cannot be served. */
  private void fail(Handler<BlockRequest> handler, String reason) {
    disconnect();
    try {
      if (!store.exists(address.frontendPath() + VbdNodes.STATE)) {
        gone(handler, "frontend removed");
        return;
      }
      closeWithError(reason);
    } catch (XenStoreException e) {
      log.warn("cannot tell the frontend that its device is closed: " + e.getMessage());
    }
    end(handler, State.CLOSED, reason);
  }

  /**
   * As xenbus_dev_fatal of Linux: an error node, and Closing. The frontend may close, then start
   * again.
   */
  private void closeWithError(String reason) {
    log.warn("device closed: " + reason);
    frontendWasClosed = false;
    disconnect();
    switchBackend(
        XenbusState.CLOSING,
        nodes -> nodes.write(VbdNodes.errorPath(address) + "/error", EINVAL + " " + reason));
  }

  private void prepareAgain(Handler<BlockRequest> handler, String reason) {
    disconnect();
    switchBackend(XenbusState.INITIALISING, nodes -> {});
    end(handler, State.PREPARED, reason);
  }

  private void gone(Handler<BlockRequest> handler, String reason) {
    disconnect();
    end(handler, State.GONE, reason);
  }

  /** Unmaps and unbinds everything; idempotent. */
  private void disconnect() {
    rings.forEach(BlockRing::disconnect);
    rings = ImmutableList.of();
    connection = Optional.empty();
  }

  private void end(Handler<BlockRequest> handler, State next, String reason) {
    boolean wasConnected = state == State.CONNECTED;
    change(next, reason);
    if (wasConnected) {
      handler.onDisconnected();
    }
  }

  private void change(State next, String reason) {
    if (state != next) {
      log.info("%s -> %s: %s".formatted(state, next, reason));
      state = next;
    }
  }

  /**
   * Writes what the new state stands for, then the state, in one transaction.
   *
   * @return false when the nodes have been removed
   */
  private boolean switchBackend(XenbusState next, Consumer<XenStoreOperations> writes) {
    backendState = next;
    return VbdNodes.writeIfPublished(
        store,
        address,
        nodes -> {
          writes.accept(nodes);
          nodes.write(address.backendPath() + VbdNodes.STATE, next.text());
        });
  }
}
