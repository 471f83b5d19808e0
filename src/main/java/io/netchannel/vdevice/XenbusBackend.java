package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;
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

/**
 * Follows a frontend through the states of xenbus and owns its rings, for any kind of device. The
 * state diagram is in the package documentation; what each step does follows Linux'
 * drivers/block/xen-blkback/xenbus.c.
 *
 * <p>Whatever the guest writes into its nodes and rings ends here, in an answer with an error or in
 * a closed device.
 *
 * @param <R> the device's requests
 * @param <P> what its frontends publish
 */
public final class XenbusBackend<R extends VirtualRequest, P extends FrontendRings>
    implements VirtualDevice<R> {
  /** What a restarted daemon compares with the frontend's nodes: are these still the same rings? */
  private static final String CONNECTION = "/connection";

  /** The number blkback puts before the text of an error that a frontend made. */
  private static final int EINVAL = 22;

  private final DeviceAddress address;
  private final DeviceProtocol<R, P> protocol;
  private final XenStore store;
  private final Runnable wake;
  private final GuestLog log;
  private final RingMapper mapper;
  private final XenStore.Watch watch;

  /** Set by the watch, cleared by {@link #poll}. */
  private final AtomicBoolean frontendChanged = new AtomicBoolean(true);

  private State state = State.PREPARED;

  /** What we last wrote to our own "state" node; UNKNOWN in a restarted process. */
  private XenbusState backendState = XenbusState.UNKNOWN;

  // ---- of the present connection
  private ImmutableList<RequestRing<? extends R>> rings = ImmutableList.of();
  private Optional<P> connection;
  private boolean frontendWasConnected;

  /** The ring that is served first, so that none starves the others. */
  private int firstRing;

  /** Whether the frontend has closed since the last connection: only then it may start again. */
  private boolean frontendWasClosed;

  private boolean closed;

  /**
   * Watches the frontend of nodes that have been published ({@link DeviceNodes}); nothing is
   * written before {@link #offer}. The state is PREPARED; or CONNECTED, when a process before this
   * one has connected and the frontend still uses the same rings: {@link #reattach} maps them.
   *
   * @param wake runs on any thread when there may be something to poll
   */
  public XenbusBackend(
      DeviceAddress address,
      DeviceProtocol<R, P> protocol,
      XenStore store,
      GrantTable grants,
      EventChannels events,
      Runnable wake,
      GuestLog log) {
    this.address = address;
    this.protocol = protocol;
    this.store = store;
    this.wake = wake;
    this.log = log;
    mapper = new RingMapper(address.domid(), grants, events, wake, log);
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
    if (path.length() <= frontend.length() || path.equals(frontend + DeviceNodes.STATE)) {
      frontendChanged.set(true);
      wake.run();
    }
  }

  @Override
  public State state() {
    return state;
  }

  /**
   * Backend InitWait: the frontend may connect, now or (after PREPARED) again.
   *
   * @param features writes what is offered, in the same transaction
   */
  public void offer(Consumer<XenStoreOperations> features) {
    if (state != State.PREPARED) {
      throw new IllegalStateException(
          "%s is %s: a device is offered while it is PREPARED".formatted(log.device(), state));
    }
    boolean published = switchBackend(XenbusState.INIT_WAIT, features);
    change(published ? State.OFFERED : State.GONE, published ? "offered" : "nodes removed");
    // A resumed frontend does not wait for us: its rings may be there already.
    frontendChanged.set(true);
    wake.run();
  }

  @Override
  public int poll(Handler<R> handler, int maxRequests) {
    int done = 0;
    if (!closed && frontendChanged.get() && frontendChanged.getAndSet(false)) {
      done += follow(handler);
    }
    if (state == State.CONNECTED && maxRequests > 0) {
      done += takeRequests(handler, maxRequests);
    }
    return done;
  }

  /** Does what the frontend's state asks for; returns 1 when the state of the device changed. */
  private int follow(Handler<R> handler) {
    State before = state;
    try {
      Optional<String> text = store.read(address.frontendPath() + DeviceNodes.STATE);
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

  private void frontendIs(XenbusState frontend, Handler<R> handler) {
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

  private void frontendInitialising(Handler<R> handler) {
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

  private void frontendReady(XenbusState frontend, Handler<R> handler) {
    switch (state) {
      case OFFERED -> connect(handler);
      case CONNECTED -> {
        // After resume a frontend goes from Connected to Initialised with new rings, without a step
        // between. Right after our own Connected it is still Initialised with the rings we have.
        boolean saysConnected = frontend == XenbusState.CONNECTED;
        if (saysConnected && (!protocol.skipsInitialised() || sameRings())) {
          frontendWasConnected = true;
        } else if (saysConnected || frontendWasConnected || !sameRings()) {
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
   * The frontend closes. The rings stay: it may still wait for answers. It goes on to Closed when
   * it sees our Closing; a backend that goes straight to Closed costs a guest 5 s at power-off.
   */
  private void frontendClosing() {
    if (backendState != XenbusState.CLOSING && backendState != XenbusState.CLOSED) {
      switchBackend(XenbusState.CLOSING, nodes -> {});
    }
    if (state != State.CONNECTED) {
      change(State.CLOSED, "frontend closes");
    }
  }

  private void frontendClosed(Handler<R> handler) {
    frontendWasClosed = true;
    disconnect();
    if (backendState != XenbusState.CLOSED) {
      switchBackend(XenbusState.CLOSED, nodes -> {});
    }
    if (isOnline()) {
      end(handler, State.CLOSED, "frontend closed");
    } else {
      gone(handler, "frontend closed, device detached");
    }
  }

  private boolean isOnline() {
    return store.read(address.backendPath() + DeviceNodes.ONLINE).equals(Optional.of("1"));
  }

  private boolean sameRings() {
    try {
      return Optional.of(protocol.readFrontend(store, address.frontendPath())).equals(connection);
    } catch (HandshakeException e) {
      return false;
    }
  }

  private void connect(Handler<R> handler) {
    disconnect(); // of an attempt that xenstore made fail
    try {
      P parameters = protocol.readFrontend(store, address.frontendPath());
      rings =
          mapper.open(
              parameters,
              protocol,
              (queue, memory) -> new BackRing(memory, parameters.slotBytes()));
      connection = Optional.of(parameters);
      if (!switchBackend(
          XenbusState.CONNECTED,
          nodes -> {
            nodes.write(address.backendPath() + CONNECTION, parameters.toString());
            protocol.connected(nodes);
          })) {
        gone(handler, "nodes removed");
        return;
      }
    } catch (HandshakeException | XenException | RingBrokenException e) {
      fail(handler, e.getMessage());
      return;
    }
    frontendWasClosed = false;
    frontendWasConnected = false;
    change(State.CONNECTED, "%s, %s".formatted(rings, connection.orElseThrow()));
    handler.onConnected();
  }

  private int takeRequests(Handler<R> handler, int maxRequests) {
    int taken = 0;
    ImmutableList<RequestRing<? extends R>> present = rings;
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
  public List<R> reattach(List<ByteBuffer> taken, int[] requestConsumers) {
    if (state != State.CONNECTED || !rings.isEmpty()) {
      throw new IllegalStateException(
          "%s is %s: only a device that is CONNECTED from the start on is reattached"
              .formatted(log.device(), state));
    }
    try {
      P parameters = connection.orElseThrow();
      TakenBefore before =
          new TakenBefore(taken, requestConsumers, parameters, protocol.inheritedBefore());
      rings = mapper.open(parameters, protocol, before::attach);
      List<R> requests = new ArrayList<>();
      for (ByteBuffer encoded : before.unanswered()) {
        requests.add(rings.get(TakenRequest.encodedQueue(encoded)).adopt(encoded));
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
  private Optional<P> connectionBefore() {
    Optional<String> recorded = store.read(address.backendPath() + CONNECTION);
    XenbusState backend = readState(address.backendPath());
    XenbusState frontend = readState(address.frontendPath());
    if (recorded.isEmpty()
        || !protocol.wasOffered()
        || backend != XenbusState.CONNECTED
        || (frontend != XenbusState.CONNECTED && frontend != XenbusState.INITIALISED)) {
      return Optional.empty();
    }
    try {
      return Optional.of(protocol.readFrontend(store, address.frontendPath()))
          .filter(now -> now.toString().equals(recorded.get()));
    } catch (HandshakeException e) {
      return Optional.empty();
    }
  }

  private XenbusState readState(String end) {
    return store.read(end + DeviceNodes.STATE).map(XenbusState::parse).orElse(XenbusState.UNKNOWN);
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
        DeviceNodes.remove(store, address);
      } catch (XenStoreException e) {
        log.warn("cannot remove the nodes of the device: " + e.getMessage());
      }
    }
  }

  // ---- how a connection ends

  /** What the frontend did cannot be served. */
  private void fail(Handler<R> handler, String reason) {
    disconnect();
    try {
      if (!store.exists(address.frontendPath() + DeviceNodes.STATE)) {
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
        nodes -> nodes.write(address.errorPath() + "/error", EINVAL + " " + reason));
  }

  private void prepareAgain(Handler<R> handler, String reason) {
    disconnect();
    switchBackend(XenbusState.INITIALISING, nodes -> {});
    end(handler, State.PREPARED, reason);
  }

  private void gone(Handler<R> handler, String reason) {
    disconnect();
    end(handler, State.GONE, reason);
  }

  /** Unmaps and unbinds everything; idempotent. */
  private void disconnect() {
    rings.forEach(RequestRing::disconnect);
    rings = ImmutableList.of();
    connection = Optional.empty();
  }

  private void end(Handler<R> handler, State next, String reason) {
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
    return DeviceNodes.writeIfPublished(
        store,
        address,
        nodes -> {
          writes.accept(nodes);
          nodes.write(address.backendPath() + DeviceNodes.STATE, next.text());
        });
  }
}
