package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.DiskKey;
import io.netchannel.coordinator.JobEvent;
import io.netchannel.coordinator.JobPhase;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.UncertainJournalException;
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
import java.util.concurrent.TimeUnit;
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
 *      +--refused, or its storage fails: there never was a job
 *
 *   found COPYING --the new device opens at once--> MIRRORED, and all is copied again
 *        +--it does not--> OLD_ONLY --it opens, later--> MIRRORED
 *
 *   MIRRORED --recorded: the new device is the disk; nothing is left at the old one--> LEAVING
 *   MIRRORED, OLD_ONLY --a person gives it up--> LEAVING
 *   LEAVING --the mirror is taken away from under the guest--> SETTLING, or OVER when given up
 *   found SWITCHED: LEAVING --its device opens--> SETTLING --who else has to know does--> OVER
 *
 *   came with its guest: OLD_ONLY, from the end of the migration on
 *
 *   any --the guest's disk has gone--> SETTLING when it was recorded, else OVER
 * </pre>
 *
 * While its guest migrates it rests: MIRRORED without a copy, OLD_ONLY without an attempt.
 *
 * <p>Until the record the old device is the disk, and all that can fail here leaves it so. Its lock
 * is held for microseconds; storage, the journal and the mid-point are waited for without it.
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
      MidPoints.GenerationClaim generations,
      BufferBudget buffers,
      Executor executor,
      Timer timer,
      LongSupplier nanoTime,
      ToLongFunction<DiskKey> generation,
      SwitchNotes notes,
      JobMetadata metadata) {}

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
  private final CopyRate rate = new CopyRate();
  private final AtomicBoolean lookDue = new AtomicBoolean();

  /** Whether the new device is being opened for a mirror: once at a time. */
  private final AtomicBoolean trying = new AtomicBoolean();

  /** Whether the mirror was told to rest, as its guest migrates. */
  private volatile boolean resting;

  private volatile Stage stage;

  /** As it was when this began; what it is now the journal says, once it has it. */
  private final DiskJob first;

  /** Which disk of the guest's lives; empty when the guest is not here. */
  private volatile Optional<ServedDisk> disk = Optional.empty();

  private volatile Optional<MirrorDevice> mirror = Optional.empty();

  /** The mirror's legs; whether the leader's authority knows of the switch, once it was told. */
  private volatile Optional<Device> old = Optional.empty();

  private volatile Optional<Device> fresh = Optional.empty();

  private volatile Optional<CompletableFuture<Void>> oldTold = Optional.empty();

  /** What keeps it, beside what the mirror says; empty when nothing does. */
  private volatile String problem = "";

  /** Why it was given up, once it is. */
  private volatile String abortReason = "given up";

  /** As the mirror said last; it has gone since. */
  private volatile Optional<MirrorStatus> last = Optional.empty();

  private volatile boolean closed;

  private SwapRunner(Environment environment, DiskJob first, Stage stage) {
    this.environment = environment;
    this.first = first;
    this.key = first.disk();
    this.newDevice = new NewDevice(environment, key, first.newSource());
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
    MirrorDevice made =
        mirror(leader, newDevice.open(newDevice.generation(served)), followerIsZero);
    try {
      environment.jobs().begin(first);
    } catch (JournalException | JobRefusedException | RuntimeException e) {
      drop(made);
      throw e;
    }
    return put(served, leader, made)
        .whenComplete(
            (done, failure) -> {
              if (failure != null) {
                end(JobEvent.ABORTED, "it could not begin: " + failure.getMessage());
              }
            });
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
    MirrorDevice made;
    try {
      made =
          new MirrorDevice(
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
    old = Optional.of(leader);
    fresh = Optional.of(follower);
    return made;
  }

  /**
   * The follower is closed when that fails: unless the mirror is the guest's, and closed with it.
   */
  private CompletableFuture<Void> put(ServedDisk served, Device leader, MirrorDevice made) {
    CompletableFuture<Void> put;
    try {
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
          if (mirror.isEmpty()) {
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
    mirror.ifPresent(present -> set(present, job().settings()));
  }

  // ---- A guest that migrates

  /** It came with its guest, whose disk is served already. */
  void takeUp(ServedDisk served) {
    watch(served);
    if (stage == Stage.OLD_ONLY) {
      tryAgainSoon(served);
    }
  }

  /** Whether nothing may go to the new device, which is not even opened. */
  private boolean mustNotOpen() {
    Optional<String> why =
        environment.jobs().rests(key) ? Optional.of(RESTS) : job().waitsForAWord();
    why.ifPresent(words -> problem = words);
    return why.isPresent();
  }

  private void tryAgainSoon(ServedDisk served) {
    environment.executor().execute(() -> tryAgain(served, new Backoff(FIRST_PAUSE, LONGEST_PAUSE)));
  }

  // ---- After a restart, or of a mid-point that begins again

  /**
   * Puts the mirror around a device that was just opened for its disk. Waits for the new device's
   * storage, but not longer than a bound: the guest waits.
   *
   * @param opened what the journal says is the disk
   * @param sealed the guest is about to leave: nothing is put around its disk
   */
  Device around(ServedDisk served, Device opened, long generation, boolean sealed) {
    watch(served);
    switch (stage) {
      case OPENING, SETTLING, OVER -> {
        return opened;
      }
      case MIRRORED, OLD_ONLY, LEAVING -> {}
    }
    mirror = Optional.empty(); // its legs are closed
    old = Optional.empty();
    if (job().phase() == JobPhase.SWITCHED) {
      oldTold = Optional.empty(); // that device is closed
      stage = Stage.LEAVING;
      return opened;
    }
    if (sealed || mustNotOpen()) {
      oldOnly(served);
      return opened;
    }
    MirrorDevice made;
    try {
      made = mirror(opened, newDevice.openAgain(generation), false);
    } catch (DeviceException | RuntimeException e) {
      problem = e.getMessage();
      oldOnly(served);
      return opened;
    }
    boolean givenUp;
    synchronized (this) {
      givenUp = stage == Stage.OVER;
      if (!givenUp) {
        stage = Stage.MIRRORED;
        mirror = Optional.of(made);
      }
    }
    if (givenUp) {
      drop(made);
      return opened;
    }
    served.follows(job().newSource());
    return made;
  }

  /** One that nobody uses: its leader is the guest's, and stays open. */
  private static void drop(MirrorDevice made) {
    made.abort();
    made.dissolve();
  }

  /** Its requests in flight have been issued again, through the mirror: copying may go on. */
  void recovered() {
    if (stage == Stage.MIRRORED) {
      goOn();
    } else if (job().phase() == JobPhase.SWITCHED && stage == Stage.LEAVING) {
      var unused = settle();
    }
  }

  private void oldOnly(ServedDisk served) {
    synchronized (this) {
      if (stage == Stage.OVER) {
        return;
      }
      stage = Stage.OLD_ONLY;
    }
    later(served, new Backoff(FIRST_PAUSE, LONGEST_PAUSE));
  }

  private void later(ServedDisk served, Backoff pauses) {
    environment.timer().after(pauses.next(), () -> tryAgain(served, pauses));
  }

  private void tryAgain(ServedDisk served, Backoff pauses) {
    if (stage != Stage.OLD_ONLY || served.isEnding() || closed) {
      return;
    }
    if (mustNotOpen()) {
      pauses.reset();
      later(served, pauses);
      return;
    }
    if (trying.getAndSet(true)) {
      return; // a resume came just now, or a pause ended
    }
    try {
      Device leader = leader(served);
      Device follower = newDevice.open(served.details().generation());
      MirrorDevice made = mirror(leader, follower, false);
      var unused =
          put(served, leader, made)
              .whenComplete(
                  (done, failure) -> {
                    trying.set(false);
                    if (failure != null) {
                      problem = failure.getMessage();
                      later(served, pauses);
                    }
                  });
    } catch (DeviceException | RuntimeException e) {
      trying.set(false);
      problem = e.getMessage();
      log.info("{}: not mirrored yet: {}", job().label(), e.getMessage());
      later(served, pauses);
    }
  }

  // ---- The switch

  @Override
  public CompletableFuture<Void> recordSwitch() {
    CompletableFuture<Void> recorded = new CompletableFuture<>();
    try {
      environment.executor().execute(() -> record(recorded));
    } catch (RejectedExecutionException e) {
      recorded.completeExceptionally(new IllegalStateException("the daemon is shutting down", e));
    }
    return recorded;
  }

  private void record(CompletableFuture<Void> recorded) {
    DiskJob switched;
    try {
      switched = environment.jobs().switched(job());
    } catch (UncertainJournalException e) {
      // Whether a restart finds it nobody knows. Until then both devices have all that is answered,
      // so either may be found to be the disk.
      problem = e.getMessage();
      log.error("{}: in sync, and stays so: {}", job().label(), e.getMessage());
      return;
    } catch (JournalException | JobRefusedException | RuntimeException e) {
      recorded.completeExceptionally(e);
      return;
    }
    disk.ifPresent(served -> served.switched(switched.newSource()));
    CompletableFuture<Void> told =
        old.map(device -> device.moved(switched.newSource()))
            .orElseGet(() -> CompletableFuture.completedFuture(null));
    oldTold = Optional.of(told);
    // Nothing goes to the new device alone before, if that can be.
    var unused =
        told.copy()
            .orTimeout(SwitchNotes.WHILE_RECORDING.toMillis(), TimeUnit.MILLISECONDS)
            .whenComplete((done, untold) -> recorded.complete(null));
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
            case COPYING, PAUSED, CONVERGING, FLUSHING, SYNC, RECORDING -> {}
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
    var unused = over.left().thenRunAsync(() -> takeAway(over), environment.executor());
  }

  /** Its mid-point may be sealed just now, or begin again. */
  private void takeAway(MirrorDevice over) {
    ServedDisk served = disk.orElseThrow();
    CompletableFuture<Void> exchanged;
    try {
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

  /** Unless its mid-point has closed it, and has another device. */
  private void takeAwayAgain(MirrorDevice over) {
    if (mirror.filter(present -> present == over).isPresent()) {
      takeAway(over);
    }
  }

  /** On a thread that may wait for the storage of the leg that was left. */
  private void left(MirrorDevice over) {
    last = Optional.of(over.status());
    mirror = Optional.empty();
    if (job().phase() == JobPhase.SWITCHED) {
      // The old device may take its time to be told, and to close.
      var unused = settle().thenRunAsync(over::dissolve, environment.executor());
    } else {
      end(JobEvent.ABORTED, abortReason);
      over.dissolve();
    }
  }

  /**
   * Makes known where the disk is.
   *
   * @return completes when the old device is not needed for that any more
   */
  private CompletableFuture<Void> settle() {
    stage = Stage.SETTLING;
    problem = "";
    DiskJob switched = job();
    CompletableFuture<Void> named = new CompletableFuture<>();
    environment.metadata().name(switched, () -> named.complete(null));
    SwitchNotes notes = environment.notes();
    CompletableFuture<Void> left = notes.left(switched, oldTold, newDevice::user);
    CompletableFuture<Void> arrived =
        notes.arrived(
            switched,
            () -> disk.flatMap(ServedDisk::device),
            newDevice::user,
            () -> !closed,
            why -> problem = why);
    var unused =
        CompletableFuture.allOf(named, left, arrived)
            .thenRunAsync(this::finish, environment.executor());
    return left;
  }

  private void finish() {
    // Once more: from now on nobody asks the journal what its source is.
    disk.ifPresent(served -> served.switched(job().newSource()));
    end(JobEvent.FINISHED, "all know it");
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
   * @throws JobRefusedException when it does not fit
   */
  void abort(String reason) throws JobRefusedException {
    switch (stage) {
      case OPENING -> throw new JobRefusedException("it is being opened; try again soon");
      case OLD_ONLY -> end(JobEvent.ABORTED, reason);
      case MIRRORED -> {
        abortReason = reason;
        MirrorDevice present = mirror.orElse(null);
        if (present == null) { // its mid-point begins again just now
          end(JobEvent.ABORTED, reason);
        } else if (present.abort()) {
          problem = "it is being given up";
          // What waits for its server would be waited for.
          fresh.ifPresent(follower -> environment.executor().execute(follower::close));
        } else {
          throw tooLate();
        }
      }
      case LEAVING, SETTLING, OVER -> throw tooLate();
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
      disk.filter(served -> stage == Stage.OLD_ONLY).ifPresent(this::tryAgainSoon);
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
    if (job().phase() == JobPhase.SWITCHED) {
      var unused = settle();
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
  }
}
