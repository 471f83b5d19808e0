package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.DiskKey;
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
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.MirrorStatus;
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
 *   OPENING --both devices open, the job in the journal, the mirror under the guest--> MIRRORED
 *      +--refused, given up, or its storage fails: there never was a job
 *
 *   found COPYING, or its mid-point begins again: OLD_ONLY
 *   OLD_ONLY --the new device opens: tried at once, 1 s, 2 s ... 30 s--> MIRRORED, and all is copied
 *                                                                        again
 *
 *   MIRRORED --recorded: the new device is the disk; nothing is left at the old one--> LEAVING
 *   OPENING, MIRRORED --the journal has that a person gives it up--> LEAVING, as soon as it can
 *   OLD_ONLY --likewise--> OVER
 *   LEAVING --the mirror is taken away from under the guest--> SETTLING, or OVER when given up
 *      +--given up, and its mid-point has ended or closed the mirror--> OVER
 *   found SWITCHED: LEAVING --its device opens--> SETTLING --who else has to know does--> OVER
 *                                                       the old device's server may learn it later
 *
 *   came with its guest: OLD_ONLY, from the end of the migration on
 *
 *   any --the guest's disk has gone--> SETTLING when it was recorded, else OVER
 * </pre>
 *
 * While its guest migrates it rests: MIRRORED without a copy, OLD_ONLY without an attempt.
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

  private static final String FORGOTTEN = "a person says that the others need not know it";

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
      BufferBudget buffers,
      Executor executor,
      Timer timer,
      LongSupplier nanoTime,
      ToLongFunction<DiskKey> generation,
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
  private final DiskKey key;
  private final NewDevice newDevice;
  private final SwitchRecord record;
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

  /** Whether an attempt to open the new device is under way, or to come: two would be rivals. */
  private final AtomicBoolean retrying = new AtomicBoolean();

  /** What keeps it, beside what the mirror says; empty when nothing does. */
  private volatile String problem = "";

  /** Whether it goes into the journal, or is given up: what comes first. Guarded by this. */
  private boolean enters;

  private boolean givenUpBefore;

  /** Completes when the journal has it, or never will. */
  private final CompletableFuture<Void> entered = new CompletableFuture<>();

  /** As the mirror said last; it has gone since. */
  private volatile Optional<MirrorStatus> last = Optional.empty();

  private volatile boolean closed;

  /** A person says that the old device is the disk's as well as any other. */
  private volatile boolean forgotten;

  private SwapRunner(Environment environment, DiskJob first, Stage stage) {
    this.environment = environment;
    this.first = first;
    this.key = first.disk();
    this.newDevice = new NewDevice(environment, key, first.newSource());
    this.record =
        new SwitchRecord(
            environment, this::job, () -> disk, () -> mirror, words -> problem = words);
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
          case SWITCHED -> Stage.LEAVING;
          case DONE, ABORTED -> Stage.OVER;
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

  DiskKey key() {
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

  CopyRate rate() {
    return rate;
  }

  // ---- The begin

  /**
   * Opens the new device and puts the mirror under the guest. May wait for the storage.
   *
   * @return completes when all that was issued before has ended, and copying begins
   * @throws DeviceException when the new device cannot take the old one's place
   */
  CompletableFuture<Void> begin(ServedDisk served, boolean followerIsZero)
      throws DeviceException, JournalException, JobRefusedException {
    watch(served);
    Device leader = leader(served);
    environment.notes().becomesCopy(key, first.newSource());
    MirrorDevice made =
        mirror(leader, newDevice.open(newDevice.generation(served)), followerIsZero);
    try {
      enter();
      environment.jobs().begin(first);
    } catch (JournalException | JobRefusedException | RuntimeException e) {
      drop(made);
      throw e;
    } finally {
      entered.complete(null);
    }
    return put(served, leader, made)
        .whenComplete(
            (done, failure) -> {
              if (failure != null) {
                end(JobEvent.ABORTED, "it could not begin: " + failure.getMessage());
              }
            });
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
   * One that is under nobody yet.
   *
   * @throws IllegalArgumentException when the follower does not fit; it is closed then
   */
  private MirrorDevice mirror(Device leader, Device follower, boolean followerIsZero) {
    DiskJob.Settings settings = job().settings();
    try {
      return new MirrorDevice(
          leader,
          follower,
          new MirrorSettings(
              followerIsZero,
              false,
              settings.switches(),
              settings.mayThrottle(),
              MirrorSettings.LEG_TIMEOUT),
          environment.buffers(),
          this,
          environment.nanoTime());
    } catch (RuntimeException e) {
      follower.close();
      throw e;
    }
  }

  /**
   * The follower is closed when that fails: unless the mirror is the guest's, and closed with it.
   */
  private CompletableFuture<Void> put(ServedDisk served, Device leader, MirrorDevice made) {
    CompletableFuture<Void> put;
    try {
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
            drop(made);
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
      givenUp = stage == Stage.OVER;
      stage = givenUp ? stage : Stage.MIRRORED;
    }
    problem = "";
    if (givenUp) {
      made.abort();
      takeAway(made);
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
    if (stage == Stage.OLD_ONLY) {
      retry(served);
    }
  }

  /** Whether nothing may go to the new device, which is not even opened. */
  private boolean mustNotOpen() {
    Optional<String> why =
        environment.jobs().rests(key) ? Optional.of(RESTS) : job().waitsForAWord();
    why.ifPresent(words -> problem = words);
    return why.isPresent();
  }

  // ---- After a restart, or of a mid-point that begins again

  /**
   * Its disk is about to have its device again, as it is: a mirror that was around it is closed.
   * The guest does not wait for the new device, which is opened when it is {@link #recovered}.
   *
   * @throws IllegalStateException when only a restart finds out which device is the disk
   */
  void opened(ServedDisk served) {
    watch(served);
    if (record.isUncertain()) {
      throw new IllegalStateException(
          "whether %s or %s is the disk is in the journal, which only a restart reads"
              .formatted(job().oldSource(), job().newSource()));
    }
    switch (stage) {
      case OPENING, SETTLING, OVER -> {
        return;
      }
      case MIRRORED, OLD_ONLY, LEAVING -> {}
    }
    mirror = Optional.empty();
    if (job().phase() == JobPhase.SWITCHED) {
      record.oldIsClosed();
      stage = Stage.LEAVING;
      return;
    }
    synchronized (this) {
      stage = stage == Stage.OVER ? stage : Stage.OLD_ONLY;
    }
  }

  /** One that nobody uses: its leader is the guest's, and stays open. */
  private static void drop(MirrorDevice made) {
    made.abort();
    made.dissolve();
  }

  /** Its mid-point serves it. */
  void recovered() {
    if (stage == Stage.OLD_ONLY) {
      disk.ifPresent(this::retry);
    } else if (job().phase() == JobPhase.SWITCHED && stage == Stage.LEAVING) {
      settle();
    }
  }

  private void retry(ServedDisk served) {
    if (!retrying.getAndSet(true)) {
      environment
          .executor()
          .execute(() -> tryAgain(served, new Backoff(FIRST_PAUSE, LONGEST_PAUSE)));
    }
  }

  private boolean isToBeTried(ServedDisk served) {
    return stage == Stage.OLD_ONLY && !served.isEnding() && !closed;
  }

  /** Its mid-point may have begun again since this was looked at. */
  private void doNotRetry(ServedDisk served) {
    retrying.set(false);
    if (isToBeTried(served)) {
      retry(served);
    }
  }

  private void later(ServedDisk served, Backoff pauses) {
    environment.timer().after(pauses.next(), () -> tryAgain(served, pauses));
  }

  private void tryAgain(ServedDisk served, Backoff pauses) {
    if (!isToBeTried(served)) {
      doNotRetry(served);
      return;
    }
    if (mustNotOpen()) {
      pauses.reset();
      later(served, pauses);
      return;
    }
    try {
      Device leader = leader(served);
      Device follower = newDevice.open(served.details().generation());
      MirrorDevice made = mirror(leader, follower, false);
      var unused =
          put(served, leader, made)
              .whenComplete(
                  (done, failure) -> {
                    if (failure == null) {
                      doNotRetry(served);
                    } else {
                      problem = failure.getMessage();
                      later(served, pauses);
                    }
                  });
    } catch (DeviceException | RuntimeException e) {
      problem = e.getMessage();
      log.info("{}: not mirrored yet: {}", job().label(), e.getMessage());
      later(served, pauses);
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
      try {
        environment.executor().execute(this::look);
      } catch (RejectedExecutionException e) {
        log.debug("{}: left for the next daemon", key);
      }
    }
  }

  private void look() {
    lookDue.set(false);
    mirror.ifPresent(
        present -> {
          switch (present.status().state()) {
            case ALONE, ABORTED -> leave(present);
            case COPYING, PAUSED, CONVERGING, FLUSHING, SYNC, RECORDING, JOINING, DROPPING -> {
              if (!job().isActive()) { // it was being recorded when the journal got that
                giveUp(present);
              }
            }
          }
        });
  }

  private void leave(MirrorDevice over) {
    synchronized (this) {
      if (stage != Stage.MIRRORED) {
        return;
      }
      stage = Stage.LEAVING;
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
    if (isMirror(over) && job().phase() == JobPhase.ABORTED) {
      last = Optional.of(over.status());
      mirror = Optional.empty();
      end(JobEvent.ABORTED, job().reason());
    }
  }

  /** On a thread that may wait for the storage of the leg that was left. */
  private void left(MirrorDevice over) {
    last = Optional.of(over.status());
    mirror = Optional.empty();
    if (job().phase() == JobPhase.SWITCHED) {
      settle();
    } else {
      end(JobEvent.ABORTED, "given up");
    }
    over.dissolve();
  }

  /** Makes known where the disk is. The old device's server may be gone: no end waits for that. */
  private void settle() {
    stage = Stage.SETTLING;
    problem = "";
    DiskJob switched = job();
    CompletableFuture<Void> named = new CompletableFuture<>();
    environment.metadata().name(switched, () -> named.complete(null));
    if (forgotten) {
      finish(FORGOTTEN);
      return;
    }
    SwitchNotes notes = environment.notes();
    notes.left(switched, record.oldTold(), newDevice.user(), this::tells);
    CompletableFuture<Void> arrived =
        notes.arrived(
            switched,
            () -> disk.flatMap(ServedDisk::device),
            newDevice::user,
            this::tells,
            why -> problem = why);
    var unused =
        CompletableFuture.allOf(named, arrived)
            .thenRunAsync(() -> finish("all know it"), environment.executor());
  }

  /** Whether others are still to hear of the switch. */
  private boolean tells() {
    return !closed && !forgotten;
  }

  private void finish(String reason) {
    // Once more: from now on nobody asks the journal what its source is.
    disk.ifPresent(served -> served.switched(job().newSource()));
    end(JobEvent.FINISHED, reason);
  }

  private void end(JobEvent event, String reason) {
    synchronized (this) {
      if (stage == Stage.OVER) {
        return;
      }
      stage = Stage.OVER;
    }
    var unused = environment.jobs().end(job(), event, reason);
    disk.ifPresent(ServedDisk::followsNothing);
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
      case OLD_ONLY, MIRRORED -> abortEntered(reason);
      case LEAVING, SETTLING, OVER -> throw tooLate();
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
    boolean opening = stage == Stage.OPENING; // its mirror, if it is not there yet, is to come
    MirrorDevice present = mirror.orElse(null);
    if (present != null) {
      giveUp(present);
    } else if (!opening) { // its mid-point may begin again just now
      end(JobEvent.ABORTED, reason);
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
    environment.jobs().forget(key);
    forgotten = true;
    if (stage == Stage.SETTLING) {
      finish(FORGOTTEN);
    }
  }

  private JobRefusedException tooLate() {
    DiskJob known = job();
    return new JobRefusedException(
        switch (known.phase()) {
          case COPYING -> known.label() + ": it is being switched, or given up, just now";
          case ABORTED -> known.label() + ": it was given up";
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
      disk.filter(served -> stage == Stage.OLD_ONLY).ifPresent(this::retry);
    }
  }

  private void set(MirrorDevice mirror, DiskJob.Settings settings) {
    mirror.bandwidth(settings.bytesPerSecond());
    if (settings.switches()) {
      mirror.switchOver();
    }
    resting = environment.jobs().rests(key);
    if (resting) {
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
    mirror.ifPresent(
        present -> {
          present.tick();
          MirrorStatus now = present.status();
          rate.at(environment.nanoTime().getAsLong(), now.copiedBytes() + now.zeroBytes());
        });
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
    mirror = Optional.empty();
    switch (stage) {
      case MIRRORED, OLD_ONLY, LEAVING -> goOnWithoutDisk();
      case OPENING, SETTLING, OVER -> {} // it cannot begin; or does not need it
    }
  }

  /** Also of one that was found, and whose disk was not. */
  void goOnWithoutDisk() {
    if (record.isUncertain()) {
      return; // the next daemon does
    }
    if (job().phase() == JobPhase.SWITCHED) {
      settle();
    } else {
      end(JobEvent.ABORTED, withoutGuest());
    }
  }

  private String withoutGuest() {
    String words =
        job().origin().follows()
            ? "its guest has gone to %s"
            : "its guest has gone to %s, and the job with it";
    return environment
        .jobs()
        .holder(key)
        .map(words::formatted)
        .orElse("its guest does not run here any more");
  }

  /** The daemon ends: the next one goes on. */
  void close() {
    closed = true;
    record.close();
  }
}
