package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.UncertainJournalException;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorOwner;
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.UnknownSwitchException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Records for a job that the new device is the disk, and tells those who have to know before that
 * one is alone.
 *
 * <pre>
 *   NONE --begin--> RECORDING --the journal has it--> nodes and the old device told --> RECORDED
 *    ^                |   |
 *    +--it has not----+   +--nobody knows, or the daemon ends--> only a restart finds out
 * </pre>
 */
final class SwitchRecord {
  private static final Logger log = LoggerFactory.getLogger(SwitchRecord.class);

  /** Between attempts to tell the nodes. */
  private static final Duration PAUSE = Duration.ofSeconds(1);

  private final SwapRunner.Environment environment;
  private final Supplier<DiskJob> job;
  private final Supplier<Optional<ServedDisk>> disk;
  private final Supplier<Optional<MirrorDevice>> mirror;
  private final Consumer<String> problem;

  /** While the mirror waits for it. */
  private volatile Optional<CompletableFuture<Void>> recording = Optional.empty();

  /** Whether only a restart finds out which device is the disk: until then it begins nowhere. */
  private volatile boolean uncertain;

  /** Whether the old device's authority knows of the switch, once it was told. */
  private volatile Optional<CompletableFuture<Void>> oldTold = Optional.empty();

  /**
   * Of one job, of which is asked anew each time.
   *
   * @param disk empty when its guest is not here
   * @param mirror empty when there is none around the disk
   * @param problem told what keeps it, "" when nothing does
   */
  SwitchRecord(
      SwapRunner.Environment environment,
      Supplier<DiskJob> job,
      Supplier<Optional<ServedDisk>> disk,
      Supplier<Optional<MirrorDevice>> mirror,
      Consumer<String> problem) {
    this.environment = environment;
    this.job = job;
    this.disk = disk;
    this.mirror = mirror;
    this.problem = problem;
  }

  boolean isUncertain() {
    return uncertain;
  }

  /** Empty when it was not told, or has to be told anew. */
  Optional<CompletableFuture<Void>> oldTold() {
    return oldTold;
  }

  void oldIsClosed() {
    oldTold = Optional.empty();
  }

  /**
   * Records it. Waits for nothing.
   *
   * @return as {@link MirrorOwner#recordSwitch}
   */
  CompletableFuture<Void> begin() {
    CompletableFuture<Void> recorded = new CompletableFuture<>();
    recording = Optional.of(recorded);
    try {
      environment.executor().execute(() -> record(recorded));
    } catch (RejectedExecutionException e) {
      recorded.completeExceptionally(new IllegalStateException("the daemon is shutting down", e));
    }
    return recorded;
  }

  private void record(CompletableFuture<Void> recorded) {
    DiskJob switched;
    mirror
        .get()
        .map(present -> present.status().reason())
        .filter(why -> !why.isEmpty())
        .ifPresent(why -> log.warn("{}: switches at once: {}", job.get().label(), why));
    try {
      environment.faults().at(Point.JOB_SYNCED);
      switched = environment.jobs().switched(job.get());
    } catch (UncertainJournalException e) {
      // Whether a restart finds it nobody knows. Until then both devices have all that is answered,
      // so either may be found to be the disk.
      problem.accept(e.getMessage());
      uncertain = true;
      log.error("{}: in sync, and stays so: {}", job.get().label(), e.getMessage());
      recorded.completeExceptionally(new UnknownSwitchException(e.getMessage(), e));
      return;
    } catch (JournalException | JobRefusedException | RuntimeException e) {
      log.warn("{}: the switch is not recorded: {}", job.get().label(), e.getMessage());
      recorded.completeExceptionally(e);
      return;
    }
    tell(switched, recorded);
  }

  /**
   * Nodes and the old device hear of the switch, before the new one is alone. There is no way back:
   * what fails here is tried again.
   */
  private void tell(DiskJob switched, CompletableFuture<Void> recorded) {
    try {
      environment.faults().at(Point.JOB_RECORDED);
      disk.get().ifPresent(served -> served.switched(switched.newSource()));
    } catch (RuntimeException e) {
      problem.accept(e.getMessage());
      log.warn("{}: switched, but not in its nodes yet: {}", switched.label(), e.toString());
      environment.timer().after(PAUSE, () -> tell(switched, recorded));
      return;
    }
    problem.accept("");
    oldTold = mirror.get().map(present -> present.leader().moved(switched.newSource()));
    CompletableFuture<Void> told =
        oldTold.orElseGet(() -> CompletableFuture.completedFuture(null)); // its guest has gone
    // Nothing goes to the new device alone before, if that can be.
    var unused =
        told.copy()
            .orTimeout(SwitchNotes.WHILE_RECORDING.toMillis(), TimeUnit.MILLISECONDS)
            .whenComplete(
                (done, untold) -> {
                  goAlone(recorded);
                  boolean silent = untold instanceof TimeoutException;
                  environment
                      .timer()
                      .after(silent ? Duration.ZERO : MirrorSettings.LEG_TIMEOUT, this::giveOldUp);
                });
  }

  private void goAlone(CompletableFuture<Void> recorded) {
    try {
      environment.faults().at(Point.JOB_MOVED);
      recorded.complete(null);
    } catch (FaultException e) {
      environment.timer().after(PAUSE, () -> goAlone(recorded));
    }
  }

  /**
   * What the old device still has of the guest would be waited for as long as its server is away.
   * It is not the disk any more: what is given up at a device server is answered by the new one.
   * Nothing takes from a kernel, or an NBD server that is there, what hangs there: its reads may
   * still come, into the guest's memory. It is waited for, and nothing more goes there.
   */
  private void giveOldUp() {
    mirror
        .get()
        .filter(over -> !over.left().isDone())
        .map(MirrorDevice::leader)
        .ifPresent(
            left -> {
              String old = job.get().oldSource();
              log.warn(
                  "{}: {} does not answer; {}",
                  job.get().label(),
                  old,
                  environment.notes().hasServer(old)
                      ? "it is given up, and the new device answers what it still has of the guest"
                      : "nothing more goes there, and what it still has of the guest is answered"
                          + " when it lets go of it");
              oldTold = Optional.empty(); // it is told, and its place given free, when it is back
              left.keepPlace();
              left.close();
            });
  }

  /** Its mid-point would wait for it; what is answered no more the next daemon issues again. */
  void close() {
    recording.ifPresent(
        recorded ->
            recorded.completeExceptionally(new UnknownSwitchException("the daemon ends", null)));
  }
}
