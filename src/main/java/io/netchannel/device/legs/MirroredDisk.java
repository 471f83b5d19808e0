package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import io.netchannel.device.Inheritance;
import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorOwner;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.device.mirror.MirrorStatus;
import io.netchannel.device.mirror.UnknownSwitchException;
import io.netchannel.time.Backoff;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A disk with two legs, as its guest uses it: a lasting {@link MirrorDevice}, what is recorded of
 * it, and legs that are opened again when they are back. States are in the package's description.
 *
 * <p>What may wait for another host runs on the executor; one record is made at a time, and that of
 * the end only when none can follow.
 */
final class MirroredDisk implements Mirrors.Added, MirrorOwner {
  private static final Logger log = LoggerFactory.getLogger(MirroredDisk.class);

  /** What a mirror does by time it does within tenths of a second. */
  private static final Duration TICK = Duration.ofMillis(100);

  /** The guest has gone; without it the next start compares the legs. */
  private static final long LAST_FLUSH_SECONDS = 5;

  /** What the guest has left under way ends while the first ones are made. */
  private static final int LAST_FLUSHES = 8;

  private static final long LAST_RECORD_SECONDS = 5;

  private final Mirrors.Environment environment;
  private final Consumer<MirroredDisk> whenClosed;
  private final String user;
  private final Leg first;
  private final Leg second;
  private final MirrorDevice mirror;
  private final MirrorKeepers keepers;
  private final LegReleases releases;
  private final AtomicBoolean closing = new AtomicBoolean();
  private Runnable beginning = () -> {};

  /** The follower's device, until it has begun. */
  private Optional<Device> spare = Optional.empty();

  private volatile boolean keepsPlace;

  /** Whether its legs may be other ones than those that it was given. */
  private volatile boolean changed;

  private volatile boolean closed;

  /**
   * Whether the only leg that was up to date has lost writes: its copy would call them durable. No
   * flush succeeds any more until the disk is opened anew.
   */
  private volatile boolean hasLost;

  /** Of the leg that is away; one after the other has it. */
  private final LegReturns returns;

  /** Under way, or done and not acted upon. */
  private final AtomicReference<LegDrop> dropping = new AtomicReference<>();

  /**
   * Whether the user's disk is elsewhere, and the legs are a copy of it, or become one: their
   * authorities let nobody start from them. A leg's is told otherwise when it is behind, as its
   * record says.
   */
  private volatile boolean elsewhere;

  /** Rests where another host may go on with the legs: what that takes from here is no failure. */
  private final WorkingTime time;

  /**
   * Around legs of which the leader is there.
   *
   * @param anew whether it becomes a copy of the user's disk, which is elsewhere
   * @param keepers know what is recorded
   * @param releases of places that a server keeps after the end
   * @param mirror makes it, owned by this one; it has not begun
   * @param whenClosed told once
   */
  MirroredDisk(
      Mirrors.Environment environment,
      String user,
      boolean anew,
      Leg leader,
      Leg follower,
      MirrorKeepers keepers,
      LegReleases releases,
      Made mirror,
      Consumer<MirroredDisk> whenClosed) {
    this.environment = environment;
    this.user = user;
    this.elsewhere = anew;
    this.first = leader;
    this.second = follower;
    this.keepers = keepers;
    this.releases = releases;
    this.whenClosed = whenClosed;
    this.time = new WorkingTime(environment.nanoTime());
    this.mirror = mirror.by(this, time);
    this.returns = new LegReturns(environment, user, keepers, time, new ReturnsTo());
  }

  /** Makes the mirror of the legs. */
  @FunctionalInterface
  interface Made {
    MirrorDevice by(MirrorOwner owner, LongSupplier nanoTime);
  }

  /**
   * Both legs are alike, as soon as it begins.
   *
   * @param handedOver whether the record is that of the host before, which may yet go on
   */
  void willBeInSync(boolean handedOver) {
    changed = !handedOver;
    returns.areInSync();
    beginning = mirror::beginInSync;
  }

