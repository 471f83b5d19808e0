package io.netchannel.midpoint.usb;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.Arrival;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.DeviceFlow;
import io.netchannel.midpoint.HandOver;
import io.netchannel.midpoint.Milestones;
import io.netchannel.midpoint.PendingRequest.State;
import io.netchannel.midpoint.usb.UsbManifest.Settings;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;
import io.netchannel.vdevice.usb.UrbRequest;
import io.netchannel.vdevice.usb.UsbPort;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;

/**
 * What a USB port makes of the way through a mid-point: URBs of one endpoint reach the device in
 * the order in which they were taken, those of others do not wait for them; an unlink ends a URB at
 * the device; SET_ADDRESS never gets there.
 *
 * <p>What a transfer has moved cannot be moved again. So a URB is noted before it is given to the
 * device; of one that was noted by a process that died the outcome is lost, and the guest is told
 * so (PROTOCOL): its driver tries again, or resets the device, as after an error on the bus.
 */
final class UsbFlow extends DeviceFlow<UsbDevice, UsbManifest, UrbRequest, PendingUrb> {
  /** How often it is looked whether the ring is full of INs that wait. */
  private static final long RELIEF_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /** A reset takes a device a tenth of it; a guest waits 5 s for an answer to SET_ADDRESS. */
  private static final long BETWEEN_RESETS_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final UsbPort port;
  private final Milestones milestones;
  private final PlugState plug;
  private final ResumeGate gate;
  private final UsbHandOver handOver;

  /** Set by the device on any thread. */
  private final AtomicBoolean portChanged = new AtomicBoolean();

  /** Why the port could not serve what was on the ring of before. */
  private volatile Optional<String> lostByPort = Optional.empty();

  private volatile int orphans;
  private volatile long uncoveredResponses;

  /** Null unless a guest that was served elsewhere begins here. */
  private Arrival arrival;

  /** Who waits until the guest has given up a port that is withdrawn; else null. */
  private CompletableFuture<Void> givenUp;

  private long reliefLookedNanos;
  private long nextResetNanos;

  /**
   * The guest is about to suspend: what its device has to say waits in the device, and that the
   * guest has nothing at the port does not say that it knows why.
   */
  private boolean suspending;

  UsbFlow(UsbPort port, Milestones milestones, Parts parts) {
    super(port, parts, PendingUrb::new);
    this.port = port;
    this.milestones = milestones;
    gate = new ResumeGate(id());
    plug = new PlugState(id(), port, gate);
    handOver = new UsbHandOver(this, port);
    reliefLookedNanos = nowNanos();
    nextResetNanos = reliefLookedNanos;
  }

  Optional<String> refusal() {
    return plug.refusal();
  }

  /** As {@link UsbMidPoint#obstacle}. */
  Optional<String> obstacle() {
    return gate.obstacle();
  }

  /** As {@link UsbMidPoint#lost}. */
  Optional<String> lost() {
    return handOver.lost().or(() -> lostByPort);
  }

  int orphans() {
    return orphans;
  }

  /** As {@link UsbMidPoint#uncoveredResponses}. */
  long uncoveredResponses() {
    return uncoveredResponses;
  }

  // Requests

  @Override
  protected void taken(PendingUrb entry) {
    if (arrival != null) {
      arrival.taken();
    }
    if (entry.request().isUnlink()) {
      entry.request().unlinked().ifPresent(this::unlink);
    }
    if (answers() && !mustWait(entry)) {
      var unused = issue(entry);
    }
  }

  /** The guest wants a URB to end, or its ring does: it ends with what came of it till then. */
  private void unlink(UrbRequest request) {
    for (PendingUrb entry = table().firstOpen(); entry != null; entry = entry.next()) {
      if (entry.request() == request) {
        unlink(entry);
        return;
      }
    }
  }

  private void unlink(PendingUrb entry) {
    entry.unlink();
    if (entry.state() == State.HELD) {
      finish(entry, UrbStatus.CANCELLED);
    } else if (entry.state() == State.ISSUED && entry.isTransfer()) {
      device().unlink(entry.urb());
    }
  }

