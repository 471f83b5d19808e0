package io.netchannel.daemon;

import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.FaultPoints;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.JobEvent;
import io.netchannel.coordinator.JobPhase;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.JournalException;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorOwner;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.device.mirror.MirrorStatus;
import io.netchannel.device.mirror.TrackedDevice;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries one job from its first step to its last, on the host of the guest.
 *
 * <pre>
 *   OPENING --in the journal, then the new device open, the mirror under the guest--> MIRRORED
 *      +--refused, or given up, before it is in the journal: there never was a job
 *      +--after that, or its storage fails--> OVER
 *
 *   found COPYING, or its mid-point begins again: OLD_ONLY
 *   OLD_ONLY --the new device opens: tried at once, 1 s, 2 s ... 30 s--> MIRRORED; what may differ
 *                         is copied: as the map says, else all of it, and it is compared first
 *
 *   MIRRORED --recorded: the new device is the disk; nothing is left at the old one--> LEAVING
 *   OPENING, MIRRORED --the journal has that a person gives it up, or it is verified that the
 *                       devices differ--> LEAVING, as soon as it can
 *   OLD_ONLY --likewise--> OVER
 *   MIRRORED --the new device fails a flush: it may have lost what it had--> LEAVING
 *   LEAVING --the mirror is taken away from under the guest--> SETTLING, or OVER when given up
 *      +--neither, the new device is to be opened anew: after 1 s .. 30 s--> OLD_ONLY
 *      +--given up, and its mid-point has ended or closed the mirror--> OVER
 *   found SWITCHED: LEAVING --its device opens--> SETTLING --who else has to know does--> OVER
 *                                                       the old device's server may learn it later
 *
 *   came with its guest: OLD_ONLY, from the end of the migration on
 *
 *   any --the guest's disk has gone--> SETTLING when it was recorded, else OVER
 *
 *   goes with its guest: MIRRORED --its migration has the disk as "given"--> waits for its end there
 *      +--COMMIT, and the disk has gone--> SETTLING    +--given back: the journal has it as aborted
 * </pre>
 *
 * While its guest migrates it rests: MIRRORED without a copy, OLD_ONLY without an attempt. One that
 * goes with its guest goes on, but does not switch.
 *
 * <p>Who else has to know is told by a {@link SwapSettlement} from LEAVING on, whatever the old
 * device still holds: it ends the job in the journal, and only then it is OVER; and it sees to the
 * device that was left.
 *
 * <p>Until the record the old device is the disk, and all that can fail here leaves it so. Where
 * nobody knows whether the journal has it, the mirror stays in sync, or closes, until a restart
 * finds out. Its lock is held for microseconds; storage, the journal and the mid-point are waited
 * for without it.
 */
final class SwapRunner implements MirrorOwner {
  private static final Logger log = LoggerFactory.getLogger(SwapRunner.class);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** A mid-point that is sealed, or starts again, takes no other device just then. */
  private static final Duration EXCHANGE_PAUSE = Duration.ofSeconds(1);

  /** What people are told then. */
  private static final String RESTS = "its guest migrates";

  /**
   * What all jobs of a host use.
   *
   * @param generation of a disk, as the journal has it
   * @param executor runs what storage, the journal or a mid-point may keep waiting: each on a
   *     thread of its own, and none is lost
   */
  record Environment(
      Devices devices,
      DiskJobStore jobs,
      DifferenceMaps maps,
      BufferBudget buffers,
      Executor executor,
      Timer timer,
      LongSupplier nanoTime,
      ToLongFunction<DeviceKey> generation,
      SwitchNotes notes,
      JobMetadata metadata,
      FaultPoints faults) {}

  enum Stage {
    OPENING,
    MIRRORED,
    OLD_ONLY,
    LEAVING,
    SETTLING,
    OVER
  }

  private final Environment environment;
  private final DeviceKey key;
  private final NewDevice newDevice;
  private final SwitchRecord record;
  private final SwapSettlement settlement;
  private final SwapMirrors mirrors;
  private final SwapAttempts attempts;
  private final CopyRate rate = new CopyRate();
  private final AtomicBoolean lookDue = new AtomicBoolean();

  /** Whether the mirror was told to rest, as its guest migrates. */
  private volatile boolean resting;

  private volatile Stage stage;

  /** As it was when this began; what it is now the journal says, once it has it. */
  private final DiskJob first;