  /**
   * The leader is the disk; when it begins the follower gets what it lacks, as soon as that is
   * there.
   *
   * @param opened the follower's device, or empty where that is not to be had yet
   * @param left what the user before may have left there
   */
  void willCopy(Optional<Device> opened, Optional<Inheritance> left) {
    changed = true;
    spare = opened;
    beginning = () -> returns.begin(opened, left);
  }

  @Override
  public void begin() {
    beginning.run();
    tickLater();
  }

  @Override
  public void drop() {
    closing.set(true);
    closed = true;
    whenClosed.accept(this);
    Leg added = (Leg) mirror.follower();
    spare.ifPresent(device -> releases.close(user, keepers.generation(), added.source(), device));
    var unusedForgotten = keepers.forget();
    var unused = mirror.abort();
    mirror.dissolve();
  }

  String user() {
    return user;
  }

  /**
   * Whether a process after this one goes on with it, and with its map: not where the disk is
   * elsewhere. What was left only hears where that is; what becomes the disk is opened anew.
   */
  boolean keepsPlace() {
    return keepsPlace && !elsewhere;
  }

  MirrorStatus status() {
    return mirror.status();
  }

  MirrorRecord record() {
    return keepers.record();
  }

  /** Both, in no order. */
  ImmutableList<Leg> legs() {
    return ImmutableList.of(first, second);
  }

  private void tickLater() {
    environment.later().run(TICK, this::tick);
  }

  private void tick() {
    if (!closed) {
      try {
        if (!time.rests()) {
          mirror.tick();
          lookAtLegs();
          LegDrop drop = dropping.get();
          if (drop != null && !drop.alone().isDone()) {
            goOnDropping(drop);
          }
        }
      } finally {
        tickLater();
      }
    }
  }

  /**
   * One whose server is away is not waited for either, also where nothing is under way there; and
   * one whose host has lost its memory is not read.
   */
  private void lookAtLegs() {
    long now = time.getAsLong();
    first.look(now);
    second.look(now);
    long limit = environment.legTimeout().toNanos();
    boolean firstAway = first.awayNanos() > limit;
    boolean firstLost = first.hasLostWrites();
    if (firstLost != second.hasLostWrites()) {
      mirror.legFails(firstLost ? first : second, "it has lost what was not flushed there");
    } else if (firstAway != second.awayNanos() > limit) {
      Leg away = firstAway ? first : second;
      mirror.legFails(away, away.problem().orElse("its server is away"));
    }
  }

  // ---- Records

  @Override
  public CompletableFuture<Void> recordMembers(Members members) {
    Leg leader = (Leg) mirror.leader();
    Leg follower = (Leg) mirror.follower();
    if (members == Members.BOTH && leader.hasLostWrites()) {
      hasLost = true;
    }
    ImmutableList<String> sources =
        switch (members) {
          case LEADER -> ImmutableList.of(leader.source());
          case FOLLOWER -> ImmutableList.of(follower.source());
          case BOTH -> ImmutableList.of(leader.source(), follower.source());
        };
    CompletableFuture<Void> recorded = new CompletableFuture<>();
    var unused =
        keepers
            .record(sources)
            .whenComplete(
                (done, failure) -> {
                  if (failure == null) {
                    log.info("{}: {}", user, keepers.record());
                    if (members == Members.BOTH) {
                      returns.areInSync();
                    }
                    recorded.complete(null);
                  } else if (failure instanceof Authority.UntoldException) {
                    log.warn(
                        "{}: whether {} was recorded as up to date is unknown: {}",
                        user,
                        String.join(" and ", sources),
                        failure.getMessage());
                    recorded.completeExceptionally(
                        new UnknownSwitchException(failure.getMessage(), failure));
                  } else {
                    log.warn(
                        "{}: that {} is up to date could not be recorded: {}",
                        user,
                        String.join(" and ", sources),
                        failure.getMessage());
                    recorded.completeExceptionally(failure);
                  }
                });
    return recorded;
  }

  /** Neither leg takes the other's place for good. */
  @Override
  public CompletableFuture<Void> recordSwitch() {
    return CompletableFuture.failedFuture(new IllegalStateException(user + " is not switched"));
  }

  // ---- A leg that a person drops

