package io.netchannel.device.usb.shared;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An open device and those that have it. Its lock is held while a URB goes to the device, and by
 * nobody who waits; whoever is told anything is told without it.
 */
final class SharedDevice {
  private static final Logger log = LoggerFactory.getLogger(SharedDevice.class);

  // Standard requests to a device, an interface or an endpoint (USB 2.0, 9.4).
  private static final int STANDARD_OUT_MASK = 0xe0;
  private static final int CLEAR_FEATURE = 1;
  private static final int SET_CONFIGURATION = 9;
  private static final int SET_INTERFACE = 11;

  private final String place;
  private final UsbDevice device;
  private final Executor executor;
  private final Runnable whenClosed;
  private final CompletableFuture<Void> closed = new CompletableFuture<>();

  // All below is guarded by this.
  private final List<Holder> holders = new ArrayList<>();

  /** Null when the last one has gone. */
  private Holder owner;

  private long newest;
  private int notClosing;

  /** The last one closes it. */
  private boolean over;

  /** At the device, in the order of their submission. */
  private final List<Passage> atDevice = new ArrayList<>();

  /** Of these, those of others than the owner. */
  private int others;

  /** The owner's that are not there yet, in order. */
  private final ArrayDeque<Passage> waiting = new ArrayDeque<>();

  /** Have ended without the device, and are to be told. */
  private List<Passage> ended = new ArrayList<>();

  private final Blackouts blackouts;

  private final ArrayDeque<Passage> free = new ArrayDeque<>();

  /**
   * One without a holder yet.
   *
   * @param place for people
   * @param executor runs one task after the other, none within the call that gives it
   * @param whenClosed called when the device is
   */
  SharedDevice(
      String place,
      UsbDevice device,
      Executor executor,
      LongSupplier nanoTime,
      Runnable whenClosed) {
    this.place = place;
    this.device = device;
    this.executor = executor;
    this.whenClosed = whenClosed;
    blackouts = new Blackouts(place, device, nanoTime);
    device.listen(() -> executor.execute(this::portChanged)); // after what is told there before
  }

  // ---- holders

  /**
   * One more, which owns it from now on; empty when it is being closed.
   *
   * @throws DeviceException when one with a newer generation has had it
   */
  synchronized Optional<Holder> hold(long generation) throws DeviceException {
    if (over) {
      return Optional.empty();
    }
    if (generation < newest) {
      throw new DeviceException(
          "%s: generation %d is over, it is used with generation %d"
              .formatted(place, generation, newest));
    }
    Holder holder = new Holder(this, generation);
    holders.add(holder);
    notClosing++;
    newest = generation;
    takeOver(holder);
    return Optional.of(holder);
  }

  synchronized long newestGeneration() {
    return newest;
  }

  void awaitClosed() {
    closed.join();
  }

  synchronized void useGeneration(Holder holder, long newer) {
    holder.resting = false;
    if (holder.closing || newer <= newest) {
      return;
    }
    newest = newer;
    holder.generation = newer;
    if (holder != owner) {
      takeOver(holder);
    }
  }

  /** What others have there ends first; what the new owner submits waits for that. */
  private void takeOver(Holder holder) {
    if (owner != null) {
      log.info(
          "{}: generation {} owns it from now on, was {}",
          place,
          holder.generation,
          owner.generation);
    }
    owner = holder;
    device.completeOn(holder.loop);
    others = 0;
    for (Passage each : atDevice) {
      if (each.holder != owner) {
        others++;
        unlinkAtDevice(each);
      }
    }
    endWaiting(each -> each.holder != owner, UrbStatus.CANCELLED);
  }

  synchronized void completeOn(Holder holder, DescriptorLoop loop) {
    holder.loop = loop;
    if (holder == owner) {
      device.completeOn(loop);
    }
  }

  synchronized void rest(Holder holder) {
    holder.resting = true;
    if (holder == owner) {
      blackouts.rest();
    }
  }

  synchronized void keepPlace(Holder holder) {
    holder.keepsPlace = true;
  }

  Optional<String> problem(Holder holder) {
    synchronized (this) {
      if (holder != owner) {
        return Optional.of(
            "%s is used with generation %d, and not with %d any more"
                .formatted(place, newest, holder.generation));
      }
    }
    return device.problem();
  }