  /** Which disk of the guest's lives; empty when the guest is not here. */
  private volatile Optional<ServedDisk> disk = Optional.empty();

  private volatile Optional<MirrorDevice> mirror = Optional.empty();

  /** What keeps it, beside what the mirror says; empty when nothing does. */
  private volatile String problem = "";

  /** Whether it goes into the journal, or is given up: what comes first. Guarded by this. */
  private boolean enters;

  private boolean givenUpBefore;

  /** Completes when the journal has it, or never will. */
  private final CompletableFuture<Void> entered = new CompletableFuture<>();

  /** The one that is taken away so that its follower is opened anew, while there is one. */
  private volatile Optional<MirrorDevice> stale = Optional.empty();

  /** Between such attempts, until one of them gets in sync; guarded by itself. */
  private final Backoff pausesAnew = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);

  /** As the mirror said last; it has gone since. */
  private volatile Optional<MirrorStatus> last = Optional.empty();

  private volatile boolean closed;

  private SwapRunner(Environment environment, DiskJob first, Stage stage) {
    this.environment = environment;
    this.first = first;
    this.key = first.disk();
    this.newDevice = new NewDevice(environment, key, first.newSource());
    this.record =
        new SwitchRecord(
            environment, this::job, () -> disk, () -> mirror, words -> problem = words);
    this.settlement =
        new SwapSettlement(environment, this::job, () -> disk, newDevice, words -> problem = words);
    this.mirrors =
        new SwapMirrors(
            environment,
            this::job,
            newDevice,
            this,
            () -> this.stage == Stage.OLD_ONLY && !settlement.isOver());
    this.attempts =
        new SwapAttempts(
            first.label(), environment.executor(), environment.timer(), new Attempted());
    this.stage = stage;
  }

  /** One that is about to {@link #begin}. */
  static SwapRunner opening(Environment environment, DiskJob job) {
    return new SwapRunner(environment, job, Stage.OPENING);
  }

  /** One that a daemon before has left, or that is over. */
  static SwapRunner found(Environment environment, DiskJob job) {
    Stage stage =
        switch (job.phase()) {
          case COPYING -> Stage.OLD_ONLY;
          case SWITCHED, TAKEN_OVER -> Stage.LEAVING;
          case DONE, ABORTED, FAILED -> Stage.OVER;
        };
    return new SwapRunner(environment, job, stage);
  }

  Stage stage() {
    return stage;
  }

  /** As the journal has it now, or will have it. */
  DiskJob job() {
    return environment.jobs().find(first.id()).orElse(first);
  }

  DeviceKey key() {
    return key;
  }

  /** Whether it makes that the disk, and nobody has given it up. */
  boolean isTo(String source) {
    DiskJob known = job();
    return known.isActive() && known.newSource().equals(source);
  }

  /** What the mirror says, or said last; empty when there was none. */
  Optional<MirrorStatus> status() {
    return mirror.map(MirrorDevice::status).or(() -> last);
  }

  String problem() {
    return problem;
  }

  /** What keeps the server of the device that it has left from knowing that; empty: nothing. */
  Optional<String> untold() {
    return settlement.untold();
  }

  CopyRate rate() {
    return rate;
  }

  // ---- The begin

  /**
   * Opens the new device and puts the mirror under the guest. May wait for the storage. The journal
   * has the job before the device is opened: whatever comes in between, somebody gives its place
   * free.
   *
   * @return completes when all that was issued before has ended, and copying begins
   * @throws DeviceException when the new device cannot take the old one's place
   */
  CompletableFuture<Void> begin(ServedDisk served, boolean followerIsZero)
      throws DeviceException, JournalException, JobRefusedException {
    watch(served);
    Device leader = leader(served);
    long generation = newDevice.generation(served);
    attempts.first();
    try {
      enter();
      environment.jobs().begin(first);
    } finally {
      entered.complete(null);
    }
    CompletableFuture<Void> put;
    try {
      put = put(served, leader, mirrors.first(leader, generation, followerIsZero));
    } catch (DeviceException | RuntimeException e) {
      notBegun(e);
      throw e;
    }
    return put.whenComplete(
        (done, failure) -> {
          if (failure == null) {
            attempts.firstEnded();
          } else {
            notBegun(failure);
          }
        });
  }

  private void notBegun(Throwable why) {
    end(JobEvent.ABORTED, "it could not begin: " + why.getMessage());
    attempts.firstEnded();
  }

  /** An attempt to open the new device has come to its end. */
  private void attempted() {
    if (settlement.isOver()) {
      mirrors.forget(); // its map may have been made since
    }
    leftIsClosed();
  }

  /** Where it is over, and nobody here has the device that was left, or is about to. */
  private void leftIsClosed() {
    if (settlement.isOver() && !attempts.isUnderWay() && mirror.isEmpty()) {
      settlement.leftIsClosed(Optional.empty(), Optional.empty());
    }
  }

  private synchronized void enter() throws JobRefusedException {
    if (givenUpBefore) {
      throw new JobRefusedException(first.label() + ": it was given up before it began");
    }
    enters = true;
  }

  private static Device leader(ServedDisk served) throws DeviceException {
    return served
        .device()
        .filter(device -> served.isServing())
        .orElseThrow(
            () ->
                new DeviceException(
                    "%s has no device at present: %s"
                        .formatted(served, served.problem().orElse("it is not being served"))));
  }

  /**
   * The follower is closed when that fails: unless the mirror is the guest's, and closed with it.
   */
  private CompletableFuture<Void> put(ServedDisk served, Device leader, MirrorDevice made) {
    CompletableFuture<Void> put;
    try {
      if (!job().isActive()) {
        throw new IllegalStateException(first.label() + ": it was given up before it began");
      }
      environment.faults().at(Point.JOB_COPYING);
      served.follows(first.newSource());
      put =
          exchange(
              served,
              leader,
              () -> {
                mirror = Optional.of(made);
                return made;
              });
    } catch (RuntimeException e) {
      put = CompletableFuture.failedFuture(e);
    }
    return put.handleAsync(
        (done, failure) -> {
          if (failure == null) {
            mirrored(made);
            return null;
          }
          if (!isMirror(made)) {
            mirrors.drop(made);
          }
          throw new IllegalStateException(failure.getMessage(), failure);
        },
        environment.executor());
  }

  /**
   * Puts another device under the guest.
   *
   * @param expected that is there
   */
  private static CompletableFuture<Void> exchange(
      ServedDisk served, Device expected, Supplier<Device> other) {
    return served
        .midPoint()
        .exchange(
            present -> {
              if (present != expected) {
                throw new IllegalStateException(served + " has another device meanwhile");
              }
              Device next = other.get();
              served.device(next);
              return next;
            });
  }

  private void mirrored(MirrorDevice made) {
    boolean givenUp;
    synchronized (this) {
      givenUp = settlement.isOver();
      stage = givenUp ? stage : Stage.MIRRORED;
    }
    problem = "";
    if (givenUp) {
      made.abort();
      takeAway(made);
    } else if (disk.isEmpty()) { // it has gone just now, and the mirror with it
      endWithoutDisk(Optional.of(made));
    } else {
      goOn();
    }
  }

  private void goOn() {
    mirror.ifPresent(
        present -> {
          if (job().isActive()) {
            set(present, job().settings());
          } else {
            giveUp(present);
            look(); // it may have been given up before it was there
          }
        });
  }

  // ---- A guest that migrates

  /** It came with its guest, whose disk is served already. */
  void takeUp(ServedDisk served) {
    watch(served);
    recovered();
  }

  /** Whether it does nothing just now, as another host has its disk, or is about to. */
  private boolean rests() {
    return job().origin().goesAlong()
        ? environment.jobs().holder(key).isPresent()
        : environment.jobs().rests(key);
  }

  /** Whether nothing may go to the new device, which is not even opened. */
  private boolean mustNotOpen() {
    Optional<String> why = rests() ? Optional.of(RESTS) : job().waitsForAWord();
    why.ifPresent(words -> problem = words);
    return why.isPresent();
  }

  // ---- After a restart, or of a mid-point that begins again

  /**
   * Its disk is about to have its device again, as it is: a mirror that was around it is closed.
   * The guest does not wait for the new device, which is opened when it is {@link #recovered}.
   *
   * @param device its device
   * @return what it gets: until there is a mirror again it is noted what changes
   * @throws IllegalStateException when only a restart finds out which device is the disk
   */
  Device opened(ServedDisk served, Device device) {
    watch(served);
    if (record.isUncertain()) {
      throw new IllegalStateException(
          "whether %s or %s is the disk is in the journal, which only a restart reads"
              .formatted(job().oldSource(), job().newSource()));
    }
    switch (stage) {
      case OPENING, SETTLING -> {
        return device;
      }
      case OVER -> {
        mirrorIsClosed();
        return device;
      }
      case MIRRORED, OLD_ONLY, LEAVING -> {}
    }
    mirror = Optional.empty();
    if (job().phase() == JobPhase.SWITCHED) {
      record.oldIsClosed();
      stage = Stage.LEAVING;
      return device;
    }
    synchronized (this) {
      stage = stage == Stage.OVER ? stage : Stage.OLD_ONLY;
    }
    return mirrors.tracked(device, served.changesBefore());
  }

  /** Its mid-point serves it. */
  void recovered() {
    if (stage == Stage.OLD_ONLY) {
      retry();
    } else if (job().phase() == JobPhase.SWITCHED && stage == Stage.LEAVING) {
      settle();
      settlement.leftIsClosed(Optional.empty(), Optional.empty());
    }
  }

  private void retry() {
    disk.filter(served -> stage == Stage.OLD_ONLY).ifPresent(attempts::begin);
  }

  /** What the attempts to open the new device, and to mirror to it, are for. */
  private final class Attempted implements SwapAttempts.Owner {
    @Override
    public boolean isDue(ServedDisk served) {
      return stage == Stage.OLD_ONLY && !settlement.isOver() && !served.isEnding() && !closed;
    }

    @Override
    public boolean isGivenUp() {
      boolean isGivenUp = !job().isActive(); // while its mid-point began again
      if (isGivenUp) {
        end(JobEvent.ABORTED, job().reason());
      }
      return isGivenUp;
    }

    @Override
    public boolean mustWait() {
      return mustNotOpen();
    }

    @Override
    public CompletableFuture<Void> attempt(ServedDisk served) throws DeviceException {
      Device leader = leader(served);
      return put(served, leader, mirrors.again(leader, served.details().generation()));
    }

    @Override
    public void failed(String why) {
      problem = why;
    }

    @Override
    public void ended() {
      attempted();
    }
  }

  // ---- The switch

  @Override
  public CompletableFuture<Void> recordSwitch() {
    return record.begin();
  }

  @Override
  public void changed() {
    if (!lookDue.getAndSet(true)) {
      inBackground(this::look);
    }
  }

  private void inBackground(Runnable work) {
    try {
      environment.executor().execute(work);
    } catch (RejectedExecutionException e) {
      log.debug("{}: left for the next daemon", key);
    }
  }

  @Override
  public void followerAway(boolean lost) {
    inBackground(this::takeAwayStale);
  }

  /**
   * All is compared then: nobody knows what is lost. Not while its guest migrates, which decides
   * over the mirror; the next flush fails, too.
   */
  private void takeAwayStale() {
    MirrorDevice present = mirror.orElse(null);
    if (present == null || !job().isActive() || environment.jobs().rests(key)) {
      return;
    }
    MirrorStatus now = present.status();
    if (now.state() == MirrorState.PAUSED) {
      problem = now.reason();
      stale = Optional.of(present);
      mirrors.forget(); // nobody notes in its map what changes from now on
      giveUp(present);
    }
  }

  private boolean isStale(MirrorDevice over) {
    return stale.filter(present -> present == over).isPresent();
  }

  /** It is not under the guest any more. */
  private void openAnew(MirrorDevice over) {
    try {
      over.dissolve();
    } finally {
      if (isMirror(over)) { // else its mid-point began again since
        mirror = Optional.empty();
        synchronized (this) {
          stage = settlement.isOver() ? stage : Stage.OLD_ONLY;
        }
        environment.timer().after(pauseAnew(), this::retry);
      }
      stale = Optional.empty();
    }
  }

  private Duration pauseAnew() {
    if (!job().isActive()) {
      return Duration.ZERO; // given up just now: the attempt ends it
    }
    synchronized (pausesAnew) {
      return pausesAnew.next();
    }
  }

  private void look() {
    lookDue.set(false);
    mirror.ifPresent(
        present -> {
          switch (present.status().state()) {
            case ALONE -> leave(present);
            case ABORTED -> {
              if (job().isActive() && !isStale(present) && isMirror(present)) { // they differ
                fail(present);
              }
              leave(present);
            }
            case COPYING, PAUSED, CONVERGING, FLUSHING, SYNC, RECORDING, JOINING, DROPPING -> {
              if (present.status().state() == MirrorState.SYNC) {
                synchronized (pausesAnew) {
                  pausesAnew.reset();
                }
              }
              if (!job().isActive()) { // it was being recorded when the journal got that
                giveUp(present);
              }
            }
          }
        });
  }

  /** As far as the journal can have it: a restart that does not find it there compares again. */
  private void fail(MirrorDevice present) {
    var unused = environment.jobs().end(job(), JobEvent.FAILED, present.status().reason());
    giveUp(present);
  }

  private void leave(MirrorDevice over) {
    synchronized (this) {
      if (stage != Stage.MIRRORED) {
        return;
      }
      stage = Stage.LEAVING;
    }
    if (job().phase() == JobPhase.SWITCHED) {
      settlement.begin(); // whatever the old device still holds
    }
    var unused =
        over.left()
            .whenCompleteAsync(
                (done, closed) -> {
                  if (closed == null) {
                    takeAway(over);
                  } else {
                    isClosed(over);
                  }
                },
                environment.executor());
  }

  /** Its mid-point may be sealed just now, or begin again. */
  private void takeAway(MirrorDevice over) {
    ServedDisk served = disk.orElseThrow();
    CompletableFuture<Void> exchanged;
    try {
      if (job().phase() == JobPhase.SWITCHED) {
        environment.faults().at(Point.JOB_ALONE);
      }
      exchanged = exchange(served, over, over::survivor);
    } catch (RuntimeException e) {
      exchanged = CompletableFuture.failedFuture(e);
    }
    var unused =
        exchanged.whenCompleteAsync(
            (done, failure) -> {
              if (failure == null) {
                left(over);
              } else if (served.isEnding()) {
                over.close(); // its mid-point may not have it any more
              } else if (!closed) {
                environment.timer().after(EXCHANGE_PAUSE, () -> takeAwayAgain(over));
              }
            },
            environment.executor());
  }

  /** Unless its mid-point has closed it, and has another device or none. */
  private void takeAwayAgain(MirrorDevice over) {
    boolean isThere =
        disk.filter(served -> served.condition() != ServedDisk.Condition.FAILED)
            .flatMap(ServedDisk::device)
            .filter(device -> device == over)
            .isPresent();
    if (!isThere) {
      isClosed(over);
    } else if (isMirror(over)) {
      takeAway(over);
    }
  }

  private boolean isMirror(MirrorDevice made) {
    return mirror.filter(present -> present == made).isPresent();
  }

  /**
   * By its mid-point. What was given up ends there; one that was switched goes on with the next.
   */
  private void isClosed(MirrorDevice over) {
    if (isMirror(over) && !job().isActive()) {
      last = Optional.of(over.status());
      mirror = Optional.empty();
      end(JobEvent.ABORTED, job().reason());
      settlement.leftIsClosed(Optional.of(over), Optional.empty());
    }
  }

  /**
   * On a thread that may wait for the storage of the leg that was left. A switched job does not
   * wait for it to end; one that was given up does, so that its new device is free then.
   */
  private void left(MirrorDevice over) {
    if (isStale(over) && job().isActive()) {
      openAnew(over);
      return;
    }
    last = Optional.of(over.status());
    if (job().phase() == JobPhase.SWITCHED) {
      mirror = Optional.empty();
      settle();
      over.dissolve();
    } else {
      try {
        over.dissolve();
      } finally {
        mirror = Optional.empty();
        end(JobEvent.ABORTED, "given up");
      }
    }
    settlement.leftIsClosed(Optional.of(over), record.oldTold());
  }

  /** By its mid-point, when all else was over. */
  private void mirrorIsClosed() {
    Optional<MirrorDevice> gone = mirror;
    mirror = Optional.empty();
    gone.ifPresent(closed -> settlement.leftIsClosed(gone, record.oldTold()));
  }

  private void settle() {
    stage = Stage.SETTLING;
    problem = "";
    settlement.whenKnown(this::finish);
  }

  private void finish(String reason) {
    // Once more: from now on nobody asks the journal what its source is.
    disk.ifPresent(served -> served.switched(job().newSource()));
    end(JobEvent.FINISHED, reason);
  }

  /** The journal has it before whoever sees that it is over, and begins another job. */
  private void end(JobEvent event, String reason) {
    if (settlement.end(event, reason)) {
      synchronized (this) {
        stage = Stage.OVER;
      }
      mirrors.forget();
      disk.ifPresent(
          served -> {
            served.followsNothing();
            untrack(served);
          });
    }
  }

  /** Nobody needs to know any more what changes. Where that fails just now, it is noted in vain. */
  private static void untrack(ServedDisk served) {
    if (served.device().orElse(null) instanceof TrackedDevice tracked) {
      try {
        var unused = exchange(served, tracked, tracked::leader);
      } catch (RuntimeException e) {
        log.debug("{}: {}", served, e.getMessage());
      }
    }
  }

  // ---- What a person says

  /**
   * Gives it up, for good when it returns: whatever becomes of this daemon.
   *
   * @throws JobRefusedException when it does not fit
   * @throws JournalException when that cannot be made durable; it goes on then
   */
  void abort(String reason) throws JobRefusedException, JournalException {
    switch (stage) {
      case OPENING -> {
        if (!isGivenUpBefore()) {
          entered.join(); // the journal's own storage is all that this waits for
          abortEntered(reason);
        }
      }
      case OLD_ONLY, MIRRORED, LEAVING -> abortEntered(reason);
      case SETTLING, OVER -> throw tooLate();
    }
  }

  private synchronized boolean isGivenUpBefore() {
    if (stage == Stage.OPENING && !enters) {
      givenUpBefore = true;
      problem = "it is given up, when its storage answers";
    }
    return givenUpBefore;
  }

  private void abortEntered(String reason) throws JobRefusedException, JournalException {
    if (!environment.jobs().abort(job(), reason)) {
      throw tooLate();
    }
    problem = "it is being given up";
    boolean begins = stage == Stage.OPENING; // its mirror, if it is not there yet, is to come
    MirrorDevice present = mirror.orElse(null);
    if (present != null) {
      giveUp(present);
    } else if (!begins) { // its mid-point may begin again just now
      end(JobEvent.ABORTED, reason);
      leftIsClosed();
    }
  }

  /** The journal says so. A switch that was being recorded fails by that, and comes back here. */
  private void giveUp(MirrorDevice present) {
    if (present.abort()) {
      // What waits for its server would be waited for.
      environment.executor().execute(present.follower()::close);
    }
  }

  /** Whoever does not know of the switch yet, as he is gone for good, need not hear of it. */
  void forget() throws JournalException {
    settlement.forget();
  }

  /** As {@link SwapSettlement#awaitArrived}; nothing before the switch, and after the end. */
  void awaitArrived() throws DeviceException {
    if (job().phase() == JobPhase.SWITCHED) {
      settlement.awaitArrived();
    }
  }

  private JobRefusedException tooLate() {
    DiskJob known = job();
    return new JobRefusedException(
        switch (known.phase()) {
          case COPYING -> known.label() + ": it is being switched, or given up, just now";
          case TAKEN_OVER ->
              "%s: the disk is %s, at %s"
                  .formatted(known.label(), known.newSource(), known.origin().goesTo());
          case ABORTED -> known.label() + ": it was given up";
          case FAILED -> known.label() + ": it has failed: " + known.reason();
          case SWITCHED, DONE -> known.label() + ": the disk is " + known.newSource() + " already";
        });
  }

  /** Changes what a person may change; durable when it returns. */
  void set(UnaryOperator<DiskJob.Settings> change) throws JournalException, JobRefusedException {
    DiskJob known = job();
    if (!known.isActive()) {
      throw tooLate();
    }
    DiskJob.Settings settings = change.apply(known.settings());
    var unused = environment.jobs().set(known, settings);
    // One that is being put there gets them when it is.
    mirror.filter(present -> stage == Stage.MIRRORED).ifPresent(present -> set(present, settings));
    if (!settings.paused()) {
      retry();
    }
  }

  private void set(MirrorDevice mirror, DiskJob.Settings settings) {
    mirror.bandwidth(settings.bytesPerSecond());
    if (settings.switches()) {
      mirror.switchOver();
    }
    resting = environment.jobs().rests(key);
    if (resting) {
      var unused = mirror.holdSwitch(); // who is too late finds that the journal refuses it
    } else {
      mirror.releaseSwitch();
    }
    if (rests()) {
      mirror.pause(RESTS);
    } else if (settings.paused()) {
      mirror.pause("a person has paused it");
    } else {
      mirror.resume();
    }
  }

  // ---- Time, and the end of its disk

  void tick() {
    if (stage == Stage.MIRRORED && resting != environment.jobs().rests(key)) {
      goOn();
    }
    obeyMigration();
    mirror.ifPresent(
        present -> {
          present.tick();
          MirrorStatus now = present.status();
          rate.at(
              environment.nanoTime().getAsLong(),
              now.copiedBytes() + now.zeroBytes() + now.comparedBytes());
        });
  }

  /** A migration of its guest has decided over it, while it had nothing that would tell it. */
  private void obeyMigration() {
    DiskJob known = job();
    boolean isDecided = known.phase() == JobPhase.TAKEN_OVER || known.isGivenUp();
    if (!known.origin().goesAlong() || !isDecided) {
      return;
    }
    if (disk.isEmpty()) {
      switch (stage) {
        case MIRRORED, OLD_ONLY, LEAVING -> goOnWithoutDisk();
        case OPENING, SETTLING, OVER -> {}
      }
    } else if (stage == Stage.MIRRORED && known.isGivenUp()) {
      goOn(); // without the new device
    } else if (stage == Stage.OLD_ONLY && known.isGivenUp()) {
      end(JobEvent.ABORTED, known.reason());
      leftIsClosed();
    }
  }

  /** Hears of the end of its disk, also where that has gone elsewhere and is only kept here. */
  void watch(ServedDisk served) {
    disk = Optional.of(served);
    var unused = served.gone().thenRunAsync(() -> diskGone(served), environment.executor());
  }

  private void diskGone(ServedDisk served) {
    if (closed || disk.filter(present -> present == served).isEmpty()) {
      return;
    }
    disk = Optional.empty();
    mirror.ifPresent(gone -> last = Optional.of(gone.status()));
    switch (stage) {
      case MIRRORED, OLD_ONLY, LEAVING -> {
        Optional<MirrorDevice> gone = mirror;
        mirror = Optional.empty();
        endWithoutDisk(gone);
      }
      case OPENING, SETTLING, OVER -> mirrorIsClosed(); // it cannot begin; or does not need it
    }
  }

  /** Also of one that was found, and whose disk was not. */
  void goOnWithoutDisk() {
    endWithoutDisk(Optional.empty());
  }

  /**
   * What its disk was is closed, or was another daemon's.
   *
   * @param gone its mirror, closed
   */
  private void endWithoutDisk(Optional<MirrorDevice> gone) {
    if (record.isUncertain()) {
      return; // the next daemon does
    }
    JobPhase known = job().phase();
    if (known == JobPhase.SWITCHED || known == JobPhase.TAKEN_OVER) {
      settle();
      settlement.leftIsClosed(gone, record.oldTold());
    } else {
      end(JobEvent.ABORTED, withoutGuest()); // unless its migration decides
      if (gone.isPresent()) {
        settlement.leftIsClosed(gone, Optional.empty());
      } else {
        leftIsClosed();
      }
    }
  }

  /** Its disk, which has gone to another host, is about to be here again. */
  void comesBack() {
    finish("its disk comes back");
    leftIsClosed();
  }

  /** Why the new device has not all that the guest was told is written; empty when it has. */
  String notAlike() {
    String words = job().newSource() + " is not in sync";
    MirrorDevice present = mirror.orElse(null);
    MirrorStatus now = present == null ? null : present.status();
    if (now != null && now.state() == MirrorState.SYNC) {
      Device copy = present.follower();
      // The mirror may not have noticed yet; of one that is away nobody knows what it has lost.
      return copy.hasLostWrites()
          ? words + ": it has lost writes that were not flushed"
          : copy.problem().map(away -> words + ": " + away).orElse("");
    }
    String why = problem.isEmpty() && now != null ? now.reason() : problem;
    return why.isEmpty() ? words : words + ": " + why;
  }

  private String withoutGuest() {
    DiskJob.Origin origin = job().origin();
    Optional<String> holder = environment.jobs().holder(key);
    boolean endsHere =
        origin.follows() || (origin.goesAlong() && !holder.equals(Optional.of(origin.goesTo())));
    String words =
        endsHere ? "its guest has gone to %s" : "its guest has gone to %s, and the job with it";
    return holder.map(words::formatted).orElse("its guest does not run here any more");
  }

  /** The daemon ends: the next one goes on. */
  void close() {
    closed = true;
    settlement.close();
    record.close();
  }
}
