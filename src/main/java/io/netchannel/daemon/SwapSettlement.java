package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.JobEvent;
import io.netchannel.coordinator.JobPhase;
import io.netchannel.coordinator.JournalException;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.mirror.MirrorDevice;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What comes after the new device of a job has become the disk, or is not to become it, until
 * nobody is to hear of it any more.
 *
 * <pre>
 *   switched --> BEGUN --the XML is written, and the new device's server knows--> KNOWN
 *                  +-----a person says that the others need not know it---------> KNOWN
 *   taken over --> BEGUN --the XML is written; that server another host tells------> KNOWN
 *   KNOWN --the guest has one device again, or has gone---------------------------> DONE
 *   given up, or its guest has gone ----------------------------------------------> ABORTED
 *
 *   and of the device that was left, in any of them:
 *
 *   in the journal --closed here, its server has noted it and given its place free--> nothing left
 *                  --closed here, else--> {@link SwitchNotes}, until the server has answered
 *                  --the daemon ends----> likewise, by the next one
 * </pre>
 *
 * "In the journal" is the very record of the switch, or of the end: whatever becomes of the daemon,
 * or of that server, the place does not stay taken.
 */
final class SwapSettlement {
  private static final String FORGOTTEN = "a person says that the others need not know it";

  /** A guest's start waits so long for the new device's server, and says so. */
  private static final Duration START_BOUND = Duration.ofSeconds(10);

  private final SwapRunner.Environment environment;
  private final Supplier<DiskJob> job;
  private final Supplier<Optional<ServedDisk>> disk;
  private final NewDevice newDevice;
  private final Consumer<String> problem;

  private final AtomicBoolean over = new AtomicBoolean();

  /** Completes when the new device's server knows that it is the disk, or is not told any more. */
  private final CompletableFuture<Void> arrived = new CompletableFuture<>();

  private final AtomicBoolean begun = new AtomicBoolean();

  /** Completes with the reason when all who are to know of the switch do. */
  private final CompletableFuture<String> known = new CompletableFuture<>();

  private volatile boolean closed;

  /** A person says that the old device is the disk's as well as any other. */
  private volatile boolean forgotten;

  /**
   * Of one job, of which is asked anew each time.
   *
   * @param disk empty when its guest is not here
   * @param problem told what keeps it
   */
  SwapSettlement(
      SwapRunner.Environment environment,
      Supplier<DiskJob> job,
      Supplier<Optional<ServedDisk>> disk,
      NewDevice newDevice,
      Consumer<String> problem) {
    this.environment = environment;
    this.job = job;
    this.disk = disk;
    this.newDevice = newDevice;
    this.problem = problem;
  }

  /**
   * Makes known where the disk is, once. The old device may hang, and its server be gone: nobody
   * who is to know waits for that.
   */
  void begin() {
    if (begun.getAndSet(true)) {
      return;
    }
    DiskJob switched = job.get();
    CompletableFuture<Void> named = new CompletableFuture<>();
    environment.metadata().name(switched, () -> named.complete(null));
    if (forgotten) {
      return;
    }
    var unused =
        CompletableFuture.allOf(named, noted(switched))
            .thenRun(() -> known.complete("all know it"));
  }

  private CompletableFuture<Void> noted(DiskJob switched) {
    return switched.phase() == JobPhase.TAKEN_OVER
        ? CompletableFuture.completedFuture(null) // by the host that has it
        : environment
            .notes()
            .arrived(
                switched,
                () -> disk.get().flatMap(ServedDisk::device),
                newDevice::user,
                () -> !closed && !forgotten,
                problem)
            .thenRun(() -> arrived.complete(null));
  }

  /**
   * Likewise; and nothing is left at the old device.
   *
   * @param end told with the reason when the job may end; maybe twice
   */
  void whenKnown(Consumer<String> end) {
    begin();
    var unused = known.thenAcceptAsync(end, environment.executor());
  }

  /**
   * A guest is about to start from the new device, whose server lets nobody in before it knows that
   * it is the disk.
   *
   * @throws DeviceException when the server does not know it within a bound, with what keeps it
   */
  void awaitArrived() throws DeviceException {
    String source = job.get().newSource();
    try {
      arrived.get(START_BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException | ExecutionException e) {
      throw new DeviceException(
          "%s was switched to %s, whose server has not noted that within %d s and lets nobody in before; it is told again and again, so start the guest when `netchannel jobs` says that it is done"
              .formatted(job.get().label(), source, START_BOUND.toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DeviceException(source + ": interrupted while its server was told", e);
    }
  }

  /** Whoever does not know of the switch yet, as he is gone for good, need not hear of it. */
  void forget() throws JournalException {
    environment.jobs().forget(job.get().disk());
    if (job.get().phase() == JobPhase.SWITCHED) { // not what a copy comes to do later on
      forgotten = true;
      arrived.complete(null);
      known.complete(FORGOTTEN);
    }
  }

  /**
   * Ends it, in the journal before anybody sees it. What a migration of its guest is to decide over
   * does not end before.
   *
   * @return whether it has ended, and had not before
   */
  boolean end(JobEvent event, String reason) {
    if (over.getAndSet(true)) {
      return false;
    }
    boolean isOver = !environment.jobs().end(job.get(), event, reason).isActive();
    over.set(isOver);
    return isOver;
  }

  /** Whether it is over, or about to be. */
  boolean isOver() {
    return over.get();
  }

  /**
   * The device that was left is closed here.
   *
   * @param mirror that it was a leg of; empty when it was none's, or another daemon's
   * @param toldMoved what its server was told of the switch over that leg
   */
  void leftIsClosed(Optional<MirrorDevice> mirror, Optional<CompletableFuture<Void>> toldMoved) {
    DiskJob left = job.get();
    Optional<DiskJob.Untold> word = left.untold();
    boolean isMoved = toldMoved.filter(SwapSettlement::isNoted).isPresent();
    boolean isKnown =
        word.filter(said -> !said.forgotten()).isPresent()
            && (left.isGivenUp()
                ? mirror.map(MirrorDevice::follower).filter(Device::isGivenFree).isPresent()
                : isMoved
                    && mirror.map(MirrorDevice::leader).filter(Device::isGivenFree).isPresent());
    if (!isKnown || !environment.jobs().told(left.id(), word.get())) {
      environment.notes().tell(job.get());
    }
  }

  private static boolean isNoted(CompletableFuture<Void> asked) {
    return asked.isDone() && !asked.isCompletedExceptionally();
  }

  /** What keeps the server of the device that was left from being told; empty when nothing does. */
  Optional<String> untold() {
    return environment.notes().problem(job.get().id());
  }

  /** The daemon ends. */
  void close() {
    closed = true;
  }
}
