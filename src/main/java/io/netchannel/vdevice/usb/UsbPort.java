package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceProtocol;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.MappedQueue;
import io.netchannel.vdevice.RequestRing;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.XenbusBackend;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreOperations;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.slf4j.LoggerFactory;

/** The usbif backend an unmodified xen-hcd talks to: a controller with one port. */
public final class UsbPort implements VirtualDevice<UrbRequest> {
  /** Highest speed that io/usbif.h has (USBIF_SPEED_HIGH). */
  private static final int HIGHEST_SPEED = 3;

  /** A copy's parts are cut by packets and by segments. */
  private static final int MAX_COPIES = UrbRequest.MAX_PACKETS + UrbLayout.MAX_SEGMENTS;

  /** Node: which device the frontend was told of; for a restarted process. */
  private static final String PLUGGED = "plugged";

  /** Node: what is to be served of the ring that the guest used at another host. */
  private static final String OLD_RING = "old-ring";

  /** Node: how many URBs the connection has had at once; for a restarted process. */
  private static final String PEAK_URBS = "peak-urbs";

  private final DeviceAddress address;
  private final XenStore store;
  private final GuestMemory guest;
  private final GuestLog log;
  private final IsoDescriptors descriptors;
  private final UrbParser parser;
  private final ForeignMemory memory;
  private final Runnable wake;
  private final XenbusBackend<UrbRequest, UsbConnection> backend;
  private final PlugEvents plugs;
  private final Inheritance inheritance;
  private final RingRelief relief = new RingRelief();

  /** What {@link #PLUGGED} says. */
  private String recorded;

  // ---- of the present connection, or the last one
  private Optional<UrbRing> ring = Optional.empty();
  private Optional<RequestRing<RingUrb>> requests = Optional.empty();
  private Optional<BackRing> indexes = Optional.empty();
  private OptionalLong ringFrame = OptionalLong.empty();
  private boolean resumes;

  /** What {@link #PEAK_URBS} says. */
  private int peakUrbs;

  /** Of the connections before. */
  private long uncoveredBefore;

  /**
   * Watches the frontend of nodes that have been published ({@link UsbNodes}); nothing is written
   * before {@link #offer}. The state is PREPARED; or CONNECTED, when a process before this one has
   * connected and the frontend still uses the same rings: {@link #reattach} maps them.
   *
   * @param guestName for log lines
   * @param memory of the guest, where rings of before a migration are
   * @param wake runs on any thread when there may be something to poll
   */
  public UsbPort(
      DeviceAddress address,
      String guestName,
      XenStore store,
      GrantTable grants,
      EventChannels events,
      ForeignMemory memory,
      Runnable wake) {
    this.address = address;
    this.store = store;
    this.memory = memory;
    this.wake = wake;
    recorded = store.read(address.backendPath() + "/" + PLUGGED).orElse("");
    plugs = new PlugEvents(recorded);
    peakUrbs = store.read(address.backendPath() + "/" + PEAK_URBS).map(Integer::parseInt).orElse(0);
    guest = new GuestMemory(address.domid(), grants, MAX_COPIES);
    log = GuestLog.of(LoggerFactory.getLogger(UsbPort.class), guestName, address);
    inheritance =
        new Inheritance(
            address, memory, log, store.read(address.backendPath() + "/" + OLD_RING).orElse(""));
    descriptors = new IsoDescriptors(guest);
    parser = new UrbParser(descriptors);
    backend = new XenbusBackend<>(address, new Usbif(), store, grants, events, wake, log);
  }

  @Override
  public State state() {
    return backend.state();
  }

  /** Backend InitWait: the frontend may connect, now or (after PREPARED) again. */
  public void offer() {
    backend.offer(nodes -> {});
  }

  // ---- the port

  /**
   * Something is plugged in, or still is: the frontend is told with the next {@link #poll} that
   * takes requests. It ignores what it knows already, by this process or one before; another device
   * is shown by an unplug in between. To show one anew that has the same identity, say {@link
   * #unplugged} first.
   *
   * @param speed 1 low, 2 full, 3 high (io/usbif.h)
   * @param identity what tells the device from others; short, printable, not empty
   */
  public void plugged(int speed, String identity) {
    if (speed < 1 || speed > HIGHEST_SPEED) {
      throw new IllegalArgumentException(
          "expected a speed of 1 to %d, found %d".formatted(HIGHEST_SPEED, speed));
    }
    if (plugs.plugged(speed, identity)) {
      parser.unplugged();
    }
    wake.run();
  }