  @Override
  public CompletableFuture<Mirrors.Remaining> drop(Optional<String> leg) throws DeviceException {
    if (dropping.get() == null) {
      var unused = dropping.compareAndSet(null, dropOf(leg));
    }
    LegDrop drop = dropping.get();
    if (drop == null || leg.filter(source -> !source.equals(drop.goes().source())).isPresent()) {
      throw new DeviceException("a leg is being dropped already");
    }
    return drop.alone().copy();
  }

  private LegDrop dropOf(Optional<String> leg) throws DeviceException {
    MirrorRecord record = keepers.record();
    Optional<Leg> goes =
        legs().stream()
            .filter(each -> leg.map(each.source()::equals).orElse(!record.isMember(each.source())))
            .findFirst();
    if (goes.isEmpty()) {
      throw new DeviceException(
          leg.map(source -> source + " is no leg of this disk, which has ")
                  .orElse("both legs are up to date, so say which one goes: ")
              + String.join(" and ", record.legs()));
    }
    Leg stays = goes.get() == first ? second : first;
    if (!record.isMember(stays.source())) {
      throw new DeviceException(
          "%s is not up to date, and the disk would go on with old data: drop it, or wait until `netchannel mirrors` says that it is"
              .formatted(stays.source()));
    }
    if (time.rests() || closing.get()) {
      throw new DeviceException("the guest is leaving, or has ended: drop the leg when it runs");
    }
    if (record.isWhole()) {
      keepers.checkCanGoOn(stays.source());
    }
    return new LegDrop(goes.get(), stays);
  }

  /** What the mirror does by itself is waited for. */
  private void goOnDropping(LegDrop drop) {
    switch (mirror.status().state()) {
      case SYNC -> mirror.legFails(drop.goes(), LegDrop.WHY);
      case COPYING, CONVERGING, FLUSHING -> mirror.pause(LegDrop.WHY);
      case PAUSED -> {
        if (mirror.leader() == drop.stays()) {
          var unused = mirror.abort();
          onExecutor(() -> takeAway(drop));
        } else {
          notDropped(drop, drop.stays().source() + " has failed meanwhile, and is not the disk");
        }
      }
      case JOINING, DROPPING, RECORDING, ALONE, ABORTED -> {}
    }
  }

  private void notDropped(LegDrop drop, String why) {
    dropping.set(null);
    drop.refuse(why);
  }

  private void takeAway(LegDrop drop) {
    var unusedLeft = drop.goes().giveUp(LegDrop.WHY);
    try {
      MirrorKeepers.await(keepers.tellBehind(drop.goes().source()));
    } catch (DeviceException e) {
      log.info("{}: {} is not told that it goes: {}", user, drop.goes().source(), e.getMessage());
    }
    Optional<Device> device = drop.stays().opened();
    var unused =
        mirror
            .left()
            .whenComplete(
                (done, failure) -> {
                  if (failure != null || device.isEmpty()) {
                    drop.refuse("the disk has ended");
                  } else {
                    drop.isAlone(
                        device.get(),
                        () -> dissolve(drop),
                        () -> forget(drop, LegReturns.pauses()));
                  }
                });
  }

  private void dissolve(LegDrop drop) {
    closing.set(true);
    closed = true;
    whenClosed.accept(this);
    mirror.dissolve();
    releases.release(user, keepers.generation(), drop.goes().source());
    log.info("{}: goes on with {} alone", user, drop.stays().source());
  }

  private void forget(LegDrop drop, Backoff pauses) {
    var unused =
        keepers
            .forgetAt(drop.stays().source())
            .whenComplete(
                (done, failure) -> {
                  if (failure != null) {
                    log.info("{}: {}", user, failure.getMessage());
                    environment.later().run(pauses.next(), () -> forget(drop, pauses));
                  }
                });
  }

  // ---- A leg that is away

  @Override
  public void followerAway(boolean lost) {
    returns.away(lost);
  }

  /** Whose leg it is that is opened again. */
  private final class ReturnsTo implements LegReturns.Owner {
    @Override
    public MirrorDevice mirror() {
      return mirror;
    }

    @Override
    public boolean isClosed() {
      return closed;
    }

    @Override
    public boolean isElsewhere() {
      return elsewhere;
    }

