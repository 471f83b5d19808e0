package io.netchannel.vdevice.usb.frontend;

import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.UrbLayout;
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
 * submitted in between (the window) is put there, where only somebody who looks at the page finds
 * it, and its ids are out until then. The page is never freed. The fixed one has connected before
 * drivers submit anything, and has freed the page, which others write to then.
 *
 * <p>Where Linux would write to memory that is not the driver's, or lose a response, the model
 * {@link #failure fails}.
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
  private static final int PORT = 1;
  private static final int GARBAGE = 0x9e3779b1;

  private static final int ECONNRESET = -104;
  private static final int ESHUTDOWN = -108;

  /** What hangs at a URB (struct urb_priv). */
  static final class Entry {
    private final GuestUrb urb;
    private int id = -1;
    private boolean unlinked;

    Entry(GuestUrb urb) {
      this.urb = urb;
    }
  }

  private final int devid;
  private final Driver driver;

  // ---- of the domain that the guest is now
  private EmbeddedDomain domain;
  private XenStore store;
  private String frontend;
  private String backend;
  private XenStore.Watch watch;
  private final AtomicBoolean backendChanged = new AtomicBoolean(true);
  private final AtomicBoolean interrupted = new AtomicBoolean();

  private XenbusState state = XenbusState.INITIALISING;
  private boolean connected;
  private Optional<String> failure = Optional.empty();

  private FrontRing ring;
  private FrontRing plugRing;
  private int port;

  /** All that it ever had: what nobody knows the frame number of any more has none. */
  private final List<GuestPages> ringPages = new ArrayList<>();

  /** Requests put on the ring, and responses taken off it. */
  private int put;

  private int taken;
  private boolean oldRing;

  private final ShadowTable shadows = new ShadowTable();

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
    this.devid = devid;
    this.driver = driver;
    find(domain);
    if (number("usb-ver") != 2 || number("num-ports") != PORT) {
      throw new IllegalStateException("expected a USB 2 controller with a port");
    }
  }

  private void find(EmbeddedDomain found) {
    domain = found;
    store = domain.xenStore();
    frontend = "/local/domain/%d/device/vusb/%d".formatted(domain.domid(), devid);
    backend = store.read(frontend + "/backend").orElseThrow();
    watch = store.watch(backend + "/state", path -> backendChanged.set(true));
  }

  private int number(String name) {
    return Integer.parseInt(store.read(backend + "/" + name).orElseThrow());
  }

  // ---- what drivers do

  /** Queues a URB; it is given back once, in {@link #poll} or in {@link #unlink}. */
  public GuestUrb submit(GuestUrb urb) {
    Entry entry = new Entry(urb);
    if (!hasSlot(entry) || mustWait(urb)) {
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
    } else if (!hasSlot(entry)) {
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

  /**
   * The guest has resumed as another domain, which has its memory: grants are none, event channels
   * dead. What drivers submit from now on is submitted in the window, until {@link #poll} connects;
   * the fixed driver has connected before.
   */
  public void resume(EmbeddedDomain next) {
    watch.close();
    store.close();
    find(next);
    resume();
    if (driver == Driver.FIXED) {
      ByteBuffer freed = ringPages.get(ringPages.size() - 2).memory();
      for (int at = 0; at < freed.capacity(); at += Integer.BYTES) {
        freed.putInt(at, at * GARBAGE);
      }
    }
  }

  /**
   * The guest has resumed: event channels are dead; {@link #poll} connects anew, or the fixed
   * driver has. That one sends again first what it had on the ring.
   */
  public void resume() {
    state = XenbusState.INITIALISING;
    oldRing = true;
    interrupted.set(false);
    backendChanged.set(true);
    if (driver == Driver.FIXED) {
      connected = false;
      shadows.reset();
      List<Entry> again = new ArrayList<>(inProgress);
      again.forEach(entry -> entry.id = -1);
      again.addAll(pending);
      inProgress.clear();
      pending.clear();
      pending.addAll(again);
      connect();
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

  private boolean hasSlot(Entry entry) {
    boolean isFixed = driver == Driver.FIXED;
    int kept = isFixed ? kept(entry) : 0;
    return ring != null && (connected || !isFixed) && SLOTS - (put - taken) > kept;
  }

  /** The fixed driver keeps slots from reads, from writes as well, and one for unlinks. */
  private static int kept(Entry entry) {
    if (entry.unlinked) {
      return 0;
    }
    if (entry.urb.type() == PipeType.CONTROL) {
      return 1;
    }
    return entry.urb.isIn() ? 3 : 2;
  }

  /** None overtakes another; with the fixed driver only reads wait for others' ones. */
  private boolean mustWait(GuestUrb urb) {
    boolean isControl = urb.type() == PipeType.CONTROL;
    return (driver == Driver.FIXED && (isControl || !urb.isIn()))
        ? pending.stream()
            .anyMatch(
                waiting ->
                    isControl
                        ? waiting.urb.type() == PipeType.CONTROL
                        : waiting.urb.endpoint() == urb.endpoint())
        : !pending.isEmpty();
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
    ringPages.add(urbPage);
    put = 0;
    taken = 0;
    oldRing = false;
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
    int id = shadows.take();
    if (id == ShadowTable.NO_ID) {
      fail("the guest writes into shadow[0x0fff], which is not its own");
      return;
    }
    if (put - taken >= 0 && ring.responses() > put - taken) {
      fail("the guest writes request %d over a response that it has not taken".formatted(put));
      return;
    }
    ShadowTable.Shadow shadow = shadows.get(id);
    shadow.unlink = entry.unlinked;
    shadow.entry = entry;
    if (entry.unlinked) {
      RequestSlot.unlink(ring, id, entry.urb, entry.id);
    } else {
      entry.id = id;
      shadow.grants.addAll(RequestSlot.submit(ring, id, entry.urb, domain));
    }
    ring.put();
    put++;
    if (ring.push()) {
      notifyBackend();
    }
  }

  private void notifyBackend() {
    if (oldRing) {
      return; // a port that has died with its domain: the guest's hypercall does nothing
    }
    try {
      domain.notify(port);
    } catch (XenException e) {
      // The other end has gone.
    }
  }

  /** xenhcd_urb_request_done. */
  private int responses() {
    int before = taken;
    do {
      int waiting = ring.responses();
      if (waiting < 0 || waiting > SLOTS) {
        fail("illegal number of responses " + waiting);
        return 1;
      }
      for (; waiting > 0 && failure.isEmpty(); waiting--) {
        ring.take(response);
        taken++;
        done();
      }
    } while (failure.isEmpty() && ring.finalCheckForResponses());
    return taken - before;
  }

  private void done() {
    int id = Short.toUnsignedInt(response.getShort(UrbLayout.ID));
    if (!shadows.isInFlight(id)) {
      fail("response with illegal id " + id);
      return;
    }
    ShadowTable.Shadow answered = shadows.get(id);
    for (int reference : answered.grants) {
      try {
        domain.endAccess(reference);
      } catch (XenException e) {
        fail("backend didn't release grant " + reference);
      }
    }
    Entry entry = answered.entry;
    boolean unlink = answered.unlink;
    shadows.free(id);
    if (!unlink) {
      inProgress.remove(entry);
      // The stock driver's list of unlinks without a slot is emptied by this alone.
      pendingUnlinks.remove(entry);
      entry.urb.outcome(
          response.getInt(UrbLayout.RESPONSE_ACTUAL), response.getInt(UrbLayout.RESPONSE_ERRORS));
      entry.urb.answered(response.getInt(UrbLayout.RESPONSE_STATUS), entry.unlinked);
    }
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
    while (driver == Driver.FIXED
        && !pendingUnlinks.isEmpty()
        && hasSlot(pendingUnlinks.element())) {
      Entry entry = pendingUnlinks.remove();
      request(entry);
      inProgress.add(entry);
      work++;
    }
    for (Entry entry = nextPending(); entry != null; entry = nextPending()) {
      pending.remove(entry);
      request(entry);
      inProgress.add(entry);
      work++;
    }
    return work;
  }

  /** The first in line; with the fixed driver the first that has a slot. */
  private Entry nextPending() {
    return pending.stream()
        .limit(driver == Driver.FIXED ? pending.size() : 1)
        .filter(this::hasSlot)
        .findFirst()
        .orElse(null);
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

  /** A page that it has, or had, a ring in; its kernel may write there what it likes. */
  public ByteBuffer page(long frame) {
    return ringPages.stream()
        .filter(page -> page.firstFrame() == frame)
        .findFirst()
        .orElseThrow()
        .memory();
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
    return shadows.freeCount();
  }

  @Override
  public void close() {
    watch.close();
    store.close();
  }
}