  /** Not to the device before those of its endpoint, nor an unlink answered before its URB. */
  @Override
  protected boolean mustWait(PendingUrb entry) {
    UrbRequest request = entry.request();
    if (request.isUnlink()) {
      return request.unlinked().isPresent();
    }
    if ((request.followsReset() && nowNanos() - nextResetNanos < 0)
        || (suspending && isWaiting(entry))) {
      return true;
    }
    for (PendingUrb earlier = table().firstOpen(); earlier != entry; earlier = earlier.next()) {
      if (earlier.state() == State.HELD
          && !earlier.request().isUnlink()
          && (earlier.isAtEndpointOf(entry) || earlier.request().isSetAddress())) {
        return true;
      }
    }
    return false;
  }

  /** What is not for the device, or is wanted no more. */
  @Override
  protected boolean endsHere(PendingUrb entry) {
    UrbRequest request = entry.request();
    if (request.isUnlink() || (request.isSetAddress() && !request.followsReset())) {
      finish(entry, UrbStatus.OK);
    } else if (plug.shown() == PlugState.NOTHING || request.isForGone()) {
      finish(entry, UrbStatus.NO_DEVICE);
    } else if (request.unlink().isPresent()) {
      finish(entry, UrbStatus.CANCELLED);
    } else {
      return false;
    }
    return true;
  }

  @Override
  protected boolean load(PendingUrb entry, ByteBuffer buffer) {
    return entry.request().isIn() || entry.request().copyFromGuest(buffer);
  }

  @Override
  protected void submit(PendingUrb entry) {
    leaveForDevice(entry);
    if (entry.isTransfer()) {
      noteIssued(entry);
      device().submit(entry.fillUrb(), plug.shown(), entry);
    } else {
      reset(entry);
    }
  }

  /** The guest has reset its port, of which nothing but this SET_ADDRESS tells. */
  private void reset(PendingUrb entry) {
    nextResetNanos = nowNanos() + BETWEEN_RESETS_NANOS;
    CompletableFuture<UrbStatus> done = device().reset();
    var unused =
        done.whenComplete(
            (status, problem) -> entry.ended(problem == null ? status : UrbStatus.PROTOCOL, 0));
  }

  @Override
  protected void refused(PendingUrb entry) {
    finish(entry, UrbStatus.PROTOCOL);
  }

  @Override
  protected void completed(PendingUrb entry) {
    if (entry.isUntouched()) {
      trace().hold(entry);
      table().heldAgain(entry);
    } else {
      finish(entry);
    }
  }

  private void finish(PendingUrb entry, UrbStatus status) {
    entry.decide(status);
    finish(entry);
  }

  private void finish(PendingUrb entry) {
    trace().done(entry, entry.status());
    table().done(entry);
    if (answers()) {
      answer(entry);
    }
  }

  @Override
  protected void answer(PendingUrb entry) {
    UrbRequest request = entry.request();
    boolean packets = entry.hasPacketOutcomes();
    if (packets) {
      for (int packet = 0; packet < request.packets(); packet++) {
        request.packetDone(
            packet,
            entry.urb().packetActualBytes(packet),
            entry.urb().packetStatus(packet).errno());
      }
    }
    UrbStatus status = entry.answer();
    int actual = entry.actualBytes();
    if (request.isIn() && actual > 0 && !request.copyToGuest(entry.buffer(), actual)) {
      status = UrbStatus.PROTOCOL;
      actual = 0;
    }
    int unused =
        request.respond(
            status.errno(),
            actual,
            packets ? entry.urb().startFrame() : 0,
            packets ? entry.urb().errorCount() : 0);
    counters().add(request.isIn() ? Counter.BYTES_READ : Counter.BYTES_WRITTEN, actual);
    responded(entry, status, isError(status));
  }

  /** A URB that was unlinked, or brought less than it could, is no error. */
  private static boolean isError(UrbStatus status) {
    return switch (status) {
      case OK, CANCELLED, SHORT -> false;
      case MISSED_FRAME, NO_DEVICE, INVALID, STALL, PROTOCOL, OVERFLOW -> true;
    };
  }

  /**
   * A ring's requests all fit into a slab; without one they are taken all the same, to be ended.
   */
  @Override
  protected int mayTake(boolean starved, BufferLease available) {
    return UsbMidPoint.RING_SLOTS;
  }

  @Override
  protected void takenBefore(PendingUrb entry, boolean issued) {
    if (entry.request().isUnlink()) {
      entry.request().unlinked().ifPresent(this::unlink);
    } else if (issued) {
      finish(entry, UrbStatus.PROTOCOL);
    }
  }

  // The port