  /** The port is empty. The guest gives up its requests, which still want their answers. */
  public void unplugged() {
    plugs.unplugged();
    parser.unplugged();
    wake.run();
  }

  /** Once the frontend can see it: after a death in between the device is shown anew, no more. */
  private void recordPlugged() {
    if (recorded.equals(plugs.toldIdentity())) {
      return;
    }
    try {
      var unused = DeviceNodes.setDetail(store, address, PLUGGED, plugs.toldIdentity());
      recorded = plugs.toldIdentity();
    } catch (XenStoreException e) {
      log.warn("cannot note which device the guest was told of: " + e.getMessage());
    }
  }

  /** The address that the guest has given the device; 0 while it has none. */
  public int deviceAddress() {
    return parser.address();
  }

  /** What the guest knows of its device, for {@link #remember} at another host. */
  public PortMemory memory() {
    return plugs.isGone() || parser.awaitsAddress()
        ? PortMemory.OF_ANOTHER
        : new PortMemory(plugs.toldIdentity(), parser.address());
  }

  /**
   * The guest was told so at another host. Before {@link #plugged}, and before {@link #offer}; from
   * then on as if it had been told here.
   */
  public void remember(PortMemory memory) {
    if (memory.told().equals(PortMemory.GONE)) {
      parser.unplugged();
    } else {
      parser.address(memory.address());
    }
    plugs.toldElsewhere(memory.told());
    recordPlugged();
  }

  /**
   * Which INs may be answered empty when a frontend has no slot left: those of interfaces of the
   * classes 02 and 0a. None at first. To be said before any answer, by a restarted process as well:
   * what was cancelled there without the guest's wish is empty, and no error.
   *
   * @param endpoints bit n stands for IN endpoint n
   */
  public void relievable(int endpoints) {
    relief.endpoints(endpoints);
  }

  /**
   * An IN to be unlinked at the device for the frontend's sake; to be asked for every 20 ms or so.
   * It is answered as ever with what becomes of it; that it was cancelled is not shown to the
   * guest.
   */
  public Optional<UrbRequest> relief(long nowNanos) {
    return state() == State.CONNECTED
        ? ring.flatMap(present -> relief.due(present, nowNanos))
        : Optional.empty();
  }

  // ---- migration

  /**
   * Whether the frontend connects again by itself when its guest resumes, so that nothing is lost
   * on the rings of before (feature-resume); of the present connection, else the last one.
   */
  public boolean resumes() {
    return resumes;
  }

  /**
   * The most URBs that the present connection has had without an answer at once, also when another
   * process served it; 0 unconnected.
   */
  public int peakUrbs() {
    return state() == State.CONNECTED ? peakUrbs : 0;
  }

  /**
   * Whether the guest has been told to suspend. As long as it has, {@link #relief} also finds the
   * INs whose unlinks have found no slot: Linux' stock xen-hcd forgets those, and its guest could
   * not freeze.
   */
  public void suspending(boolean yes) {
    relief.suspending(yes);
  }

  /**
   * Where the ring of a guest that has suspended is, and how far it was served; for {@link
   * #inherit} at another host.
   *
   * @return what was inherited as long as no frontend has connected; empty when none was, when the
   *     frontend needs no such thing ({@link #resumes}), or when Xen does not tell; a line in the
   *     log says why then
   */
  public Optional<RingMark> mark() {
    if (state() != State.CONNECTED) {
      return inheritance.mark();
    }
    return ringFrame.isPresent()
        ? indexes.map(
            ends -> new RingMark(ringFrame.getAsLong(), ends.consumer(), ends.published()))
        : Optional.empty();
  }

  /**
   * The guest has used a ring of this port at another host, up to {@code mark}. What it has put
   * there before it connects here comes out of {@link #poll} before the requests of the new ring,
   * unless it {@link #resumes}. Before {@link #offer}; remembered by the nodes for a restarted
   * process.
   */
  public void inherit(RingMark mark) {
    if (state() != State.PREPARED) {
      throw new IllegalStateException(
          "%s is %s: a ring is inherited while the port is PREPARED"
              .formatted(log.device(), state()));
    }
    inheritance.inherit(mark);
    var unused = DeviceNodes.setDetail(store, address, OLD_RING, inheritance.text());
  }