  /** Waits for what it has there; the last one closes the device. */
  void close(Holder holder) {
    boolean isFirst;
    boolean isLast;
    boolean keepsPlace;
    synchronized (this) {
      isFirst = !holder.closing;
      notClosing -= isFirst ? 1 : 0;
      holder.closing = true;
      keepsPlace = holder.keepsPlace;
      isLast = isFirst && notClosing == 0;
      over |= isLast;
      if (isFirst) {
        endWaiting(each -> each.holder == holder, UrbStatus.CANCELLED);
        for (Passage each : atDevice) {
          if (each.holder == holder && !isLast) {
            unlinkAtDevice(each);
          }
        }
      }
    }
    if (isLast) {
      if (keepsPlace) {
        device.keepPlace();
      }
      device.close();
    }
    if (isFirst) {
      awaitHere(() -> holder.untold == 0);
      leave(holder);
    } else {
      awaitHere(() -> holder.gone);
    }
    if (isLast) {
      awaitHere(holders::isEmpty);
      whenClosed.run();
      closed.complete(null);
    }
  }

  private synchronized void leave(Holder holder) {
    holders.remove(holder);
    holder.gone = true;
    if (owner == holder) {
      owner = null;
      if (!over) {
        device.completeOn(null);
      }
    }
    notifyAll();
  }

  /** A condition under the lock. */
  private interface Condition {
    boolean holds();
  }

