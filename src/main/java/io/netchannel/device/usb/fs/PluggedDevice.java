package io.netchannel.device.usb.fs;

import io.netchannel.device.ErrorLog;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.SuperSpeed;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * What is plugged, from its claim to its end. Its thread is that of its {@link UsbfsDevice}, which
 * does all calls that block, and reaps unless an event loop does ({@link Reaper}); others come with
 * URBs and go at once.
 *
 * <pre>
 *   a submission:
 *             +--nothing before it, room--> IN THE KERNEL --reaped--> DONE
 *             |                                ^     |
 *   submit ---+                                |     +--unlink: DISCARDURB; reaped as ever
 *             |                  room, in turn |
 *             +--else--> WAITING --------------+
 *                         |   |
 *                         |   +--a call of its own, in turn: SPECIAL --> DONE
 *                         +--unlink--> DONE
 *
 *   the device:  SERVING --gone, or to end--> OVER: takes nothing; reaps all; then closes usbfs
 * </pre>
 *
 * While a special request or a reset waits or runs all that is submitted waits behind it: the
 * kernel would hold up whoever came with it. Without room, in the kernel or of {@link
 * #MAX_IN_KERNEL}, only those of the same endpoint do; so do they behind a part of a transfer that
 * may come short ({@link Urb#stopsIfShort}). When one does, or fails, the parts that wait behind it
 * end as it has, without data.
 */
final class PluggedDevice implements Reaper.Taker {
  /**
   * URBs that the kernel has at a time, each with a {@link KernelUrb}: what a ring of a guest has,
   * twice, as those of a generation before may be there as well. So direct memory is bounded by as
   * many times 66 KiB, 2.1 MiB for a device; it has that much only if as many large transfers went
   * through buffers of this.
   */
  static final int MAX_IN_KERNEL = 32;

  /** How soon to try again when the kernel has no memory, which nobody tells the end of. */
  private static final int MEMORY_RETRY_MILLIS = 20;

  /** A few seconds: far longer than any host controller takes to end a URB. */
  private static final int LAST_REAPS = 300;

  private final Usbfs usbfs;
  private final Claims claims;
  private final SpecialRequests special;
  private final Reaper reaper;
  private final Completions completions;
  private final UsbfsMemory memory;
  private final ErrorLog errors;
  private final HostUsbDevice device;

  /** Written by who reaps. */
  private volatile Plugged plugged;

  private volatile Optional<String> problem = Optional.empty();

  /** Whether what the kernel has ended was ended by a special request. Of who reaps. */
  private boolean killing;

  // All below is guarded by this.
  private final ArrayDeque<Submission> waiting = new ArrayDeque<>();
  private final List<Submission> inKernel = new ArrayList<>();
  private final ArrayDeque<KernelUrb> freeUrbs = new ArrayDeque<>();
  private final ArrayDeque<Submission> freeSubmissions = new ArrayDeque<>();

  /** A barrier is being performed. */
  private boolean busy;

  private boolean toDiscard;
  private boolean ending;
  private boolean over;

  /**
   * One whose interfaces are all claimed.
   *
   * @param usbfs owned from now on
   * @param loop where completions are told, as long as nothing but URBs comes; null for the
   *     device's thread
   */
  PluggedDevice(
      HostUsbDevice device,
      Usbfs usbfs,
      Claims claims,
      Completions completions,
      UsbfsMemory memory,
      ErrorLog errors,
      Supplier<DescriptorLoop> loop) {
    this.device = device;
    this.usbfs = usbfs;
    reaper = new Reaper(usbfs, this, loop);
    this.claims = claims;
    this.completions = completions;
    this.memory = memory;
    this.errors = errors;
    special = new SpecialRequests(usbfs, claims);
    plugged = device.asPlugged();
  }

  Plugged plugged() {
    return plugged;
  }

  /** Why URBs wait; empty when they do not. */
  Optional<String> problem() {
    return problem;
  }

  /** As {@link io.netchannel.device.usb.UsbDevice#submit}; false when it is over. */
  boolean submit(Urb urb, UrbCompletion completion) {
    synchronized (this) {
      if (over) {
        return false;
      }
      Submission submission = blank();
      submission.urb = urb;
      submission.completion = completion;
      submission.kind = SpecialRequests.kind(urb);
      urb.attach(submission);
      boolean first = !busy && waiting.isEmpty() && !submission.isBarrier();
      if (!first || !start(submission)) {
        waiting.addLast(submission);
      } else if (submission.kernel != null) {
        return true;
      }
    }
    usbfs.wake();
    return true;
  }

  /** As {@link io.netchannel.device.usb.UsbDevice#unlink}. */
  void unlink(Urb urb) {
    synchronized (this) {
      if (!(urb.attachment() instanceof Submission submission)) {
        return;
      }
      if (waiting.remove(submission)) {
        finish(submission, UrbStatus.CANCELLED);
      } else if (inKernel.contains(submission)) {
        submission.killed = true;
        toDiscard = true;
      } else {
        return;
      }
    }
    usbfs.wake();
  }

  /** As {@link io.netchannel.device.usb.UsbDevice#reset}. */
  CompletableFuture<UrbStatus> reset() {
    CompletableFuture<UrbStatus> outcome = new CompletableFuture<>();
    synchronized (this) {
      if (over) {
        return CompletableFuture.completedFuture(UrbStatus.NO_DEVICE);
      }
      Submission submission = blank();
      submission.reset = outcome;
      waiting.addLast(submission);
    }
    usbfs.wake();
    return outcome;
  }

  /** {@link #run} is to return soon. */
  void end() {
    synchronized (this) {
      ending = true;
    }
    usbfs.wake();
  }

  void wake() {
    usbfs.wake();
  }

  // ---- the device's thread

  /**
   * Serves it until it is gone or is to end. Then all that was submitted has an outcome, the owners
   * have been told, and usbfs is closed.
   *
   * @param managed whether the kernel's drivers get it back when it was to end; asked then
   */
  void run(BooleanSupplier managed) {
    boolean there = true;
    while (there && !isEnding()) {
      discardKilled();
      serveWaiting();
      completions.tell();
      there = reaper.await(boundMillis());
      completions.tell();
    }
    reaper.end();
    finishAll(there);
    if (there) {
      letGo(managed.getAsBoolean());
    }
    usbfs.close(); // ends what is left, if anything is: the kernel writes to no memory any more
    synchronized (this) {
      for (Submission each : inKernel) {
        memory.gave(each.urb.dataBytes());
        finish(each, UrbStatus.NO_DEVICE);
      }
      inKernel.clear();
    }
    completions.tell();
  }

  private void letGo(boolean managed) {
    if (!managed) {
      claims.releaseAll();
    } else if (plugged.configuration() == device.configuration()) {
      claims.giveBackAll();
    } else {
      claims.releaseAll();
      var unused = usbfs.setConfiguration(device.configuration()); // drivers come with it
    }
  }

  private synchronized boolean isEnding() {
    return ending;
  }

  /** Whoever came while a special request was performed may have woken that already. */
  private synchronized int boundMillis() {
    if (toDiscard || ending) {
      return 0;
    }
    return waiting.isEmpty() ? -1 : MEMORY_RETRY_MILLIS;
  }

  private void finishAll(boolean there) {
    List<CompletableFuture<UrbStatus>> resets = new ArrayList<>();
    synchronized (this) {
      over = true;
      for (Submission next = waiting.pollFirst(); next != null; next = waiting.pollFirst()) {
        if (next.reset != null) {
          resets.add(next.reset);
          recycle(next);
        } else {
          finish(next, there ? UrbStatus.CANCELLED : UrbStatus.NO_DEVICE);
        }
      }
      for (Submission each : inKernel) {
        each.killed |= there;
      }
    }
    resets.forEach(each -> each.complete(UrbStatus.NO_DEVICE));
    discard(false);
    for (int i = 0; i < LAST_REAPS && hasInKernel(); i++) {
      reaper.reapLast();
    }
  }

  private synchronized boolean hasInKernel() {
    return !inKernel.isEmpty();
  }

  private void discardKilled() {
    synchronized (this) {
      if (!toDiscard) {
        return;
      }
      toDiscard = false;
    }
    discard(true);
  }

  /**
   * DISCARDURB waits until the host controller has let go, so not under the lock: only this thread
   * takes anything out. One that was done before (EINVAL) is reaped with its real outcome.
   */
  private void discard(boolean killedOnly) {
    while (true) {
      Submission next;
      synchronized (this) {
        next = null;
        for (Submission each : inKernel) {
          if (!each.discarded && (each.killed || !killedOnly)) {
            next = each;
            break;
          }
        }
      }
      if (next == null) {
        return;
      }
      next.discarded = true;
      var unused = usbfs.discard(next.kernel.address());
    }
  }

  private void serveWaiting() {
    for (Submission next = takeBarrier(); next != null; next = takeBarrier()) {
      perform(next);
    }
  }

  /** Starts what waits, as far as there is room; the barrier whose turn it is, null for none. */
  private synchronized Submission takeBarrier() {
    busy = false;
    if (waiting.isEmpty()) {
      return null;
    }
    int blocked = 0;
    for (Iterator<Submission> all = waiting.iterator(); all.hasNext(); ) {
      Submission next = all.next();
      if (next.isBarrier()) {
        if (blocked != 0) {
          return null;
        }
        all.remove();
        busy = true;
        return next;
      }
      int endpoint = endpointBit(next.urb);
      if ((blocked & endpoint) == 0 && start(next)) {
        all.remove();
      } else {
        blocked |= endpoint;
      }
    }
    return null;
  }

  private static int endpointBit(Urb urb) {
    return urb.type() == UrbType.CONTROL
        ? 1
        : 1 << (urb.endpoint() & 0x0f) << (urb.isIn() ? 16 : 0);
  }

  private void perform(Submission barrier) {
    SpecialRequests.Done done;
    if (barrier.reset != null) {
      synchronized (this) {
        inKernel.forEach(each -> each.killed = true);
      }
      discard(true);
      done = special.reset(plugged);
    } else {
      done = special.perform(barrier.kind, barrier.urb, plugged);
    }
    if (done.status() == UrbStatus.PROTOCOL) {
      errors.report(
          "%s failed: %s".formatted(barrier.reset != null ? "RESET" : barrier.kind, done.status()),
          "%s; another program may have taken it, as fuser -v %s tells"
              .formatted(device, device.node()));
    }
    plugged = done.plugged();
    killing = true; // what was outstanding there comes back now
    var unused = reaper.await(0);
    killing = false;
    CompletableFuture<UrbStatus> reset = barrier.reset;
    synchronized (this) {
      if (reset == null) {
        finish(barrier, done.status());
      } else {
        recycle(barrier);
      }
    }
    completions.tell();
    if (reset != null) {
      reset.complete(done.status());
    }
  }

  @Override
  public boolean reaped(long address) {
    synchronized (this) {
      for (int i = 0; i < inKernel.size(); i++) {
        if (inKernel.get(i).kernel.address() == address) {
          Submission found = inKernel.remove(i);
          finishReaped(found, found.killed || killing);
          return !inKernel.isEmpty();
        }
      }
    }
    errors.report("a URB was reaped that was not submitted", device.toString());
    return true;
  }

  @Override
  public void reapedOnLoop() {
    completions.tell();
  }

  // ---- guarded by this

  /** One that is out of the kernel, with what that has left in it. */
  private void finishReaped(Submission submission, boolean killed) {
    Urb urb = submission.urb;
    submission.kernel.decode(urb, killed);
    memory.gave(urb.dataBytes());
    freeUrbs.addFirst(submission.kernel);
    if (device.isSuperSpeed() && urb.type() == UrbType.CONTROL) {
      SuperSpeed.atHighSpeed(urb, urb.data().slice(urb.data().position(), urb.actualBytes()));
    }
    plugged = SpecialRequests.after(urb, plugged);
    int endpoint = urb.endpoint();
    UrbStatus status = urb.status();
    boolean stops = urb.stopsIfShort() && status != UrbStatus.OK && status != UrbStatus.CANCELLED;
    done(submission);
    if (stops) {
      finishRest(endpoint, status);
    }
  }

  /** The parts of a transfer of which one has ended early. */
  private void finishRest(int endpoint, UrbStatus status) {
    List<Submission> rest =
        waiting.stream()
            .takeWhile(each -> !each.isBarrier())
            .filter(each -> each.urb.type() == UrbType.BULK && each.urb.endpoint() == endpoint)
            .takeWhile(each -> each.urb.stopsIfShort())
            .toList();
    waiting.removeAll(rest);
    rest.forEach(each -> finish(each, status));
  }

  /** With nothing from the kernel. */
  private void finish(Submission submission, UrbStatus status) {
    submission.urb.done(status, 0);
    done(submission);
  }

  private void done(Submission submission) {
    submission.urb.attach(null);
    completions.add(submission.urb, submission.completion);
    recycle(submission);
  }

  private Submission blank() {
    Submission free = freeSubmissions.pollFirst();
    return free == null ? new Submission() : free;
  }

  private void recycle(Submission submission) {
    submission.clear();
    freeSubmissions.addFirst(submission);
  }

  /** False when there is no room; else it is in the kernel, or has its outcome. */
  private boolean start(Submission submission) {
    Urb urb = submission.urb;
    if (isRefused(submission)) {
      finish(submission, UrbStatus.INVALID);
      return true;
    }
    KernelUrb kernel = isStopped(urb) ? null : encoded(urb);
    if (kernel == null) {
      return false;
    }
    int result = usbfs.submit(kernel.address());
    if (result >= 0) {
      submission.kernel = kernel;
      inKernel.add(submission);
      memory.took(urb.dataBytes());
      if (problem.isPresent()) {
        problem = Optional.empty();
      }
      return true;
    }
    freeUrbs.addFirst(kernel);
    if (result == -Errno.ENOMEM) {
      if (problem.isEmpty()) {
        tellWaits(memory.problem(urb.dataBytes()));
      }
      return false;
    }
    tellRefused(urb, -result);
    finish(submission, KernelStatus.ofRefused(result));
    return true;
  }

  /** Whether one that is in the kernel may come short, and would leave what is next to this. */
  private boolean isStopped(Urb urb) {
    for (int i = 0; i < inKernel.size(); i++) {
      Urb before = inKernel.get(i).urb;
      if (before.stopsIfShort() && before.endpoint() == urb.endpoint()) {
        return true;
      }
    }
    return false;
  }

  /** Null when there is no room. */
  private KernelUrb encoded(Urb urb) {
    if (freeUrbs.isEmpty() && inKernel.size() == MAX_IN_KERNEL) {
      return null;
    }
    KernelUrb kernel = freeUrbs.pollFirst();
    try {
      if (kernel == null) {
        kernel = new KernelUrb();
      }
      kernel.encode(urb);
      return kernel;
    } catch (OutOfMemoryError e) {
      if (kernel != null) {
        freeUrbs.addFirst(kernel);
      }
      if (problem.isEmpty()) {
        tellWaits("Java has no direct memory for it; raise -XX:MaxDirectMemorySize");
      }
      return null;
    }
  }

  private void tellWaits(String why) {
    problem = Optional.of(why);
    errors.report("a URB waits", device + ": " + why);
  }

  /** Whether nobody may give the kernel that. */
  private boolean isRefused(Submission submission) {
    if (submission.kind == SpecialRequests.Kind.SET_ADDRESS) {
      errors.report("SET_ADDRESS is not for a device (a bug of the caller)", device.toString());
      return true;
    }
    return !KernelUrb.fits(submission.urb);
  }

  /** What is not the guest's doing. */
  private void tellRefused(Urb urb, int errno) {
    KernelStatus.advice(errno, device.node())
        .ifPresent(
            advice ->
                errors.report("a URB is refused: " + advice, "%s: %s".formatted(device, urb)));
  }
}
