package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;

/**
 * A device with two legs: the leader, which is the disk, and the follower, which becomes it.
 * States, rules and invariants are in the package's description.
 *
 * <p>It has no thread: what a completion makes possible happens on that completion's thread, and
 * what is a matter of time in {@link #tick}.
 */
public final class MirrorDevice implements Device {
  /**
   * What is longer goes in parts: a write, because its copy is one buffer; a discard, because a
   * follower that makes zeros for minutes is not silent, and what waits for it waits no longer.
   */
  private static final long WRITE_PART_BYTES = BufferLease.MAX_BYTES;

  private static final long DISCARD_PART_BYTES = 64L << 20;

  private final Mirror mirror;

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

  /**
   * Likewise, with the map in memory that outlives the process, as in {@link DifferenceMap#create}.
   * With one that was found it goes on where the mirror before was killed. Whoever uses it then
   * issues again, through it, what was not answered.
   *
   * @param map of the leader's size, and no other mirror's that is not closed; its file is the
   *     caller's to remove
   */
  public MirrorDevice(
      Device leader,
      Device follower,
      DifferenceMap map,
      MirrorSettings settings,
      BufferBudget budget,
      MirrorOwner owner,
      LongSupplier nanoTime) {
    this(new Legs(leader, follower), map, settings, budget, owner, nanoTime);
  }

  private MirrorDevice(
      Legs legs,
      DifferenceMap map,
      MirrorSettings settings,
      BufferBudget budget,
      MirrorOwner owner,
      LongSupplier nanoTime) {
    mirror = new Mirror(legs, map, settings, budget, owner, nanoTime);
  }

  /**
   * One that stays, see {@link MirrorSettings#lasting}. The leader alone is up to date until {@link
   * #resume} has led to more, unless it is said to {@link #beginInSync}.
   *
   * @param near the leg that is read from while both are up to date; empty for the leader
   * @param map as above
   * @throws IllegalArgumentException when the legs differ in size or blocks
   */
  public static MirrorDevice lasting(
      Device leader,
      Device follower,
      Optional<Device> near,
      DifferenceMap map,
      MirrorSettings settings,
      BufferBudget budget,
      MirrorOwner owner,
      LongSupplier nanoTime) {
    Legs legs = Legs.alike(leader, follower, near);
    return new MirrorDevice(legs, map, settings, budget, owner, nanoTime);
  }

  // ---- The device

  /** The leader's, less what only one leg can. */
  @Override
  public DeviceGeometry geometry() {
    return mirror.legs.geometry;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    mirror.submit(Kind.READ, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    long lengthBytes = data.remaining();
    if (lengthBytes == 0) {
      completion.complete(Outcome.OK);
    } else if (lengthBytes > WRITE_PART_BYTES) {
      new Parts(
              mirror::submit,
              Kind.WRITE,
              offsetBytes,
              lengthBytes,
              WRITE_PART_BYTES,
              data,
              completion)
          .begin();
    } else {
      mirror.submit(Kind.WRITE, offsetBytes, lengthBytes, data, completion);
    }
  }

  @Override
  public void flush(Completion completion) {
    mirror.submit(Kind.FLUSH, 0, 0, null, completion);
  }

  /**
   * While there are two legs it makes zeros of the range, so that these stay alike. Where one of
   * them cannot that is UNSUPPORTED: a promise that a switch would break is not made. A leg of a
   * lasting one that finds it out only then gets zeros as data, once.
   */
  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    if (!mirror.legs.geometry.canDiscard() || mirror.legs.discardFails) {
      completion.complete(Outcome.UNSUPPORTED);
    } else if (lengthBytes > DISCARD_PART_BYTES) {
      new Parts(
              (kind, offset, length, none, done) -> discard(offset, length, done),
              Kind.DISCARD,
              offsetBytes,
              lengthBytes,
              DISCARD_PART_BYTES,
              null,
              completion)
          .begin();
    } else {
      mirror.submit(Kind.DISCARD, offsetBytes, lengthBytes, null, completion);
    }
  }

  @Override
  public void rest() {
    mirror.legsToKeep().forEach(Device::rest);
  }

  @Override
  public void useGeneration(long generation) {
    mirror.legsToKeep().forEach(leg -> leg.useGeneration(generation));
  }

  /** The user comes again for what is its disk, or becomes it: a leg that was left is free. */
  @Override
  public void keepPlace() {
    mirror.legsToKeep().forEach(Device::keepPlace);
  }

  /** None: what two legs have is waited for. */
  @Override
  public Optional<CompletableFuture<Custody>> custody() {
    return Optional.empty();
  }

  @Override
  public Optional<Outcome> inherited(RequestName write) {
    return mirror.disk().inherited(write);
  }

  /** Of the leg that is the disk. Who switches tells each leg itself. */
  @Override
  public CompletableFuture<Void> moved(String to) {
    return mirror.disk().moved(to);
  }

