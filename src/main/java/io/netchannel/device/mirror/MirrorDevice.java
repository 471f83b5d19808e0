package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A device with two legs: the leader, which is the disk, and the follower, which becomes it.
 * States, rules and invariants are in the package's description.
 *
 * <p>Decisions are made under one lock that is held for microseconds; devices, completions and the
 * owner are called without it. It has no thread: what a completion makes possible happens on that
 * completion's thread, and what is a matter of time in {@link #tick}.
 */
public final class MirrorDevice implements Device {
  private static final Logger log = LoggerFactory.getLogger(MirrorDevice.class);

  /** The follower's copies of what the guest writes; beyond that it is copied later. */
  private static final long FOLLOWER_BYTES = 8L << 20;

  /** And of the copier: {@link CopyPace#MOST} copies, each maybe with what it is compared to. */
  private static final long COPIER_BYTES = 8L << 20;

  /**
   * What is longer goes in parts: a write, because its copy is one buffer; a discard, because a
   * follower that makes zeros for minutes is not silent, and what waits for it waits no longer.
   */
  private static final long WRITE_PART_BYTES = BufferLease.MAX_BYTES;

  private static final long DISCARD_PART_BYTES = 64L << 20;

  private static final long FIRST_RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long LAST_RETRY_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final Device leader;
  private final Device follower;
  private final DifferenceMap map;
  private final BufferLease buffers;
  private final MirrorSettings settings;
  private final MirrorOwner owner;
  private final LongSupplier nanoTime;
  private final DeviceGeometry geometry;
  private final CompletableFuture<Void> left = new CompletableFuture<>();

  // All below is guarded by this.
  private final ActiveRanges active = new ActiveRanges();
  private final RequestQueue parked = new RequestQueue();
  private final RequestQueue agenda = new RequestQueue();
  private final RequestQueue free = new RequestQueue();
  private final CopyPace pace;
  private final Copier copier;
  private MirrorState state = MirrorState.PAUSED;
  private String reason = "not begun";

  /** Whether a person paused it, or it has not begun: it does not go on by itself. */
  private boolean waitsForResume = true;

  private long retryAtNanos;
  private long retryNanos = FIRST_RETRY_NANOS;
  private boolean switches;
  private boolean closing;

  /** Completed when it is known, and acted upon, whether the switch was recorded. */
  private CompletableFuture<Void> recording = CompletableFuture.completedFuture(null);

  private long followerBytes;
  private long heldWrites;
  private long longestWaitNanos;

  /** Whether the follower has a flush of FLUSHING, maybe of an earlier try. */
  private boolean flushing;

  private long flushBeganNanos;

  // What is to be done as soon as the lock is released.
  private boolean toFlush;
  private boolean toRecord;
  private boolean toTell;
  private boolean pumping;

  /**
   * A mirror that goes to {@code leader} only until {@link #resume}.
   *
   * @param leader open; closed with the mirror
   * @param follower likewise; at least as large
   * @param budget of which the copies of data are lent
   * @param nanoTime of a monotonic clock
   */
  public MirrorDevice(
      Device leader,
      Device follower,
      MirrorSettings settings,
      BufferBudget budget,
      MirrorOwner owner,
      LongSupplier nanoTime) {
    this(
        leader,
        follower,
        DifferenceMap.inMemory(leader.geometry().sizeBytes()),
        settings,
        budget,
        owner,
        nanoTime);
  }

  MirrorDevice(
      Device leader,
      Device follower,
      DifferenceMap map,
      MirrorSettings settings,
      BufferBudget budget,
      MirrorOwner owner,
      LongSupplier nanoTime) {
    DeviceGeometry from = leader.geometry();
    DeviceGeometry to = follower.geometry();
    checkArgument(
        to.sizeBytes() >= from.sizeBytes(),
        "expected a target of at least %s bytes, found %s",
        from.sizeBytes(),
        to.sizeBytes());
    checkArgument(
        to.logicalBlockBytes() <= from.logicalBlockBytes(),
        "expected a target with blocks of at most %s bytes, found %s",
        from.logicalBlockBytes(),
        to.logicalBlockBytes());
    checkArgument(!to.readOnly(), "expected a target that can be written, found a read-only one");
    this.leader = leader;
    this.follower = follower;
    this.map = map;
    this.settings = settings;
    this.owner = owner;
    this.nanoTime = nanoTime;
    boolean discards = from.canDiscard() && from.canZero() && to.canZero();
    geometry =
        new DeviceGeometry(
            from.sizeBytes(),
            from.logicalBlockBytes(),
            from.physicalBlockBytes(),
            from.readOnly(),
            from.canFlush(),
            discards,
            discards ? from.discardGranularityBytes() : 0,
            false);
    switches = settings.switches();
    // Whoever waits for memory is looked at with every completion and tick. A wake-up would come on
    // another user's thread, maybe under that one's lock.
    buffers = budget.lease("mirror", FOLLOWER_BYTES + COPIER_BYTES, () -> {});
    pace = new CopyPace(nanoTime.getAsLong());
    copier =
        new Copier(
            this,
            leader,
            follower,
            map,
            active,
            buffers,
            pace,
            settings.known(),
            nanoTime,
            new CopierOwner());
  }

