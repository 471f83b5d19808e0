package io.netchannel.vdevice.usb.frontend;

import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.vdevice.usb.UrbLayout;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A model of Linux 6.1's xen-hcd (drivers/usb/host/xen-hcd.c) in a domain of the embedded
 * hypervisor: its handshake, its rings of 16 and 512 slots, its lists of URBs, its list of free ids
 * without any check, and its complaints about a backend. Without threads: all happens in {@link
 * #poll} or in the call.
 *
 * <pre>
 *   submit -> [ring full: PENDING] -> IN_PROGRESS -> response -> given back
 *                 |                       |
 *                 unlink: given back      unlink: a request of its own, or, while the ring is
 *                                         full, PENDING_UNLINK, which the stock driver forgets
 * </pre>
 *
 * Over a suspend the stock driver keeps its old ring until it has connected again: what is
 * submitted in between (the window) is lost, and the ids with it. The fixed one lets it wait for
 * the new ring.
 */
public final class XenHcdModel implements AutoCloseable {
  /** Which of the two. */
  public enum Driver {
    STOCK,
    FIXED
  }

  /** Of a ring of one page. */
  public static final int SLOTS = 16;

  private static final int PLUG_SLOTS = 512;
  private static final int NO_ID = 0x0fff;
  private static final int PORT = 1;

  private static final int ECONNRESET = -104;
  private static final int EREMOTEIO = -121;
  private static final int ESHUTDOWN = -108;

  /** What hangs at a URB (struct urb_priv). */
  private static final class Entry {
    private final GuestUrb urb;
    private int id = -1;
    private boolean unlinked;

    Entry(GuestUrb urb) {
      this.urb = urb;
    }
  }

  /** What is on the ring under an id (struct usb_shadow). */
  private static final class Shadow {
    private int next;
    private boolean inFlight;
    private boolean unlink;
    private Entry entry;
    private final List<Integer> grants = new ArrayList<>();
  }

  private final EmbeddedDomain domain;
  private final Driver driver;
  private final XenStore store;
  private final String frontend;
  private final String backend;
  private final XenStore.Watch watch;
  private final AtomicBoolean backendChanged = new AtomicBoolean(true);
  private final AtomicBoolean interrupted = new AtomicBoolean();

  private XenbusState state = XenbusState.INITIALISING;
  private boolean connected;
  private Optional<String> failure = Optional.empty();

  private FrontRing ring;
  private FrontRing plugRing;
  private int port;

  private final Shadow[] shadow = new Shadow[SLOTS];
  private int firstFree;

  private final Deque<Entry> pending = new ArrayDeque<>();
  private final Deque<Entry> pendingUnlinks = new ArrayDeque<>();
  private final List<Entry> inProgress = new ArrayList<>();
  private final Deque<Entry> toGiveBack = new ArrayDeque<>();

  private int speed;
  private final List<Integer> speeds = new ArrayList<>();

  private final ByteBuffer response =
      ByteBuffer.allocate(UrbLayout.RESPONSE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private final ByteBuffer plug =
      ByteBuffer.allocate(UrbLayout.PLUG_SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /** Probes the device. */
  public XenHcdModel(EmbeddedDomain domain, int devid, Driver driver) {
    this.domain = domain;
    this.driver = driver;
    store = domain.xenStore();
    frontend = "/local/domain/%d/device/vusb/%d".formatted(domain.domid(), devid);
    backend = store.read(frontend + "/backend").orElseThrow();
    if (number("usb-ver") != 2 || number("num-ports") != PORT) {
      throw new IllegalStateException("expected a USB 2 controller with a port");
    }
    watch = store.watch(backend + "/state", path -> backendChanged.set(true));
    resetShadow();
  }

  private int number(String name) {
    return Integer.parseInt(store.read(backend + "/" + name).orElseThrow());
  }

  private void resetShadow() {
    for (int id = 0; id < SLOTS; id++) {
      shadow[id] = new Shadow();
      shadow[id].next = id == SLOTS - 1 ? NO_ID : id + 1;
    }
    firstFree = 0;
  }

  // ---- what drivers do

  /** Queues a URB; it is given back once, in {@link #poll} or in {@link #unlink}. */
  public GuestUrb submit(GuestUrb urb) {
    Entry entry = new Entry(urb);
    if (noSlot() || !pending.isEmpty()) {
      pending.add(entry);
    } else {
      request(entry);
      inProgress.add(entry);
    }
    return urb;
  }

  /** Asks for the end of a URB (usb_unlink_urb). */
  public void unlink(GuestUrb urb) {
    for (Entry entry : all()) {
      if (entry.urb == urb && !entry.unlinked) {
        entry.unlinked = true;
        unlink(entry);
      }
    }
  }

  private void unlink(Entry entry) {
    if (pending.remove(entry)) {
      toGiveBack.add(entry);
    } else if (noSlot()) {
      inProgress.remove(entry);
      pendingUnlinks.add(entry);
    } else {
      request(entry);
    }
  }

  private List<Entry> all() {
    List<Entry> all = new ArrayList<>(inProgress);
    all.addAll(pending);
    all.addAll(pendingUnlinks);
    return all;
  }

  /** URBs that were not given back. */
  public int outstanding() {
    return all().size() + toGiveBack.size();
  }

  /** How many wait for a slot. */
  public int queued() {
    return pending.size();
  }

  /** The guest freezes: the USB core unlinks every URB, and waits for each. */
  public void freeze() {
    all().forEach(entry -> unlink(entry.urb));
  }

  /** The guest has resumed: grants and event channels are dead; {@link #poll} connects anew. */
  public void resume() {
    state = XenbusState.INITIALISING;
    backendChanged.set(true);
    if (driver == Driver.FIXED) {
      connected = false;
      inProgress.forEach(
          entry -> {
            entry.id = -1;
            pending.add(entry);
          });
      inProgress.clear();
      resetShadow();
    }
  }

  // ---- the driver

  /** Does what there is to do; returns 0 when there was nothing. */
  public int poll() {
    int work = backendChanged.getAndSet(false) ? followBackend() : 0;
    if (connected && interrupted.getAndSet(false)) {
      work += responses() + plugEvents();
    }
    return work + kick();
  }

  private boolean noSlot() {
    return (driver == Driver.FIXED && !connected) || ring == null || ring.isFull();
  }

  private int followBackend() {
    switch (store.read(backend + "/state").map(XenbusState::parse).orElse(XenbusState.UNKNOWN)) {
      case INIT_WAIT, INITIALISED, CONNECTED -> {
        if (state == XenbusState.INITIALISING) {
          connect();
          return 1;
        }
      }
      case CLOSING -> {
        disconnect();
        return 1;
      }
      case UNKNOWN, INITIALISING, CLOSED, RECONFIGURING, RECONFIGURED -> {}
    }
    return 0;
  }

  /** Makes both rings and says Connected, never Initialised (xenhcd_connect). */
  private void connect() {
    GuestPages urbPage = domain.allocatePage();
    GuestPages plugPage = domain.allocatePage();
    ring = new FrontRing(urbPage.memory(), UrbLayout.SLOT_BYTES);
    plugRing = new FrontRing(plugPage.memory(), UrbLayout.PLUG_SLOT_BYTES);
    port = domain.allocUnbound(0);
    domain.onEvent(port, () -> interrupted.set(true));
    write("urb-ring-ref", domain.grantAccess(0, urbPage, 0, false));
    write("conn-ring-ref", domain.grantAccess(0, plugPage, 0, false));
    write("event-channel", port);
    if (driver == Driver.FIXED) {
      write("feature-resume", 1);
    }
    for (int id = 0; id < PLUG_SLOTS; id++) {
      plugRing.memory().putShort(plugRing.requestOffset(), (short) id);
      plugRing.put();
    }
    if (plugRing.push()) {
      domain.notify(port);
    }
    state = XenbusState.CONNECTED;
    connected = true;
    write("state", 4);
  }

  private void write(String name, int value) {
    store.write(frontend + "/" + name, Integer.toString(value));
  }

  /** The controller is removed; its devices are gone for good. */
  private void disconnect() {
    connected = false;
    state = XenbusState.CLOSED;
    speed = 0;
    List<Entry> lost = all();
    inProgress.clear();
    pending.clear();
    pendingUnlinks.clear();
    lost.forEach(entry -> entry.urb.giveBack(ESHUTDOWN));
    write("state", 6);
  }

  /** Puts a URB, or the wish to unlink it, on the ring (xenhcd_do_request). */
  private void request(Entry entry) {
    int id = firstFree;
    if (id == NO_ID) {
      fail("the guest writes into shadow[0x0fff], which is not its own");
      return;
    }
    Shadow taken = shadow[id];
    firstFree = taken.next;
    taken.inFlight = true;
    taken.unlink = entry.unlinked;
    taken.entry = entry;
    ByteBuffer memory = ring.memory();
    int slot = ring.requestOffset();
    GuestUrb urb = entry.urb;
    int pipe =
        PORT
            | (urb.endpoint() & UrbLayout.IN)
            | urb.deviceAddress() << UrbLayout.ADDRESS_SHIFT
            | (urb.endpoint() & UrbLayout.ENDPOINT_MASK) << UrbLayout.ENDPOINT_SHIFT
            | urb.type().number() << UrbLayout.TYPE_SHIFT;
    memory.putShort(slot + UrbLayout.ID, (short) id);
    if (entry.unlinked) {
      memory.putInt(slot + UrbLayout.PIPE, pipe | UrbLayout.UNLINK);
      memory.putLong(slot + UrbLayout.SETUP, entry.id);
    } else {
      entry.id = id;
      memory.putInt(slot + UrbLayout.PIPE, pipe);
      memory.putShort(
          slot + UrbLayout.FLAGS, (short) (urb.isShortNotOk() ? UrbLayout.SHORT_NOT_OK : 0));
      memory.putShort(slot + UrbLayout.LENGTH, (short) urb.lengthBytes());
      memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) urb.dataPages());
      memory.putLong(slot + UrbLayout.SETUP, urb.union());
      int next = grant(taken, slot, 0, urb.data(), urb.offset(), urb.lengthBytes(), !urb.isIn());
      grant(taken, slot, next, urb.table(), urb.tableOffset(), urb.tableBytes(), false);
    }
    ring.put();
    if (ring.push()) {
      notifyBackend();
    }
  }

  private void notifyBackend() {
    try {
      domain.notify(port);
    } catch (XenException e) {
      // A port that has died with its domain: the guest's hypercall does nothing.
    }
  }

  private int grant(
      Shadow taken,
      int slot,
      int first,
      GuestPages pages,
      int offset,
      int bytes,
      boolean readOnly) {
    int segment = first;
    int page = 0;
    int at = offset;
    for (int left = bytes; left > 0; page++) {
      int part = Math.min(left, GrantTable.PAGE_BYTES - at);
      int reference = domain.grantAccess(0, pages, page, readOnly);
      taken.grants.add(reference);
      int position = slot + UrbLayout.SEGMENTS + segment * UrbLayout.SEGMENT_BYTES;
      ring.memory().putInt(position, reference);
      ring.memory().putShort(position + 4, (short) at);
      ring.memory().putShort(position + 6, (short) part);
      segment++;
      left -= part;
      at = 0;
    }
    return segment;
  }

  /** xenhcd_urb_request_done. */
  private int responses() {
    int taken = 0;
    do {
      int waiting = ring.responses();
      if (waiting < 0 || waiting > SLOTS) {
        fail("illegal number of responses " + waiting);
        return taken;
      }
      for (; waiting > 0 && failure.isEmpty(); waiting--, taken++) {
        ring.take(response);
        done();
      }
    } while (failure.isEmpty() && ring.finalCheckForResponses());
    return taken;
  }

  private void done() {
    int id = Short.toUnsignedInt(response.getShort(UrbLayout.ID));
    if (id >= SLOTS || !shadow[id].inFlight) {
      fail("response with illegal id " + id);
      return;
    }
    Shadow answered = shadow[id];
    answered.inFlight = false;
    for (int reference : answered.grants) {
      try {
        domain.endAccess(reference);
      } catch (XenException e) {
        fail("backend didn't release grant " + reference);
      }
    }
    answered.grants.clear();
    Entry entry = answered.entry;
    boolean unlink = answered.unlink;
    answered.entry = null;
    answered.next = firstFree;
    firstFree = id;
    if (!unlink) {
      inProgress.remove(entry);
      // The stock driver's list of unlinks without a slot is emptied by this alone.
      pendingUnlinks.remove(entry);
      entry.urb.outcome(
          response.getInt(UrbLayout.RESPONSE_ACTUAL), response.getInt(UrbLayout.RESPONSE_ERRORS));
      giveBack(entry, response.getInt(UrbLayout.RESPONSE_STATUS));
    }
  }

  private static void giveBack(Entry entry, int usbif) {
    int status =
        switch (usbif) {
          case 0, -19, -22, -32, -71, -75 -> usbif;
          default -> ESHUTDOWN;
        };
    GuestUrb urb = entry.urb;
    if (status == 0 && urb.isShortNotOk() && urb.actualBytes() < urb.lengthBytes()) {
      status = EREMOTEIO; // the USB core's doing (hcd.c)
    }
    urb.giveBack(entry.unlinked ? ECONNRESET : status);
  }

  /** xenhcd_conn_notify: what is known already is passed over, the form is sent again. */
  private int plugEvents() {
    int taken = 0;
    do {
      for (int waiting = plugRing.responses(); waiting > 0; waiting--, taken++) {
        plugRing.take(plug);
        int newSpeed = plug.get(UrbLayout.PLUG_SPEED);
        if (plug.get(UrbLayout.PLUG_PORT) == PORT && speed != newSpeed) {
          speed = newSpeed;
          speeds.add(newSpeed);
        }
        plugRing.memory().putShort(plugRing.requestOffset(), plug.getShort(UrbLayout.ID));
        plugRing.put();
        if (plugRing.push()) {
          notifyBackend();
        }
      }
    } while (plugRing.finalCheckForResponses());
    return taken;
  }

  /** What waits for a slot, as far as there are any (xenhcd_kick_pending_urbs and the watchdog). */
  private int kick() {
    int work = 0;
    while (!toGiveBack.isEmpty()) {
      toGiveBack.remove().urb.giveBack(ECONNRESET);
      work++;
    }
    while (driver == Driver.FIXED && !pendingUnlinks.isEmpty() && !noSlot()) {
      Entry entry = pendingUnlinks.remove();
      request(entry);
      inProgress.add(entry);
      work++;
    }
    while (!pending.isEmpty() && !noSlot()) {
      Entry entry = pending.remove();
      request(entry);
      inProgress.add(entry);
      work++;
    }
    return work;
  }

  private void fail(String why) {
    if (failure.isEmpty()) {
      failure = Optional.of(why);
    }
    connected = false;
  }

  // ---- what tests look at

  /** Why the controller was disabled, or what would have harmed the guest. */
  public Optional<String> failure() {
    return failure;
  }

  /** What is plugged as far as the guest knows; 0 for nothing. */
  public int speed() {
    return speed;
  }

  /** Each change of it. */
  public List<Integer> speeds() {
    return speeds;
  }

  public boolean isConnected() {
    return connected;
  }

  /** Ids that may be used, as far as the list knows. */
  public int freeIds() {
    int count = 0;
    for (int id = firstFree; id != NO_ID; id = shadow[id].next) {
      count++;
    }
    return count;
  }

  @Override
  public void close() {
    watch.close();
    store.close();
  }
}
