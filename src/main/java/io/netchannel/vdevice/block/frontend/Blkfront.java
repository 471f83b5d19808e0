package io.netchannel.vdevice.block.frontend;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.RingLayout;
import io.netchannel.vdevice.block.frontend.FrontRequest.Piece;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * A model of Linux 6.1's xen-blkfront in a domain of the embedded hypervisor: the same handshake,
 * the same rings, the same behaviour over suspend and resume, and the same complaints about a
 * backend. See the package documentation for what it leaves out.
 *
 * <p>It has no thread. All methods belong to one thread, the guest's; events and watches only make
 * {@link #poll} find something, and call {@code wake}.
 */
public final class Blkfront implements AutoCloseable {
  /** enum blkif_state of xen-blkfront.c. */
  public enum Connection {
    DISCONNECTED,
    CONNECTED,
    /** Resumed with new rings: the backend is not Connected yet. */
    SUSPENDED,
    /** The backend did what cannot be: disabled for further use. */
    ERROR
  }

  private final int devid;
  private final BlkfrontOptions options;
  private final Runnable wake;
  private final AtomicBoolean backendChanged = new AtomicBoolean(true);

  // ---- of the domain it runs in
  private EmbeddedDomain domain;
  private XenStore store;
  private XenStore.Watch watch;
  private String frontend;
  private String backend;
  private int backendDomid;

  private XenbusState state = XenbusState.INITIALISING;
  private Connection connection = Connection.DISCONNECTED;
  private Optional<String> failure = Optional.empty();
  private ImmutableList<BlkfrontRing> rings = ImmutableList.of();
  private int nextRing;

  /** Grants the backend had not let go of when they should have been ended. */
  private final List<Integer> deferredGrants = new ArrayList<>();

  // ---- what the backend said
  private long sectors;
  private boolean readOnly;
  private boolean flushes;
  private boolean discards;
  private int maxSegments = RingLayout.MAX_DIRECT_SEGMENTS;

  /** I/O that is not on a ring. */
  private final Deque<Piece> queue = new ArrayDeque<>();

  /** What was on the rings at resume: kept whole, and to be submitted anew (blkfront_resume). */
  private final List<Piece> requeue = new ArrayList<>();

  private final List<Piece> resubmit = new ArrayList<>();

  /**
   * Probes the device.
   *
   * @param wake runs on any thread when there may be something to {@link #poll}
   */
  public Blkfront(EmbeddedDomain domain, int devid, BlkfrontOptions options, Runnable wake) {
    this.devid = devid;
    this.options = options;
    this.wake = wake;
    enter(domain);
  }

  private void enter(EmbeddedDomain newDomain) {
    domain = newDomain;
    store = newDomain.xenStore();
    frontend = "/local/domain/%d/device/vbd/%d".formatted(newDomain.domid(), devid);
    backend = required(frontend + "/backend");
    backendDomid = Integer.parseInt(required(frontend + "/backend-id"));
    backendChanged.set(true);
    watch =
        store.watch(
            backend + "/state",
            path -> {
              backendChanged.set(true);
              wake.run();
            });
  }

  // ---- the block layer above

  /** Reads; the data is in {@link GuestIo#data} when {@code onDone} is called, in {@link #poll}. */
  public GuestIo read(long offsetBytes, int lengthBytes, Consumer<GuestIo> onDone) {
    return submit(new GuestIo(domain, GuestIo.Kind.READ, offsetBytes, lengthBytes, onDone));
  }

  /** Writes a copy of {@code data}, from its position to its limit. */
  public GuestIo write(long offsetBytes, ByteBuffer data, Consumer<GuestIo> onDone) {
    GuestIo io = new GuestIo(domain, GuestIo.Kind.WRITE, offsetBytes, data.remaining(), onDone);
    io.data().put(data.duplicate());
    return submit(io);
  }

  /** Makes durable what is done by now. */
  public GuestIo flush(Consumer<GuestIo> onDone) {
    return submit(new GuestIo(domain, GuestIo.Kind.FLUSH, 0, 0, onDone));
  }

  public GuestIo discard(long offsetBytes, long lengthBytes, Consumer<GuestIo> onDone) {
    return submit(new GuestIo(domain, GuestIo.Kind.DISCARD, offsetBytes, lengthBytes, onDone));
  }

  private GuestIo submit(GuestIo io) {
    queue.add(Piece.whole(io));
    return io;
  }

  // ---- the driver

  /** Does what there is to do; returns 0 when there was nothing. */
  public int poll() {
    int work = 0;
    endDeferredGrants();
    if (backendChanged.getAndSet(false)) {
      work += followBackend();
    }
    if (connection == Connection.CONNECTED) {
      try {
        for (BlkfrontRing ring : rings) {
          work += ring.interrupt();
        }
      } catch (BlkfrontRing.BrokenBackendException e) {
        connection = Connection.ERROR;
        failure = Optional.of(e.getMessage());
        return work + 1;
      }
      work += dispatch();
    }
    return work;
  }

  /** Moves I/O from the queue to the rings, merged and cut to what the backend takes. */
  private int dispatch() {
    int put = 0;
    while (!queue.isEmpty()) {
      Piece piece = queue.remove();
      if (!accepts(piece)) {
        continue;
      }
      Optional<BlkfrontRing> ring = ringWithRoom();
      if (ring.isEmpty()) {
        queue.push(piece);
        break;
      }
      ring.get().put(assemble(piece));
      put++;
    }
    if (put > 0) {
      rings.forEach(BlkfrontRing::push);
    }
    return put;
  }

  /** What the block layer answers by itself, as the device does not do it. */
  private boolean accepts(Piece piece) {
    boolean accepted =
        switch (piece.io().kind()) {
          case READ, WRITE -> true;
          case FLUSH -> flushes;
          case DISCARD -> discards;
        };
    if (!accepted) {
      piece.io().complete(piece.lengthBytes(), piece.io().kind() == GuestIo.Kind.FLUSH);
    }
    return accepted;
  }

  private FrontRequest assemble(Piece piece) {
    long maxBytes = (long) maxSegments * GrantTable.PAGE_BYTES;
    Piece first = piece;
    if (piece.io().kind().hasData() && piece.lengthBytes() > maxBytes) {
      first = piece.head(maxBytes);
      queue.push(piece.tail(maxBytes));
    }
    FrontRequest request = new FrontRequest(first);
    while (options.merge() && !queue.isEmpty() && request.merge(queue.peek(), maxSegments)) {
      queue.remove();
    }
    return request;
  }

  private Optional<BlkfrontRing> ringWithRoom() {
    for (int i = 0; i < rings.size(); i++) {
      BlkfrontRing ring = rings.get((nextRing + i) % rings.size());
      if (!ring.isFull()) {
        nextRing = (nextRing + i + 1) % rings.size();
        return Optional.of(ring);
      }
    }
    return Optional.empty();
  }

  /** The backend's state may have changed (blkback_changed). */
  private int followBackend() {
    XenbusState before = state;
    XenbusState backendState = readState(backend);
    if (readState(frontend) == XenbusState.UNKNOWN) {
      release(); // the device has been removed
    }
    switch (backendState) {
      case INIT_WAIT -> {
        if (state == XenbusState.INITIALISING) {
          talkToBackend();
        }
      }
      case CONNECTED -> {
        if (state == XenbusState.INITIALISING) {
          talkToBackend();
        }
        if (state == XenbusState.INITIALISED || state == XenbusState.CONNECTED) {
          connect();
        }
      }
      case CLOSING -> {
        if (state != XenbusState.CLOSED) {
          switchState(XenbusState.CLOSED);
        }
      }
      case CLOSED -> {
        if (state == XenbusState.CLOSED) {
          release();
        } else if (state != XenbusState.INITIALISING) {
          switchState(XenbusState.CLOSED);
          release();
        }
      }
      case UNKNOWN, INITIALISING, INITIALISED, RECONFIGURING, RECONFIGURED -> {}
    }
    return state == before ? 0 : 1;
  }

  /** Makes rings and publishes them (talk_to_blkback): at the first connection and at resume. */
  private void talkToBackend() {
    int order = Math.min(options.maxRingPageOrder(), number("max-ring-page-order", 0));
    int queues = Math.max(1, Math.min(options.maxQueues(), number("multi-queue-max-queues", 1)));
    ImmutableList.Builder<BlkfrontRing> made = ImmutableList.builder();
    for (int i = 0; i < queues; i++) {
      made.add(new BlkfrontRing(domain, backendDomid, options.layout(), devid, 1 << order, wake));
    }
    rings = made.build();
    nextRing = 0;
    store.transaction(
        nodes -> {
          if (order > 0) {
            nodes.write(frontend + "/ring-page-order", Integer.toString(order));
          }
          if (rings.size() > 1) {
            nodes.write(frontend + "/multi-queue-num-queues", Integer.toString(rings.size()));
          }
          for (int i = 0; i < rings.size(); i++) {
            writeRing(nodes, rings.size() == 1 ? frontend : frontend + "/queue-" + i, rings.get(i));
          }
          nodes.write(frontend + "/protocol", options.layout().protocol());
          nodes.write(frontend + "/feature-persistent", "1");
          return true;
        });
    switchState(XenbusState.INITIALISED);
  }

  private static void writeRing(XenStoreOperations nodes, String directory, BlkfrontRing ring) {
    int[] references = ring.ringGrants();
    for (int page = 0; page < references.length; page++) {
      nodes.write(
          directory + "/ring-ref" + (references.length == 1 ? "" : page),
          Integer.toString(references[page]));
    }
    nodes.write(directory + "/event-channel", Integer.toString(ring.port()));
  }

  /** The backend is Connected (blkfront_connect). */
  private void connect() {
    switch (connection) {
      case DISCONNECTED, SUSPENDED -> {
        sectors = Long.parseLong(required(backend + "/sectors"));
        readOnly = (number("info", 0) & 4) != 0;
        gatherFeatures();
        boolean resumed = connection == Connection.SUSPENDED;
        switchState(XenbusState.CONNECTED);
        connection = Connection.CONNECTED;
        if (resumed) {
          recover();
        }
      }
      case CONNECTED -> sectors = Long.parseLong(required(backend + "/sectors"));
      case ERROR -> {}
    }
  }

  private void gatherFeatures() {
    flushes = number("feature-barrier", 0) == 1 || number("feature-flush-cache", 0) == 1;
    discards = number("feature-discard", 0) == 1;
    int indirect =
        Math.min(options.maxIndirectSegments(), number("feature-max-indirect-segments", 0));
    maxSegments = Math.max(RingLayout.MAX_DIRECT_SEGMENTS, indirect);
  }

  /**
   * Submits again what was on the old rings (blkif_recover): flushes and discards first, then the
   * rest.
   */
  private void recover() {
    for (int i = requeue.size() - 1; i >= 0; i--) {
      queue.push(requeue.get(i));
    }
    queue.addAll(resubmit);
    requeue.clear();
    resubmit.clear();
  }

  // ---- suspend and resume

  /**
   * The domain is about to be suspended. Remembers the memory of all I/O as a migration copies it;
   * what the backend does to it afterwards stays behind.
   *
   * <p>When the suspend is cancelled, nothing more is to be done: the rings go on.
   */
  public void suspend() {
    for (Iterator<GuestIo> all = outstanding(); all.hasNext(); ) {
      all.next().takeImage();
    }
  }

  /**
   * The domain goes on as {@code newDomain} (migration, restore), or as the same one with its
   * devices set up again. The old rings are dropped, and what was on them goes to new ones: by
   * content, under new ids, perhaps cut and merged otherwise (blkfront_resume).
   */
  public void resume(EmbeddedDomain newDomain) {
    for (BlkfrontRing ring : rings) {
      for (FrontRequest request : ring.requests()) {
        (request.kind().hasData() ? resubmit : requeue).addAll(request.pieces());
      }
    }
    boolean moved = newDomain != domain;
    if (moved) {
      outstanding().forEachRemaining(io -> io.moveTo(newDomain));
      leave();
      deferredGrants.clear();
      enter(newDomain);
    } else {
      rings.forEach(ring -> deferredGrants.addAll(ring.free()));
    }
    rings = ImmutableList.of();
    connection =
        connection == Connection.CONNECTED || connection == Connection.SUSPENDED
            ? Connection.SUSPENDED
            : Connection.DISCONNECTED;
    state = XenbusState.INITIALISING;
    talkToBackend();
    backendChanged.set(true);
  }

  private Iterator<GuestIo> outstanding() {
    List<GuestIo> all = new ArrayList<>();
    queue.forEach(piece -> all.add(piece.io()));
    requeue.forEach(piece -> all.add(piece.io()));
    resubmit.forEach(piece -> all.add(piece.io()));
    rings.forEach(
        ring -> ring.requests().forEach(r -> r.pieces().forEach(piece -> all.add(piece.io()))));
    return all.stream().distinct().iterator();
  }

  // ---- closing

  /** The guest lets go of the device (power-off, module unload); {@link #poll} does the rest. */
  public void shutDown() {
    switchState(XenbusState.CLOSING);
    backendChanged.set(true);
  }

  /** The driver is loaded again after both ends have closed. */
  public void reload() {
    connection = Connection.DISCONNECTED;
    failure = Optional.empty();
    switchState(XenbusState.INITIALISING);
    backendChanged.set(true);
  }

  /** Both ends are closed: what is still out is lost. */
  private void release() {
    List<Piece> lost = new ArrayList<>();
    rings.forEach(ring -> ring.requests().forEach(request -> lost.addAll(request.pieces())));
    rings.forEach(ring -> deferredGrants.addAll(ring.free()));
    rings = ImmutableList.of();
    connection = Connection.DISCONNECTED;
    lost.forEach(piece -> piece.io().complete(piece.lengthBytes(), false));
  }

  /** Ends the watch and the connection to xenstore; the domain is not touched. */
  @Override
  public void close() {
    leave();
  }

  private void leave() {
    watch.close();
    store.close();
  }

  // ---- what tests and reports look at

  /** The state in the frontend's node. */
  public XenbusState state() {
    return state;
  }

  public Connection connection() {
    return connection;
  }

  /** Why the device was disabled. */
  public Optional<String> failure() {
    return failure;
  }

  public long sizeBytes() {
    return sectors * RingLayout.SECTOR_BYTES;
  }

  public boolean isReadOnly() {
    return readOnly;
  }

  /** Requests on the rings that are not answered as far as the guest knows. */
  public int onRings() {
    return rings.stream().mapToInt(BlkfrontRing::outstanding).sum();
  }

  /** I/O, perhaps in pieces, that waits for a place on a ring. */
  public int queued() {
    return queue.size() + requeue.size() + resubmit.size();
  }

  public int queues() {
    return rings.size();
  }

  /** The slots of each ring. */
  public int ringSize() {
    return rings.isEmpty() ? 0 : rings.get(0).ring().size();
  }

  private void endDeferredGrants() {
    deferredGrants.removeIf(
        reference -> {
          try {
            domain.endAccess(reference);
            return true;
          } catch (XenException e) {
            return false;
          }
        });
  }

  /** Unknown also when we may not read it: a node that has been removed has no permissions. */
  private XenbusState readState(String end) {
    try {
      return store.read(end + "/state").map(XenbusState::parse).orElse(XenbusState.UNKNOWN);
    } catch (XenStoreException e) {
      return XenbusState.UNKNOWN;
    }
  }

  private void switchState(XenbusState next) {
    if (state != next || next == XenbusState.INITIALISED) {
      state = next;
      store.write(frontend + "/state", next.text());
    }
  }

  private int number(String name, int otherwise) {
    return store.read(backend + "/" + name).map(Integer::parseInt).orElse(otherwise);
  }

  private String required(String path) {
    return store
        .read(path)
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "domain %d: %s is missing; publish the disk first (VbdNodes)"
                        .formatted(domain.domid(), path)));
  }
}