  // ---- The device

  /** The leader's, less what only one leg can. */
  @Override
  public DeviceGeometry geometry() {
    return geometry;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    submit(Kind.READ, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    long lengthBytes = data.remaining();
    if (lengthBytes == 0) {
      completion.complete(Outcome.OK);
    } else if (lengthBytes > WRITE_PART_BYTES) {
      inParts(Kind.WRITE, offsetBytes, lengthBytes, WRITE_PART_BYTES, data, completion);
    } else {
      submit(Kind.WRITE, offsetBytes, lengthBytes, data, completion);
    }
  }

  @Override
  public void flush(Completion completion) {
    submit(Kind.FLUSH, 0, 0, null, completion);
  }

  /**
   * While there are two legs it makes zeros of the range, so that these stay alike. Where one of
   * them cannot that is UNSUPPORTED: a promise that a switch would break is not made.
   */
  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    if (geometry.canDiscard() && lengthBytes > DISCARD_PART_BYTES) {
      inParts(Kind.DISCARD, offsetBytes, lengthBytes, DISCARD_PART_BYTES, null, completion);
    } else if (geometry.canDiscard()) {
      submit(Kind.DISCARD, offsetBytes, lengthBytes, null, completion);
    } else {
      completion.complete(Outcome.UNSUPPORTED);
    }
  }

  private void inParts(
      Kind kind, long offset, long length, long part, ByteBuffer data, Completion completion) {
    new Parts(this::submit, kind, offset, length, part, data, completion).begin();
  }

  @Override
  public void useGeneration(long generation) {
    leader.useGeneration(generation);
    follower.useGeneration(generation);
  }

  @Override
  public void keepPlace() {
    leader.keepPlace();
    follower.keepPlace();
  }

  /** None: what two legs have is waited for. */
  @Override
  public Optional<CompletableFuture<Custody>> custody() {
    return Optional.empty();
  }

  @Override
  public Optional<Outcome> inherited(RequestName write) {
    return leader.inherited(write);
  }

  @Override
  public Optional<String> problem() {
    return isAlone() ? follower.problem() : leader.problem();
  }

  /**
   * Closes both legs. A switch that is being recorded is waited for, as which leg is the disk is
   * known then only; one that has not come so far is not made.
   */
  @Override
  public void close() {
    CompletableFuture<Void> told;
    synchronized (this) {
      if (toRecord) {
        toRecord = false;
        become(MirrorState.SYNC, "");
      }
      closing = true;
      copier.stop();
      told = recording;
    }
    told.join();
    synchronized (this) {
      settleAll();
      advance();
    }
    work();
    leader.close();
    follower.close();
    left.completeExceptionally(new IllegalStateException("the mirror was closed"));
    synchronized (this) {
      buffers.close();
    }
  }

  // ---- What its owner does

  /**
   * Begins, or goes on after a pause. Nothing when it goes on already, or is over.
   *
   * <p>Not before all has ended that the leader was given past the mirror: nobody would see that it
   * changes what is copied.
   */
  public void resume() {
    synchronized (this) {
      waitsForResume = false;
      retryAtNanos = nanoTime.getAsLong();
      retryNanos = FIRST_RETRY_NANOS;
      goOnIfItCan();
      advance();
    }
    work();
  }

  /** Nothing more goes to the follower until {@link #resume}. */
  public void pause(String why) {
    synchronized (this) {
      waitsForResume = true;
      if (state == MirrorState.PAUSED) {
        reason = why;
      } else {
        stop(why);
      }
      advance();
    }
    work();
  }