  private synchronized void awaitHere(Condition condition) {
    boolean interrupted = false;
    while (!condition.holds()) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true; // whoever closes it uses the memory of the URBs then
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  // ---- URBs

  PortState port() {
    return device.port();
  }

  synchronized void submit(Holder from, Urb urb, int incarnation, UrbCompletion completion) {
    Passage passage = obtain(from);
    passage.urb = urb;
    passage.incarnation = incarnation;
    passage.completion = completion;
    if (from != owner || from.closing) {
      end(passage, UrbStatus.NO_DEVICE);
      return;
    }
    if (changesSettings(urb)) {
      blackouts.forget(each -> true);
    }
    if (others == 0 && blackouts.of(urb) == null && !isWaitedAt(urb)) {
      forward(passage);
    } else {
      waiting.addLast(passage);
      executor.execute(this::proceed);
    }
  }

  /** Whether what it is about is another thing afterwards, of which old reports say nothing. */
  private static boolean changesSettings(Urb urb) {
    if (urb.type() != UrbType.CONTROL || (urb.setupByte(0) & STANDARD_OUT_MASK) != 0) {
      return false;
    }
    return switch (urb.setupByte(1)) {
      case CLEAR_FEATURE, SET_CONFIGURATION, SET_INTERFACE -> true;
      default -> false;
    };
  }

  private boolean isWaitedAt(Urb urb) {
    if (waiting.isEmpty()) {
      return false; // without a look that makes an object
    }
    for (Passage each : waiting) {
      if (each.reset != null || isOneEndpoint(each.urb, urb)) {
        return true;
      }
    }
    return false;
  }

  /** The control endpoint is one for both directions. */
  private static boolean isOneEndpoint(Urb one, Urb other) {
    return one.type() == UrbType.CONTROL
        ? other.type() == UrbType.CONTROL
        : one.endpoint() == other.endpoint() && other.type() != UrbType.CONTROL;
  }

  private void forward(Passage passage) {
    atDevice.add(passage);
    device.submit(passage.urb, passage.incarnation, passage);
  }

  synchronized void unlink(Holder from, Urb urb) {
    for (Passage each : atDevice) {
      if (each.urb == urb && each.holder == from) {
        unlinkAtDevice(each);
        return;
      }
    }
    endWaiting(each -> each.urb == urb && each.holder == from, UrbStatus.CANCELLED);
  }

  private void unlinkAtDevice(Passage passage) {
    passage.unlinked = true;
    device.unlink(passage.urb);
  }

  synchronized CompletableFuture<UrbStatus> reset(Holder from) {
    if (from != owner || from.closing) {
      return CompletableFuture.completedFuture(UrbStatus.NO_DEVICE);
    }
    blackouts.forget(each -> true);
    endWaiting(each -> each.reset == null, UrbStatus.CANCELLED);
    if (others == 0 && waiting.isEmpty()) {
      return device.reset();
    }
    Passage passage = obtain(from);
    passage.reset = new CompletableFuture<>();
    waiting.addLast(passage);
    return passage.reset;
  }

  /** The device is done with a URB; on any thread. */
  void completed(Passage passage) {
    Holder holder;
    Urb urb;
    UrbCompletion completion;
    synchronized (this) {
      atDevice.remove(passage);
      if (passage.holder != owner && --others == 0 && !waiting.isEmpty()) {
        executor.execute(this::proceed);
      }
      holder = passage.holder;
      urb = passage.urb;
      completion = passage.completion;
      if (passage.unlinked && urb.status() == UrbStatus.CANCELLED && isAskedNoMore(urb)) {
        blackouts.begin(this, passage);
      }
      recycle(passage);
    }
    UrbCompletion.tell(completion, urb, this);
    told(holder);
  }

  private boolean isAskedNoMore(Urb last) {
    return !over
        && !isWaitedAt(last)
        && atDevice.stream().noneMatch(each -> isOneEndpoint(each.urb, last));
  }

  /** The URB that was posted in a blackout is done; on any thread. */
  synchronized void completed(Blackout blackout) {
    boolean isWanted =
        waiting.stream().anyMatch(each -> each.urb != null && blackouts.of(each.urb) == blackout);
    blackouts.completed(blackout, isWanted);
    if (isWanted) {
      executor.execute(this::proceed);
    }
  }

  /** Whoever closes it waits for that. */
  private synchronized void told(Holder holder) {
    if (--holder.untold == 0 && holder.closing) {
      notifyAll();
    }
  }

  // ---- what goes on later, on the executor

  private void proceed() {
    for (List<Passage> all = step(); !all.isEmpty(); all = step()) {
      all.forEach(this::tell);
    }
  }

  private void tell(Passage passage) {
    Holder holder = passage.holder;
    if (passage.reset != null) {
      passage.reset.complete(UrbStatus.NO_DEVICE);
    } else {
      UrbCompletion.tell(passage.completion, passage.urb, this);
    }
    synchronized (this) {
      recycle(passage);
    }
    told(holder);
  }

  /**
   * Brings to the device what may go there.
   *
   * @return what is to be told before anything else of its endpoint goes there
   */
  private synchronized List<Passage> step() {
    if (!waiting.isEmpty()) {
      endOutdated();
    }
    List<Passage> told = ended;
    ended = new ArrayList<>();
    if (others > 0) {
      return told;
    }
    List<Urb> blocked = new ArrayList<>();
    for (Iterator<Passage> all = waiting.iterator(); all.hasNext(); ) {
      Passage next = all.next();
      if (next.reset != null) {
        if (!blocked.isEmpty()) {
          return told;
        }
        all.remove();
        startReset(next);
      } else if (blocked.stream().noneMatch(before -> isOneEndpoint(before, next.urb))) {
        Blackout blackout = blackouts.of(next.urb);
        if (blackout == null) {
          all.remove();
          forward(next);
        } else if (blackouts.gives(blackout, next)) {
          all.remove();
          told.add(next);
        } else if (isFed(told, next) || blackout.isAtDevice()) {
          blackouts.stop(blackout);
          blocked.add(next.urb);
        } else {
          blackouts.end(blackout);
          all.remove();
          forward(next);
        }
      }
    }
    return told;
  }

  /** Whether what comes before it on its endpoint is still to be told. */
  private static boolean isFed(List<Passage> told, Passage next) {
    return told.stream().anyMatch(each -> each.urb != null && isOneEndpoint(each.urb, next.urb));
  }

  private void startReset(Passage passage) {
    CompletableFuture<UrbStatus> waits = passage.reset;
    recycle(passage);
    var unused =
        device
            .reset()
            .whenComplete(
                (status, failure) -> waits.complete(failure == null ? status : UrbStatus.PROTOCOL));
  }

  // ---- the port

  /** On the executor: after what is told there of what was plugged before. */
  private void portChanged() {
    List<Holder> all;
    synchronized (this) {
      endOutdated();
      all = List.copyOf(holders);
    }
    proceed();
    all.forEach(each -> each.listener.portChanged());
  }

  // ---- guarded by this

  /** What was for a device that has gone does not get to the next one. */
  private void endOutdated() {
    PortState now = device.port();
    int present = now.plugged().isPresent() ? now.incarnation() : -1;
    blackouts.forget(each -> each.incarnation != present);
    endWaiting(each -> each.reset == null && each.incarnation != present, UrbStatus.NO_DEVICE);
  }

  private void endWaiting(Predicate<Passage> which, UrbStatus status) {
    for (Iterator<Passage> all = waiting.iterator(); all.hasNext(); ) {
      Passage each = all.next();
      if (which.test(each)) {
        all.remove();
        end(each, status);
      }
    }
  }

  /** Without the device. */
  private void end(Passage passage, UrbStatus status) {
    if (passage.urb != null) {
      passage.urb.clearOutcome();
      passage.urb.done(status, 0);
    }
    ended.add(passage);
    executor.execute(this::proceed);
  }

  private Passage obtain(Holder holder) {
    Passage passage = free.isEmpty() ? new Passage(this) : free.removeFirst();
    passage.holder = holder;
    holder.untold++;
    return passage;
  }

  private void recycle(Passage passage) {
    passage.clear();
    free.addFirst(passage);
  }

  @Override
  public String toString() {
    return place;
  }
}
