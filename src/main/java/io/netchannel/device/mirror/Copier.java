package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.memory.Chunk;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * Copies the regions that may differ from the leader to the follower, pass after pass, from the
 * bottom to the top. No thread of its own: who has changed something asks {@link #claim} for what
 * can begin, and begins it. Guarded by the mirror's lock, but for {@link #begin}.
 *
 * <p>A region that something is changing is left to the next pass, and a copy that was overtaken by
 * a change counts for nothing. What three passes did not get done is hot: from then on changes of
 * the regions under the copier wait for it, which takes as long as one copy.
 *
 * <p>A pass that leaves more than half of what it began with does not keep up with the guest
 * ({@link #lags}).
 */
final class Copier {
  private static final int PASSES_WITHOUT_LOCK = 3;

  /**
   * What the leader is asked about at once, and what is made zeros at once: a long hole, or long
   * data, is a few questions, and no request keeps a follower long.
   */
  private static final int MOST_ASKED_REGIONS = (4 << 20) / DifferenceMap.REGION_BYTES;

  private static final String SOURCE = "source";
  private static final String TARGET = "target";

  /** The mirror. */
  interface Owner {
    /** A copy has failed. Under the lock. */
    void copyFailed(String reason);

    /** Something has changed. Without the lock. */
    void work();
  }

  /** What the copier knows of the follower, which saves work. */
  enum Follower {
    /** Nothing. */
    UNKNOWN,
    /** All of it reads as zeros. */
    ZERO,
    /** Most of it is like the leader: it is read first. */
    ALIKE
  }

  private final Object lock;
  private final Legs legs;
  private final DifferenceMap map;
  private final ActiveRanges active;
  private final BufferLease buffers;
  private final CopyPace pace;
  private final LongSupplier nanoTime;
  private final Owner owner;

  private final List<RegionCopy> copies = new ArrayList<>();
  private Follower known;
  private boolean running;
  private boolean canZero = true;
  private int pass;
  private long passBeganWith;
  private long cursor;

  /**
   * How many regions the next copy may have. Twice as many with each hole, as more of it may
   * follow; with data what a copy has memory for.
   */
  private int spanRegions = RegionSpan.MOST_REGIONS;

  /** How many regions the leader is asked about. Twice as many with each answer without holes. */
  private int askedRegions = RegionSpan.MOST_REGIONS;

  /**
   * Regions, from the first one to before the end, that the leader has told to be data. They are
   * read without asking again: one that has become a hole since has zeros as good as any.
   */
  private long dataFirst;

  private long dataEnd;

  /** Whether it has not found a region to copy; such passes end once in a tick at most. */
  private boolean passIsEmpty;

  private boolean mayPassAgain;
  private boolean lags;

  int passes;
  long copiedBytes;
  long zeroBytes;
  long staleCopies;

  Copier(
      Object lock,
      Legs legs,
      DifferenceMap map,
      ActiveRanges active,
      BufferLease buffers,
      CopyPace pace,
      Follower known,
      LongSupplier nanoTime,
      Owner owner) {
    this.lock = lock;
    this.legs = legs;
    this.map = map;
    this.active = active;
    this.buffers = buffers;
    this.pace = pace;
    // What a process before has written there nobody knows.
    this.known = known == Follower.ZERO && map.isFound() ? Follower.UNKNOWN : known;
    this.nanoTime = nanoTime;
    this.owner = owner;
  }

  /** Begins the first pass, or one after a pause. */
  void go() {
    running = true;
    lags = false;
    if (pass > 0 && known == Follower.ZERO) {
      known = Follower.UNKNOWN; // some of it was written, and nobody knows which
    }
    pass = 0;
    nextPass();
  }

  /** Time has passed: what was being changed everywhere may not be now. */
  void tick() {
    mayPassAgain = true;
  }

  /** What is under way counts for nothing any more. */
  void stop() {
    running = false;
    for (RegionCopy copy : List.copyOf(copies)) {
      copy.stale.set(0, copy.regions);
      if (copy.stage == RegionCopy.Stage.LOCKED) {
        end(copy); // it has not begun, and nobody else would end it
      }
    }
  }

  /** Nothing is at a leg for a copy. */
  boolean isIdle() {
    return copies.isEmpty();
  }

  boolean isAtFollower() {
    for (RegionCopy copy : copies) {
      if (isAtFollower(copy)) {
        return true;
      }
    }
    return false;
  }

  private static boolean isAtFollower(RegionCopy copy) {
    return switch (copy.stage) {
      case LOCKED -> false;
      case READING -> copy.comparing;
      case WRITING -> true;
    };
  }

  /** Whether the guest changes more than is copied. */
  boolean lags() {
    return lags;
  }

  /** The regions change while they may be under a copy. */
  void changing(long firstRegion, long lastRegion) {
    for (int i = 0; i < copies.size(); i++) {
      RegionCopy copy = copies.get(i);
      if (copy.touches(firstRegion, lastRegion)) {
        staleCopies += copy.markStale(firstRegion, lastRegion);
      }
    }
  }

  /** Whether a change of these regions has to wait for their copy. */
  boolean locks(long firstRegion, long lastRegion) {
    for (int i = 0; i < copies.size(); i++) {
      RegionCopy copy = copies.get(i);
      if (copy.locked && copy.touches(firstRegion, lastRegion)) {
        return true;
      }
    }
    return false;
  }

  /** For how long the follower has had the copy that it has had longest; empty when it has none. */
  Optional<Long> longestAtFollowerNanos(long nowNanos) {
    return copies.stream()
        .filter(Copier::isAtFollower)
        .map(copy -> nowNanos - copy.followerSinceNanos)
        .max(Long::compare);
  }

  /** The next copy that can begin, to be given to {@link #begin}; null when there is none now. */
  RegionCopy claim() {
    // By index, here and below: an iterator for each request of the guest would be an object.
    for (int i = 0; i < copies.size(); i++) {
      RegionCopy copy = copies.get(i);
      if (copy.stage == RegionCopy.Stage.LOCKED && !isChanging(copy)) {
        return claimed(copy);
      }
    }
    while (running && copies.size() < pace.allowed()) {
      long region = nextClaimable();
      if (region < map.regions()) {
        RegionCopy copy = claim(region);
        if (copy == null || copy.stage == RegionCopy.Stage.READING) {
          return copy;
        }
      } else if (!copies.isEmpty() || map.count() == 0 || (passIsEmpty && !mayPassAgain)) {
        return null; // the pass ends when its copies have
      } else {
        mayPassAgain &= !passIsEmpty;
        nextPass();
      }
    }
    return null;
  }

  private long nextClaimable() {
    long end = map.regions();
    long region = map.nextSet(cursor, end);
    while (region < end && !isClaimable(region)) {
      region = map.nextSet(region + 1, end);
    }
    cursor = region;
    return region;
  }

  private boolean isClaimable(long region) {
    for (int i = 0; i < copies.size(); i++) {
      if (copies.get(i).touches(region, region)) {
        return false;
      }
    }
    return isHot() || !active.isChanging(region, region);
  }

  private boolean isHot() {
    return pass > PASSES_WITHOUT_LOCK;
  }

  private boolean isChanging(RegionCopy copy) {
    return active.isChanging(copy.firstRegion, copy.lastRegion());
  }

  /** Null when there is no memory, or it would be too much for this second. */
  private RegionCopy claim(long region) {
    int most = isHot() || known == Follower.ALIKE ? RegionSpan.MOST_REGIONS : spanRegions;
    int regions = 1;
    while (regions < most
        && region + regions < map.regions()
        && map.isSet(region + regions)
        && isClaimable(region + regions)) {
      regions++;
    }
    long bytes = (long) regions * DifferenceMap.REGION_BYTES;
    if (!pace.take(bytes, nanoTime.getAsLong())) {
      return null;
    }
    Chunk data = null;
    Chunk compared = null;
    if (regions <= RegionSpan.MOST_REGIONS) {
      data = buffers.acquireOrAwait(bytes);
      compared = data != null && known == Follower.ALIKE ? buffers.acquireOrAwait(bytes) : null;
      if (data == null || (known == Follower.ALIKE && compared == null)) {
        release(data);
        pace.giveBack(bytes);
        return null;
      }
    }
    RegionCopy copy = new RegionCopy(region, regions, map.sizeBytes(), isHot(), data, compared);
    copies.add(copy);
    passIsEmpty = false;
    cursor = region + regions;
    return copy.locked && isChanging(copy) ? copy : claimed(copy);
  }

  private RegionCopy claimed(RegionCopy copy) {
    copy.stage = RegionCopy.Stage.READING;
    copy.outstanding = copy.compared == null ? 1 : 2;
    copy.comparing = copy.compared != null;
    copy.followerSinceNanos = nanoTime.getAsLong();
    return copy;
  }

  private void release(Chunk chunk) {
    if (chunk != null) {
      buffers.release(chunk);
    }
  }

  private void nextPass() {
    long left = map.count();
    lags |= pass > 0 && left > passBeganWith / 2;
    if (pass > 0 && known == Follower.ZERO) {
      known = Follower.UNKNOWN;
    }
    pass++;
    passes++;
    passIsEmpty = true;
    passBeganWith = left;
    cursor = 0;
  }

  /** Begins a copy that was claimed. Without the lock. */
  void begin(RegionCopy copy) {
    if (copy.compared != null) {
      ByteBuffer buffer = copy.compared.buffer().clear().limit(copy.lengthBytes);
      legs.follower.read(copy.offsetBytes, buffer, outcome -> read(copy, TARGET, outcome));
    }
    long askedBytes;
    synchronized (lock) {
      boolean isData = dataFirst <= copy.firstRegion && copy.lastRegion() < dataEnd;
      int regions = isData ? 0 : Math.max(copy.regions, askedRegions);
      long most = map.sizeBytes() - copy.offsetBytes;
      askedBytes = Math.min((long) regions * DifferenceMap.REGION_BYTES, most);
    }
    if (askedBytes == 0) {
      told(copy, false);
      return;
    }
    // Holes count for what was claimed before: what is written from now on makes the copy stale.
    var unused =
        legs.leader
            .extents(copy.offsetBytes, askedBytes)
            .thenAccept(extents -> told(copy, extents, copy.offsetBytes + askedBytes));
  }

  private void told(RegionCopy copy, Extents extents, long askedEndBytes) {
    boolean hole = false;
    long dataEndBytes = askedEndBytes;
    for (Extents.Run run : extents.zeros()) {
      hole |=
          run.offsetBytes() <= copy.offsetBytes
              && copy.offsetBytes + copy.lengthBytes <= run.endBytes();
      dataEndBytes = Math.min(dataEndBytes, run.offsetBytes());
    }
    synchronized (lock) {
      askedRegions =
          dataEndBytes < askedEndBytes
              ? RegionSpan.MOST_REGIONS
              : Math.min(MOST_ASKED_REGIONS, 2 * askedRegions);
      dataFirst = copy.firstRegion;
      dataEnd = DifferenceMap.firstRegion(dataEndBytes);
      spanRegions =
          hole
              ? Math.min(MOST_ASKED_REGIONS, Math.max(spanRegions, 2 * copy.regions))
              : RegionSpan.MOST_REGIONS;
    }
    told(copy, hole);
  }

  private void told(RegionCopy copy, boolean hole) {
    boolean tooLong;
    synchronized (lock) {
      copy.hole = hole;
      tooLong = !hole && copy.data == null;
      if (tooLong) {
        giveBack(copy);
      }
    }
    if (tooLong) {
      owner.work();
    } else if (hole) {
      if (copy.compared != null) {
        ZeroRuns.fill(copy.data.buffer().clear().limit(copy.lengthBytes));
      }
      read(copy, SOURCE, Outcome.OK);
    } else {
      ByteBuffer buffer = copy.data.buffer().clear().limit(copy.lengthBytes);
      legs.leader.read(copy.offsetBytes, buffer, outcome -> read(copy, SOURCE, outcome));
    }
  }

  /** More of it is data than there is memory for: it is claimed again, in parts. */
  private void giveBack(RegionCopy copy) {
    pace.giveBack((long) copy.regions * DifferenceMap.REGION_BYTES);
    cursor = Math.min(cursor, copy.firstRegion);
    end(copy);
  }

  private void read(RegionCopy copy, String leg, Outcome outcome) {
    BitSet skipped = null;
    synchronized (lock) {
      if (outcome != Outcome.OK) {
        failed(copy, "reading", leg, outcome);
      }
      copy.comparing &= leg.equals(SOURCE);
      if (--copy.outstanding > 0) {
        // The other leg's part.
      } else if (copy.failed || copy.isAllStale()) {
        end(copy);
      } else {
        copy.stage = RegionCopy.Stage.WRITING;
        copy.outstanding = 1; // until all parts are at the follower
        copy.followerSinceNanos = nanoTime.getAsLong();
        skipped = (BitSet) copy.stale.clone();
      }
    }
    if (skipped != null) {
      write(copy, skipped);
    }
    owner.work();
  }

  /** Without the lock: that a region is stale counts when the copy ends. */
  private void write(RegionCopy copy, BitSet skipped) {
    int region = skipped.nextClearBit(0);
    while (region < copy.regions) {
      int next = skipped.nextSetBit(region);
      int end = next < 0 ? copy.regions : next;
      write(
          copy,
          region * DifferenceMap.REGION_BYTES,
          Math.min(copy.lengthBytes, end * DifferenceMap.REGION_BYTES));
      region = skipped.nextClearBit(end);
    }
    written(copy, Outcome.OK);
  }

  private void write(RegionCopy copy, int from, int end) {
    if (copy.hole && copy.compared == null) {
      zero(copy, from, end);
      return;
    }
    ByteBuffer data = copy.data.buffer();
    int at = from;
    while (at < end) {
      if (isThere(copy, at, end)) {
        at = Math.min(end, at + ZeroRuns.BLOCK_BYTES);
        continue;
      }
      boolean zero = ZeroRuns.isZero(data, at, end);
      int runEnd = at;
      while (runEnd < end
          && ZeroRuns.isZero(data, runEnd, end) == zero
          && !isThere(copy, runEnd, end)) {
        runEnd = Math.min(end, runEnd + ZeroRuns.BLOCK_BYTES);
      }
      if (zero) {
        zero(copy, at, runEnd);
      } else {
        write(copy, at, data.slice(at, runEnd - at));
      }
      at = runEnd;
    }
  }

  /** Whether the follower has the block already. */
  private boolean isThere(RegionCopy copy, int at, int end) {
    int length = Math.min(ZeroRuns.BLOCK_BYTES, end - at);
    return copy.compared != null
        && copy.compared.buffer().slice(at, length).mismatch(copy.data.buffer().slice(at, length))
            < 0;
  }

  private void write(RegionCopy copy, int from, ByteBuffer data) {
    synchronized (lock) {
      copiedBytes += data.remaining();
      copy.outstanding++;
    }
    legs.follower.write(copy.offsetBytes + from, data, outcome -> written(copy, outcome));
  }

  private void zero(RegionCopy copy, int from, int end) {
    long offset = copy.offsetBytes + from;
    int length = end - from;
    boolean zeroing;
    synchronized (lock) {
      zeroing = canZero;
      if (zeroing || known == Follower.ZERO) {
        zeroBytes += length;
      } else {
        copiedBytes += length;
      }
      if (known == Follower.ZERO) {
        return;
      }
      copy.outstanding++;
    }
    Completion done = outcome -> written(copy, outcome);
    if (zeroing) {
      legs.follower.zero(
          offset,
          length,
          true,
          outcome -> {
            if (outcome == Outcome.UNSUPPORTED) {
              synchronized (lock) {
                canZero = false;
              }
              Legs.writeZeros(legs.follower, offset, length, done);
            } else {
              done.complete(outcome);
            }
          });
    } else {
      Legs.writeZeros(legs.follower, offset, length, done);
    }
  }

  private void written(RegionCopy copy, Outcome outcome) {
    synchronized (lock) {
      if (outcome != Outcome.OK) {
        failed(copy, "writing", TARGET, outcome);
      }
      if (--copy.outstanding == 0) {
        clear(copy);
        end(copy);
      }
    }
    owner.work();
  }

  private void clear(RegionCopy copy) {
    for (int region = 0; region < copy.regions && !copy.failed; region++) {
      if (!copy.stale.get(region)) {
        map.clear(copy.firstRegion + region);
      }
    }
  }

  private void failed(RegionCopy copy, String doing, String leg, Outcome outcome) {
    copy.failed = true;
    owner.copyFailed(
        "%s %d bytes at %d of the %s: %s"
            .formatted(doing, copy.lengthBytes, copy.offsetBytes, leg, outcome.words()));
  }

  private void end(RegionCopy copy) {
    copies.remove(copy);
    release(copy.data);
    release(copy.compared);
  }
}