  /** Switches as soon as it is in sync. */
  public void switchOver() {
    synchronized (this) {
      switches = true;
      advance();
    }
    work();
  }

  /**
   * Gives it up: the leader stays the disk.
   *
   * @return whether it is; false when the switch is being recorded, or was
   */
  public boolean abort() {
    synchronized (this) {
      if (state == MirrorState.RECORDING || state == MirrorState.ALONE) {
        return false;
      }
      if (state != MirrorState.ABORTED) {
        copier.stop();
        become(MirrorState.ABORTED, "");
        settleAll();
      }
      advance();
    }
    work();
    return true;
  }

  /** Bounds what is copied each second; 0 for no bound. */
  public void bandwidth(long bytesPerSecond) {
    synchronized (this) {
      pace.bandwidth(bytesPerSecond);
    }
    work();
  }

  /**
   * Completes when it is ALONE or ABORTED and the leg that was left has nothing more of it: that
   * leg may be closed. Exceptionally when the mirror was closed before.
   */
  public CompletableFuture<Void> left() {
    return left.copy();
  }

  public synchronized MirrorStatus status() {
    return new MirrorStatus(
        state,
        reason,
        Math.min(map.count() * DifferenceMap.REGION_BYTES, map.sizeBytes()),
        copier.copiedBytes,
        copier.zeroBytes,
        copier.pass(),
        copier.staleCopies,
        heldWrites,
        Duration.ofNanos(longestWaitNanos),
        isThrottled());
  }

  /** What is a matter of time. To be called some ten times a second. */
  public void tick() {
    synchronized (this) {
      long now = nanoTime.getAsLong();
      pace.tick(now);
      copier.tick();
      if (isFollowing() && isFollowerSilent(now)) {
        stop("the target has not answered for " + settings.legTimeout().toSeconds() + " s");
      }
      goOnIfItCan();
      buffers.giveBack();
      advance();
    }
    work();
  }

  private synchronized boolean isAlone() {
    return state == MirrorState.ALONE;
  }

  // ---- Placing a request. Guarded by this

  private void submit(
      Kind kind, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    MirroredRequest request;
    boolean placed;
    synchronized (this) {
      request = free.poll();
      if (request == null) {
        request = new MirroredRequest(this::leaderEnded, this::followerEnded);
      }
      request.begin(kind, offsetBytes, lengthBytes, data, completion, nanoTime.getAsLong());
      placed = place(request, null);
      if (!placed) {
        park(request);
      }
    }
    if (placed) {
      send(request);
    }
  }

  private void park(MirroredRequest request) {
    heldWrites++;
    parked.add(request);
  }

  /**
   * Finds out where it goes, or that it has to wait.
   *
   * @param end the parked ones before this one came before it; null for all
   */
  private boolean place(MirroredRequest request, MirroredRequest end) {
    Route route =
        switch (request.kind) {
          case READ -> state == MirrorState.ALONE ? Route.FOLLOWER : Route.LEADER;
          case FLUSH -> {
            if (state == MirrorState.ALONE) {
              yield Route.FOLLOWER;
            }
            yield state.isTogether() && !isClosing() ? Route.BOTH : Route.LEADER;
          }
          case WRITE, DISCARD -> routeOfChange(request, end);
        };
    if (route == null) {
      return false;
    }
    request.route = route;
    request.atLeader = route != Route.FOLLOWER;
    request.atFollower = route != Route.LEADER;
    request.sentNanos = nanoTime.getAsLong();
    active.add(request);
    return true;
  }

  /** Null when it has to wait. */
  private Route routeOfChange(MirroredRequest request, MirroredRequest end) {
    if (state == MirrorState.ALONE) {
      return Route.FOLLOWER;
    }
    if (state == MirrorState.ABORTED) {
      return Route.LEADER;
    }
    if (isClosing() || state == MirrorState.PAUSED) {
      return leaderOnly(request);
    }
    if (overlapsParked(request, end)) {
      return null;
    }
    boolean together = state.isTogether();
    boolean mustFollow = together || isThrottled();
    if (!together) {
      long first = DifferenceMap.firstRegion(request.offsetBytes);
      long last = DifferenceMap.lastRegion(request.offsetBytes, request.lengthBytes);
      if (copier.locks(first, last)) {
        return null;
      }
      if (needsCopy(first, last)) {
        return leaderOnly(request);
      }
    }
    if (active.overlapsUnanswered(request)) {
      return null;
    }
    if (active.overlapsAtFollower(request)) {
      return mustFollow ? null : leaderOnly(request);
    }
    if (request.kind == Kind.WRITE && !copyData(request)) {
      return mustFollow ? null : leaderOnly(request);
    }
    request.waitsForBoth = mustFollow;
    return Route.BOTH;
  }