  @Override
  public CompletableFuture<Void> arrived() {
    return mirror.disk().arrived();
  }

  @Override
  public Optional<String> problem() {
    return mirror.problem();
  }

  /** Of both legs, whoever has closed them. */
  @Override
  public boolean isGivenFree() {
    return mirror.legs.leader.isGivenFree() && mirror.legs.follower.isGivenFree();
  }

  @Override
  public boolean hasLostWrites() {
    return mirror.disk().hasLostWrites();
  }

  /**
   * Closes both legs. A switch that is being recorded is waited for, as which leg is the disk is
   * known then only; one that has not come so far is not made. Where that stays unknown, what only
   * one leg has is not answered any more, and the next process finds out. Nothing once it is
   * dissolved.
   */
  @Override
  public void close() {
    mirror.close();
  }

  /** Whether the calling thread is in the midst of a decision. Nobody whom it calls is. */
  boolean holdsLock() {
    return Thread.holdsLock(mirror.lock);
  }

  // ---- What its owner does

  /**
   * The leg that is the disk until the switch; for who tells it where the disk is, or closes it.
   */
  public Device leader() {
    return mirror.legs.leader;
  }

  /** The one that becomes it. */
  public Device follower() {
    return mirror.legs.follower;
  }

  /**
   * Begins, or goes on after a pause. Nothing when it goes on already, or is over.
   *
   * <p>Not before all has ended that the leader was given past the mirror: nobody would see that it
   * changes what is copied.
   */
  public void resume() {
    mirror.decide(mirror.states::resume);
  }

  /**
   * Likewise of a lasting one, whose follower was opened anew: as which of its legs, and of which
   * storage. All of another one than before is copied.
   *
   * @param leg 0 or 1, as in {@link DifferenceMap#legIs}
   */
  public void resumeWith(int leg, Optional<UUID> storage) {
    mirror.resumeWith(leg, storage);
  }

  /** A lasting one begins with legs that are recorded as up to date, both of them, and alike. */
  public void beginInSync() {
    mirror.decide(mirror.states::beginInSync);
  }

  /**
   * A leg of a lasting one is of no use, as its owner knows; in sync the other one goes on alone.
   * Nothing otherwise.
   */
  public void legFails(Device leg, String why) {
    mirror.decide(() -> mirror.states.legFails(leg, why));
  }

  /** Whether it is in sync, and has nothing under way: the legs are alike as they are. */
  public boolean isQuiet() {
    return mirror.isQuiet();
  }

  /** Nothing more goes to the follower until {@link #resume}. */
  public void pause(String why) {
    mirror.decide(() -> mirror.states.pause(why));
  }

  /** Switches as soon as it is in sync, and not held. */
  public void switchOver() {
    mirror.decide(mirror.states::switchOver);
  }

  /**
   * Until {@link #releaseSwitch} it does not switch, not even when the leader fails: the guest is
   * about to leave this host, say, and takes the leader along.
   *
   * @return whether it holds; false when the switch is being recorded, or was
   */
  public boolean holdSwitch() {
    return mirror.ask(mirror.states::holdSwitch);
  }

  /** Switches when it would have, had it not been held. Nothing when it was not. */
  public void releaseSwitch() {
    mirror.decide(mirror.states::releaseSwitch);
  }

  /**
   * Gives it up: the leader stays the disk. The map is of no use any more, as nobody notes what
   * changes from now on.
   *
   * @return whether it is; false when the switch is being recorded, or was
   */
  public boolean abort() {
    return mirror.abort();
  }

  /** Bounds what is copied each second; 0 for no bound. */
  public void bandwidth(long bytesPerSecond) {
    mirror.decide(() -> mirror.pace.bandwidth(bytesPerSecond));
  }

  /**
   * Completes when it is ALONE or ABORTED and the leg that was left has nothing more of it: the
   * mirror may be taken away, see {@link #survivor}. Exceptionally when it was closed before.
   */
  public CompletableFuture<Void> left() {
    return mirror.left.copy();
  }

  /**
   * The leg that is the disk for good, for who puts it in the mirror's place: it does what the
   * mirror would do from then on. It stays the mirror's to close until {@link #dissolve}.
   *
   * @throws IllegalStateException when it is neither ALONE nor ABORTED
   */
  public Device survivor() {
    return mirror.survivor();
  }

  /**
   * Closes the leg that was left, and that one only, and gives the memory back; may wait for that
   * leg as its close does. The {@link #survivor} belongs to who has put it in the mirror's place:
   * {@link #close} does nothing any more. Nothing when it was dissolved before, or closed.
   *
   * <p>Once what came through here has ended. Should something come after that, the survivor gets
   * it.
   *
   * @throws IllegalStateException when that is not so; nothing has changed then
   */
  public void dissolve() {
    mirror.dissolve();
  }

  public MirrorStatus status() {
    return mirror.ask(mirror::status);
  }

  /** What is a matter of time. To be called some ten times a second. */
  public void tick() {
    mirror.tick();
  }
}