  /**
   * Why what the guest had put on the ring of before was not served, in words: its device waits for
   * ever. Empty when all is well.
   */
  public Optional<String> lost() {
    return inheritance.lost();
  }

  /** Requests that the present connection has found on the ring of before. */
  public int orphans() {
    return inheritance.harvested();
  }

  /**
   * Responses that were written where no request of the ring had been taken: each might have met a
   * request that came in that instant. Of all connections.
   */
  public long uncoveredResponses() {
    return uncoveredBefore + requests.map(RequestRing::uncoveredResponses).orElse(0L);
  }

  // ---- VirtualDevice

  @Override
  public int poll(Handler<UrbRequest> handler, int maxRequests) {
    int work = backend.poll(handler, maxRequests);
    if (ring.isPresent() && ring.get().peakUrbs() > peakUrbs) {
      notePeak(ring.get().peakUrbs());
    }
    return work;
  }

  private void notePeak(int peak) {
    peakUrbs = peak;
    try {
      var unused = DeviceNodes.setDetail(store, address, PEAK_URBS, Integer.toString(peak));
    } catch (XenStoreException e) {
      log.warn("cannot note how many URBs the guest has had at once: " + e.getMessage());
    }
  }

  @Override
  public void publishResponses() {
    backend.publishResponses();
  }

  @Override
  public int untaken() {
    return backend.untaken();
  }

  @Override
  public List<UrbRequest> reattach(List<ByteBuffer> taken, int[] requestConsumers) {
    return backend.reattach(taken, requestConsumers);
  }

  @Override
  public int requestConsumer(int queue) {
    return backend.requestConsumer(queue);
  }

  @Override
  public int queues() {
    return backend.queues();
  }

  @Override
  public void close(boolean removeNodes) {
    backend.close(removeNodes);
  }

  /** io/usbif.h. */
  private final class Usbif implements DeviceProtocol<UrbRequest, UsbConnection> {
    @Override
    public boolean wasOffered() {
      return true; // every controller is the same
    }

    @Override
    public boolean skipsInitialised() {
      return true;
    }

    @Override
    public UsbConnection readFrontend(XenStoreOperations store, String frontend)
        throws HandshakeException {
      return UsbConnection.read(store, frontend);
    }

    @Override
    public RequestRing<RingUrb> makeRing(UsbConnection parameters, MappedQueue queue, BackRing back)
        throws RingBrokenException {
      PlugRing plugRing =
          new PlugRing(queue, UsbConnection.PLUG_RING, plugs, UsbPort.this::recordPlugged);
      OldRing old =
          state() == State.CONNECTED
              ? inheritance.reattach(back.published() != 0)
              : inheritance.connect(parameters.resumes());
      UrbRing urbs =
          new UrbRing(
              back, parser, descriptors, guest, plugRing, relief, old, parameters.resumes(), log);
      RequestRing<RingUrb> made = new RequestRing<>(queue, back, urbs);
      if (state() != State.CONNECTED) {
        peakUrbs = 0;
      }
      uncoveredBefore = uncoveredResponses();
      ring = Optional.of(urbs);
      requests = Optional.of(made);
      indexes = Optional.of(back);
      resumes = parameters.resumes();
      ringFrame = resumes ? OptionalLong.empty() : frame(parameters.urbRingReference());
      return made;
    }

    @Override
    public int inheritedBefore() {
      return inheritance.harvested();
    }

    @Override
    public void connected(XenStoreOperations nodes) {
      nodes.write(address.backendPath() + "/" + OLD_RING, inheritance.text());
    }
  }

  /** Where the page of a grant is in the guest's memory. */
  private OptionalLong frame(int reference) {
    try {
      Optional<ForeignMemory.GrantEntry> entry = memory.grantEntry(address.domid(), reference);
      if (entry.isPresent()) {
        return OptionalLong.of(entry.get().gfn());
      }
      log.warn("grant %d of its ring is not in its grant table".formatted(reference));
    } catch (XenException e) {
      log.warn("cannot find its ring for a migration: " + e.getMessage());
    }
    return OptionalLong.empty();
  }
}