  private boolean overlapsParked(MirroredRequest request, MirroredRequest end) {
    for (MirroredRequest other = parked.first(); other != end; other = other.nextInQueue) {
      if (other.overlaps(request)) {
        return true;
      }
    }
    return false;
  }

  private boolean needsCopy(long first, long last) {
    long region = map.nextSet(first, last + 1);
    while (region <= last && active.isOnlyLate(region)) {
      region = map.nextSet(region + 1, last + 1);
    }
    return region <= last;
  }

  private Route leaderOnly(MirroredRequest request) {
    need(request);
    return Route.LEADER;
  }

  /** The regions are copied after this, whatever else becomes of them. */
  private void need(MirroredRequest request) {
    long first = DifferenceMap.firstRegion(request.offsetBytes);
    long last = DifferenceMap.lastRegion(request.offsetBytes, request.lengthBytes);
    map.set(request.offsetBytes, request.lengthBytes);
    active.need(first, last);
    copier.changing(first, last);
  }

  /** Memory for the follower's copy; it is filled without the lock. */
  private boolean copyData(MirroredRequest request) {
    if (followerBytes + request.lengthBytes > FOLLOWER_BYTES) {
      return false;
    }
    request.copy = buffers.acquireOrAwait(request.lengthBytes);
    if (request.copy == null) {
      return false;
    }
    followerBytes += request.lengthBytes;
    return true;
  }

  // ---- At the legs. Without the lock

  /**
   * Gives a placed request to its legs. It is not touched after the last of them has it: it may be
   * another one by then.
   */
  private void send(MirroredRequest request) {
    Route route = request.route;
    boolean both = route == Route.BOTH;
    if (route != Route.LEADER) {
      Completion done = request.followerDone;
      switch (request.kind) {
        case READ -> follower.read(request.offsetBytes, request.data, done);
        case WRITE -> {
          ByteBuffer data = request.data;
          if (request.copy != null) {
            data = request.copy.buffer();
            data.put(0, request.data, request.data.position(), request.data.remaining());
          }
          follower.write(request.offsetBytes, data, done);
        }
        case DISCARD -> discard(follower, request, both, done);
        case FLUSH -> follower.flush(done);
      }
    }
    if (route != Route.FOLLOWER) {
      Completion done = request.leaderDone;
      switch (request.kind) {
        case READ -> leader.read(request.offsetBytes, request.data, done);
        case WRITE -> leader.write(request.offsetBytes, request.data, done);
        case DISCARD -> discard(leader, request, both, done);
        case FLUSH -> leader.flush(done);
      }
    }
  }

  private static void discard(
      Device device, MirroredRequest request, boolean both, Completion done) {
    if (both) {
      device.zero(request.offsetBytes, request.lengthBytes, true, done);
    } else {
      device.discard(request.offsetBytes, request.lengthBytes, done);
    }
  }

  private void leaderEnded(MirroredRequest request, Outcome outcome) {
    synchronized (this) {
      request.atLeader = false;
      request.leaderOutcome = outcome;
      settle(request);
      advance();
    }
    work();
  }

  private void followerEnded(MirroredRequest request, Outcome outcome) {
    synchronized (this) {
      request.atFollower = false;
      request.followerOutcome = outcome;
      if (request.copy != null) {
        buffers.release(request.copy);
        request.copy = null;
        followerBytes -= request.lengthBytes;
      }
      if (request.route == Route.BOTH && outcome != Outcome.OK) {
        followerRefused(request);
      } else if (request.late && !request.needed) {
        clearLate(request);
      }
      settle(request);
      advance();
    }
    work();
  }