    @Override
    public boolean isDropping() {
      return dropping.get() != null;
    }

    @Override
    public void run(Runnable task) {
      onExecutor(task);
    }
  }

  private void onExecutor(Runnable task) {
    try {
      environment.executor().execute(task);
    } catch (RejectedExecutionException e) {
      log.debug("{}: left for the next daemon", user);
    }
  }

  // ---- The device

  @Override
  public DeviceGeometry geometry() {
    return mirror.geometry();
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    mirror.read(offsetBytes, data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    changed = true;
    mirror.write(offsetBytes, data, completion);
  }

  @Override
  public void flush(Completion completion) {
    if (hasLost) {
      completion.complete(Outcome.IO_ERROR);
    } else {
      mirror.flush(completion);
    }
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    changed = true;
    mirror.discard(offsetBytes, lengthBytes, completion);
  }

  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    return mirror.leader().extents(offsetBytes, lengthBytes);
  }

  @Override
  public void rest() {
    time.rest();
  }

  @Override
  public void useGeneration(long generation) {
    keepers.useGeneration(generation);
    mirror.useGeneration(generation);
    keepers.goOnHere();
    time.goOn();
  }

  @Override
  public void keepPlace() {
    keepsPlace = true;
    mirror.keepPlace();
  }

  /** Both legs are out of date then; one that is away is behind anyhow. */
  @Override
  public CompletableFuture<Void> moved(String to) {
    elsewhere = true;
    return CompletableFuture.allOf(
        legs().stream()
            .filter(Leg::isPresent)
            .map(leg -> leg.moved(to))
            .toArray(CompletableFuture[]::new));
  }

  /** One that is away hears it when it is back. */
  @Override
  public CompletableFuture<Void> arrived() {
    elsewhere = false; // before it is asked who is there
    return CompletableFuture.allOf(
        legs().stream().filter(Leg::isPresent).map(Leg::arrived).toArray(CompletableFuture[]::new));
  }

  /** Of both: the guest waits for the one that is the disk only. */
  @Override
  public Optional<String> problem() {
    return mirror.problem();
  }

  /** What one leg has lost the other one has, if it was up to date by then. */
  @Override
  public boolean hasLostWrites() {
    MirrorRecord record = keepers.record();
    return hasLost
        || legs().stream()
            .filter(leg -> record.isMember(leg.source()))
            .allMatch(Leg::hasLostWrites);
  }

  @Override
  public boolean isGivenFree() {
    return mirror.isGivenFree();
  }

  @Override
  public void close() {
    boolean isFirst = closing.compareAndSet(false, true);
    if (isFirst) {
      beginClose();
    }
    mirror.close();
    if (isFirst && !keepsPlace) {
      legs().stream()
          .filter(leg -> !leg.isGivenFree())
          .forEach(leg -> releases.release(user, keepers.generation(), leg.source()));
    }
  }

  private void beginClose() {
    LegDrop drop = dropping.get();
    if (drop != null) {
      drop.refuse("the disk has ended");
    }
    boolean ended =
        !keepsPlace
            && changed
            && mirror.status().state() == MirrorState.SYNC
            && legs().stream().allMatch(leg -> leg.problem().isEmpty())
            && isQuietAndFlushed();
    closed = true;
    if (ended) {
      keepers.recordClosed(LAST_RECORD_SECONDS);
    }
    whenClosed.accept(this);
  }

  /** A flush covers what has ended before it, and nothing may end at one leg alone after it. */
  private boolean isQuietAndFlushed() {
    for (int flushes = 0; flushes < LAST_FLUSHES; flushes++) {
      boolean isQuiet = mirror.isQuiet();
      if (!isFlushed()) {
        return false;
      }
      if (isQuiet) {
        return mirror.isQuiet();
      }
    }
    return false;
  }

  private boolean isFlushed() {
    CompletableFuture<Outcome> flushed = new CompletableFuture<>();
    mirror.flush(flushed::complete);
    try {
      return flushed.get(LAST_FLUSH_SECONDS, TimeUnit.SECONDS) == Outcome.OK;
    } catch (ExecutionException | TimeoutException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