  @Override
  protected void given(UsbDevice newDevice) {
    plug.exchanged();
    newDevice.listen(
        () -> {
          portChanged.set(true);
          wake().run();
        });
    plug.follow(newDevice.port()); // before anything is issued
  }

  @Override
  protected void offer(UsbDevice offered) {
    port.offer();
  }

  @Override
  protected void served() {
    if (portChanged.get() && portChanged.getAndSet(false)) {
      plug.follow(device().port());
    }
    long now = nowNanos();
    if (now - reliefLookedNanos >= RELIEF_NANOS) {
      reliefLookedNanos = now;
      port.relief(now).ifPresent(this::unlink);
      look();
    }
    if (plug.shown() == PlugState.NOTHING && !suspending && table().firstOpen() == null) {
      release();
    }
  }

  /** The guest has no device, and nothing at the port. */
  private void release() {
    gate.released();
    if (givenUp != null) {
      givenUp.complete(null);
      givenUp = null;
    }
  }

  private void look() {
    gate.look(!hasFrontend() || port.resumes(), port.peakUrbs());
    lostByPort = port.lost();
    orphans = port.orphans();
    uncoveredResponses = port.uncoveredResponses();
  }

  /** Whether a frontend is connected. */
  boolean hasFrontend() {
    return isConnected();
  }

  // Migration

  /** A guest that was served elsewhere begins here. */
  void arrives() {
    arrival = new Arrival(milestones);
  }

  @Override
  protected void connected() {
    if (arrival != null) {
      arrival.connected();
    }
  }

  /** As {@link UsbMidPoint#suspending}. */
  void suspending(boolean yes) {
    suspending = yes;
    port.suspending(yes);
    if (yes) {
      callBack(this::isWaiting);
    }
  }

  /** A read that may be asked for later. */
  private boolean isWaiting(PendingUrb entry) {
    return entry.isUntimedRead() && plug.isWaiting(entry.request().endpoint());
  }

  /** As {@link UsbMidPoint#withdraw}. */
  void withdraw(CompletableFuture<Void> done) {
    plug.withdrawn(true);
    portChanged.set(true);
    keepPort("it is withdrawn again");
    givenUp = done;
  }

  /** As {@link UsbMidPoint#show}. */
  void show() {
    plug.withdrawn(false);
    portChanged.set(true);
    keepPort("the port is shown again");
  }

  /** Nobody will see whether the guest gives the port up. */
  private void keepPort(String why) {
    if (givenUp != null) {
      givenUp.completeExceptionally(new IllegalStateException(id() + ": " + why));
      givenUp = null;
    }
  }

  /** Why it must not be sealed now. */
  Optional<String> obstacleNow() {
    look();
    return gate.obstacle();
  }

  /** Asks for such of what is at the device. */
  void callBack(Predicate<PendingUrb> which) {
    for (PendingUrb entry = table().firstOpen(); entry != null; entry = entry.next()) {
      if (entry.state() == State.ISSUED && entry.isTransfer() && which.test(entry)) {
        entry.callBack();
        device().unlink(entry.urb());
      }
    }
  }

  /** What is here, when nothing is at the device. */
  UsbManifest manifest(int incomplete) {
    ImmutableList.Builder<Unanswered> unanswered = ImmutableList.builder();
    for (PendingUrb entry = table().firstOpen(); entry != null; entry = entry.next()) {
      unanswered.add(entry.unanswered());
    }
    return new UsbManifest(
        generation(),
        incomplete,
        port.resumes(),
        port.memory(),
        port.mark(),
        device().port().plugged().map(Settings::of),
        unanswered.build());
  }

  // Ends

  @Override
  protected HandOver<UsbDevice, UsbManifest> handOver() {
    return handOver;
  }

  /** The frontend has begun again and wants none of it: all of it ends. */
  @Override
  protected int settle() {
    int before = table().issuedCount() + table().heldCount();
    depart();
    return before - table().issuedCount() - table().heldCount();
  }

  @Override
  protected void depart() {
    PendingUrb entry = table().firstOpen();
    while (entry != null) {
      PendingUrb next = entry.next();
      unlink(entry);
      entry = next;
    }
  }

  @Override
  protected boolean isFed() {
    return true;
  }

  @Override
  protected int settled(boolean resubmits) {
    return 0;
  }

  @Override
  protected void dropSettled() {
    keepPort("it is served here no more");
  }
}