  /** The follower lacks it. The bits are set at once: a kill may come before anything else. */
  private void followerRefused(MirroredRequest request) {
    Outcome outcome = request.followerOutcome;
    if (request.kind == Kind.FLUSH) {
      flushRefused(outcome);
    } else if (isMirroring()) {
      need(request);
      if (!(request.kind == Kind.DISCARD && outcome == Outcome.UNSUPPORTED)) {
        stop(
            "writing %d bytes at %d of the target: %s"
                .formatted(request.lengthBytes, request.offsetBytes, outcome));
      }
    }
  }

  /** What was written since its last good flush may be lost, and nobody knows what that was. */
  private void flushRefused(Outcome outcome) {
    if (isMirroring()) {
      map.setAll();
      stop("flushing the target: " + outcome);
    }
  }

  private void clearLate(MirroredRequest request) {
    long last = DifferenceMap.lastRegion(request.offsetBytes, request.lengthBytes);
    for (long region = DifferenceMap.firstRegion(request.offsetBytes); region <= last; region++) {
      if (!active.isLate(region)) {
        map.clear(region);
      }
    }
  }

  // ---- Answers. Guarded by this

  private void settleAll() {
    MirroredRequest request = active.first();
    while (request != null) {
      MirroredRequest next = request.next; // one that has ended leaves the list
      settle(request);
      request = next;
    }
  }

  private void settle(MirroredRequest request) {
    if (!request.answered) {
      Outcome answer = answer(request);
      if (answer != null) {
        request.answered = true;
        request.answer = answer;
        request.toAnswer = true;
        enqueue(request);
        long waited = nanoTime.getAsLong() - request.begunNanos;
        pace.guestWaited(waited);
        if (request.kind.changesData()) {
          longestWaitNanos = Math.max(longestWaitNanos, waited);
        }
      }
    }
    // A stop on the way here may have settled it already.
    if (request.listed && !request.isUnderWay()) {
      active.remove(request);
      freeIfDone(request);
    }
  }

  private void enqueue(MirroredRequest request) {
    if (!request.queued) {
      agenda.add(request);
    }
  }

  private void freeIfDone(MirroredRequest request) {
    if (!request.isUnderWay() && !request.toAnswer) {
      request.data = null;
      request.guest = null;
      free.add(request);
    }
  }

  /** Null while it is not known. */
  private Outcome answer(MirroredRequest request) {
    return switch (request.route) {
      case LEADER -> request.atLeader ? null : leaderAnswer(request);
      case FOLLOWER -> request.atFollower ? null : request.followerOutcome;
      // The guest's buffer is the leader's until it has ended. A flush has none.
      case BOTH ->
          request.atLeader && !(request.kind == Kind.FLUSH && state == MirrorState.ALONE)
              ? null
              : answerOfBoth(request);
    };
  }

  private Outcome leaderAnswer(MirroredRequest request) {
    Outcome outcome = request.leaderOutcome;
    if (request.kind == Kind.READ && outcome != Outcome.OK && !closing) {
      if (state == MirrorState.SYNC) {
        rescue(request);
        return null;
      }
      if (state == MirrorState.RECORDING) {
        return null;
      }
      if (state == MirrorState.ALONE) {
        readAgain(request);
        return null;
      }
    }
    return outcome;
  }

  private Outcome answerOfBoth(MirroredRequest request) {
    boolean followerHasIt = !request.atFollower && request.followerOutcome == Outcome.OK;
    if (closing && isMirroring() && state != MirrorState.RECORDING) {
      if (request.kind.changesData() && !followerHasIt) {
        need(request);
      }
      return request.leaderOutcome;
    }
    return switch (state) {
      case ALONE -> request.atFollower ? null : request.followerOutcome;
      case RECORDING -> followerHasIt && request.leaderOutcome == Outcome.OK ? Outcome.OK : null;
      case SYNC -> {
        if (request.leaderOutcome == Outcome.OK
            || request.leaderOutcome == Outcome.UNSUPPORTED
            || request.givenUp) {
          yield answerByLeader(request);
        }
        if (followerHasIt) {
          rescue(request);
          yield null;
        }
        yield request.atFollower ? null : answerByLeader(request);
      }
      case COPYING, CONVERGING, FLUSHING, PAUSED, ABORTED -> answerByLeader(request);
    };
  }

  /** The leader is the disk, and has ended. */
  private Outcome answerByLeader(MirroredRequest request) {
    boolean hopeless = request.givenUp || state == MirrorState.ABORTED;
    boolean changes = request.kind.changesData() && state != MirrorState.ABORTED;
    if (request.leaderOutcome != Outcome.OK) {
      if (changes) {
        need(request); // the legs may have different parts of it
      }
      return request.leaderOutcome;
    }
    if (!request.atFollower) {
      return Outcome.OK;
    }
    if (request.waitsForBoth && !hopeless) {
      return null;
    }
    if (request.kind == Kind.FLUSH && !hopeless) {
      return null;
    }
    if (changes) {
      // Before the answer: from then on the guest relies on it.
      map.set(request.offsetBytes, request.lengthBytes);
      request.late = true;
    }
    return Outcome.OK;
  }

  /** The leader has failed where the follower has all: the guest need not see it. */
  private void rescue(MirroredRequest request) {
    if (!switches) {
      log.warn("the source fails ({}), the target takes its place", request.leaderOutcome);
    }
    reason = "the source failed: " + request.kind + " " + request.leaderOutcome;
    switches = true;
    record();
  }

  // ---- States. Guarded by this

  /** Whether nothing waits for the follower any more, as both are closed. */
  private boolean isClosing() {
    return closing && state != MirrorState.RECORDING;
  }

  /** Whether the map counts. */
  private boolean isMirroring() {
    return state != MirrorState.ALONE && state != MirrorState.ABORTED;
  }

  /** Whether the follower gets something, and is given up when it fails. */
  private boolean isFollowing() {
    return switch (state) {
      case COPYING, CONVERGING, FLUSHING, SYNC -> !closing;
      case PAUSED, RECORDING, ALONE, ABORTED -> false;
    };
  }

  private boolean isThrottled() {
    return settings.converges() && copier.lags() && state == MirrorState.COPYING;
  }

  private void become(MirrorState next, String why) {
    state = next;
    reason = why;
    toTell = true;
  }

  /** To PAUSED: nothing of what the follower still has counts. */
  private void stop(String why) {
    if (!isFollowing()) {
      return;
    }
    copier.stop();
    become(MirrorState.PAUSED, why);
    long now = nanoTime.getAsLong();
    retryAtNanos = now + retryNanos;
    retryNanos = Math.min(LAST_RETRY_NANOS, 2 * retryNanos);
    for (MirroredRequest other = active.first(); other != null; other = other.next) {
      if (other.route == Route.BOTH && other.atFollower) {
        other.givenUp = true;
        if (other.kind.changesData()) {
          need(other);
        }
      }
    }
    settleAll();
  }

  /** What the follower had before may land until it has ended: then, and not before, it goes on. */
  private void goOnIfItCan() {
    if (state == MirrorState.PAUSED
        && !waitsForResume
        && !closing
        && nanoTime.getAsLong() - retryAtNanos >= 0
        && !active.isFollowerBusy()
        && !copier.isAtFollower()
        && !flushing) {
      become(MirrorState.COPYING, "");
      copier.go();
    }
  }

  private boolean isFollowerSilent(long now) {
    long limit = settings.legTimeout().toNanos();
    for (MirroredRequest other = active.first(); other != null; other = other.next) {
      if (other.atFollower && now - other.sentNanos > limit) {
        return true;
      }
    }
    return copier.longestAtFollowerNanos(now).orElse(0L) > limit
        || (flushing && now - flushBeganNanos > limit);
  }

  /** Makes each step that has become possible. */
  private void advance() {
    if (!closing) {
      if (state.isTogether() && state != MirrorState.RECORDING && map.count() > 0) {
        become(MirrorState.COPYING, "");
        copier.go();
      }
      if (state == MirrorState.COPYING && map.count() == 0 && copier.isIdle()) {
        become(MirrorState.CONVERGING, "");
        retryNanos = FIRST_RETRY_NANOS;
      }
      if (state == MirrorState.CONVERGING && !active.hasOneOfBefore() && !flushing) {
        become(MirrorState.FLUSHING, "");
        flushing = true;
        flushBeganNanos = nanoTime.getAsLong();
        toFlush = true;
      }
      if (state == MirrorState.SYNC && switches) {
        record();
      }
    }
    unpark();
    toTell |= hasLeft() && !left.isDone();
  }

  private void record() {
    become(MirrorState.RECORDING, reason);
    toRecord = true;
  }

  /** In the order in which they came, as far as they overlap. */
  private void unpark() {
    MirroredRequest previous = null;
    MirroredRequest request = parked.first();
    while (request != null) {
      MirroredRequest next = request.nextInQueue;
      if (place(request, request)) {
        parked.remove(previous, request);
        request.toSubmit = true;
        enqueue(request);
      } else {
        previous = request;
      }
      request = next;
    }
  }

  private boolean hasLeft() {
    return switch (state) {
      case ALONE -> !active.isLeaderBusy();
      case ABORTED -> !active.isFollowerBusy() && copier.isIdle() && !flushing;
      case COPYING, PAUSED, CONVERGING, FLUSHING, SYNC, RECORDING -> false;
    };
  }

  // ---- What decisions lead to. Without the lock

  private void work() {
    while (workOnce()) {}
    pump();
  }

  /** Each piece of work is taken by one thread; none is done under the lock. */
  private boolean workOnce() {
    MirroredRequest placed = null;
    Completion guest = null;
    Outcome answer = null;
    boolean flush = false;
    boolean record = false;
    boolean tell = false;
    boolean gone = false;
    synchronized (this) {
      if (toFlush) {
        toFlush = false;
        flush = true;
      } else if (toRecord) {
        toRecord = false;
        recording = new CompletableFuture<>();
        record = true;
      } else if (!agenda.isEmpty()) {
        MirroredRequest request = agenda.poll();
        if (request.toSubmit) {
          request.toSubmit = false;
          placed = request;
        } else {
          guest = request.guest;
          answer = request.answer;
          request.toAnswer = false;
          freeIfDone(request);
        }
      } else if (toTell) {
        toTell = false;
        tell = true;
        gone = hasLeft();
      } else {
        return false;
      }
    }
    if (flush) {
      follower.flush(this::flushEnded);
    } else if (record) {
      recordSwitch();
    } else if (placed != null) {
      send(placed);
    } else if (guest != null) {
      guest.complete(answer);
    } else if (tell) {
      if (gone) {
        left.complete(null);
      }
      owner.changed();
    }
    return true;
  }

  /** One of an earlier try finds another state: FLUSHING does not begin before it has ended. */
  private void flushEnded(Outcome outcome) {
    synchronized (this) {
      flushing = false;
      if (outcome != Outcome.OK) {
        flushRefused(outcome);
      } else if (state == MirrorState.FLUSHING && !closing) {
        become(MirrorState.SYNC, "");
      }
      advance();
    }
    work();
  }

  private void recordSwitch() {
    CompletableFuture<Void> recorded;
    try {
      recorded = owner.recordSwitch();
    } catch (RuntimeException e) {
      recorded = CompletableFuture.failedFuture(e);
    }
    var unused = recorded.whenComplete((nothing, failure) -> recorded(failure));
  }

  private void recorded(Throwable failure) {
    CompletableFuture<Void> told;
    synchronized (this) {
      if (failure == null) {
        become(MirrorState.ALONE, reason);
        settleAll();
      } else {
        log.warn("the switch to the target could not be recorded", failure);
        become(MirrorState.SYNC, "");
        stop("the switch could not be recorded: " + failure.getMessage());
        settleAll(); // also when it is being closed, where nothing is stopped any more
      }
      advance();
      told = recording;
    }
    work();
    told.complete(null);
  }

  /** What the leader failed to read the follower has. */
  private void readAgain(MirroredRequest request) {
    request.route = Route.FOLLOWER;
    request.atFollower = true;
    request.toSubmit = true;
    enqueue(request);
  }

  /** Begins the copies that can; one thread at a time, however deep devices complete at once. */
  private void pump() {
    synchronized (this) {
      if (pumping) {
        return; // it looks again before it ends
      }
      pumping = true;
    }
    boolean ends = false;
    try {
      ends = pumpAll();
    } finally {
      if (!ends) {
        synchronized (this) {
          pumping = false; // it threw: the next one begins copies again
        }
      }
    }
  }

  private boolean pumpAll() {
    while (true) {
      RegionCopy copy;
      synchronized (this) {
        copy = state == MirrorState.COPYING && !closing ? copier.claim() : null;
        if (copy == null) {
          pumping = false;
          return true;
        }
      }
      copier.begin(copy);
    }
  }

  private final class CopierOwner implements Copier.Owner {
    @Override
    public void copyFailed(String why) {
      stop(why);
    }

    @Override
    public void work() {
      synchronized (MirrorDevice.this) {
        advance();
      }
      MirrorDevice.this.work();
    }
  }
}
