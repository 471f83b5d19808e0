package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Inheritance;
import io.netchannel.device.mirror.DifferenceMap;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorOwner;
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.TrackedDevice;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the mirrors of a job, each of the guest's device, the new one, and the map of what may
 * differ between them. A mirror is under nobody yet when it is made. May wait for the storage.
 */
final class SwapMirrors {
  private static final Logger log = LoggerFactory.getLogger(SwapMirrors.class);

  private final SwapRunner.Environment environment;
  private final Supplier<DiskJob> job;
  private final NewDevice newDevice;
  private final MirrorOwner owner;
  private final BooleanSupplier goesOn;

  /**
   * None yet.
   *
   * @param goesOn whether there will be another one of the job after one that is not used
   */
  SwapMirrors(
      SwapRunner.Environment environment,
      Supplier<DiskJob> job,
      NewDevice newDevice,
      MirrorOwner owner,
      BooleanSupplier goesOn) {
    this.environment = environment;
    this.job = job;
    this.newDevice = newDevice;
    this.owner = owner;
    this.goesOn = goesOn;
  }

  /**
   * That of a job which begins.
   *
   * @param leader the guest's device, as it is
   */
  MirrorDevice first(Device leader, long generation, boolean followerIsZero)
      throws DeviceException {
    DifferenceMap map = newMap(bare(leader));
    map.beginAnew(leaderStorage(), newDevice.incarnation());
    Device follower = newDevice.open(generation, Optional.empty());
    return mirror(bare(leader), follower, map, followerIsZero, false);
  }

  /**
   * One after another: what the map says, or a map of which nothing is known. What is going to be
   * overwritten anyway is opened as a new one: what its server has lost of it does not matter then.
   *
   * @param leader the guest's device, as it is
   */
  MirrorDevice again(Device leader, long generation) throws DeviceException {
    DifferenceMap map = leader instanceof TrackedDevice tracked ? tracked.map() : newMap(leader);
    boolean isKnown = isKnown(map, leaderStorage(), newDevice.incarnation());
    Device follower =
        newDevice.open(generation, isKnown ? Optional.of(Inheritance.UNTOLD) : Optional.empty());
    return mirror(bare(leader), follower, map, false, !isKnown);
  }

  /**
   * Until there is a mirror again it is noted what changes. What was at both devices when the
   * process before ended may have reached one of them.
   *
   * @param before what that was
   */
  Device tracked(Device device, List<Inheritance.Change> before) {
    long sizeBytes = device.geometry().sizeBytes();
    return new TrackedDevice(device, environment.maps().find(job.get().id(), sizeBytes, before));
  }

  /** Nobody goes on with the map. */
  void forget() {
    environment.maps().remove(job.get().id());
  }

  /** One that nobody uses: its leader is the guest's, and stays open. */
  void drop(MirrorDevice made) {
    made.abort();
    keepForTheNext(made.follower());
    made.dissolve();
  }

  /**
   * One that is under nobody yet.
   *
   * @param compareFirst whether most of the follower may be like the leader
   * @throws IllegalArgumentException when the follower does not fit; it is closed then
   */
  private MirrorDevice mirror(
      Device leader,
      Device follower,
      DifferenceMap map,
      boolean followerIsZero,
      boolean compareFirst) {
    DiskJob.Settings settings = job.get().settings();
    try {
      return new MirrorDevice(
          leader,
          follower,
          map,
          new MirrorSettings(
              followerIsZero,
              compareFirst,
              settings.switches(),
              settings.mayThrottle(),
              settings.verifies(),
              MirrorSettings.LEG_TIMEOUT),
          environment.buffers(),
          owner,
          environment.nanoTime());
    } catch (RuntimeException e) {
      keepForTheNext(follower);
      follower.close();
      throw e;
    }
  }

  /**
   * A job that goes on relies on what is there: its server remembers for the next attempt what it
   * has lost.
   */
  private void keepForTheNext(Device follower) {
    if (goesOn.getAsBoolean()) {
      follower.keepPlace();
    }
  }

  /** What was in front of the leader of a job before, and would be of no use. */
  private static Device bare(Device leader) {
    return leader instanceof TrackedDevice tracked ? tracked.leader() : leader;
  }

  private Optional<UUID> leaderStorage() throws DeviceException {
    return environment.devices().storage(job.get().oldSource()).incarnation();
  }

  private DifferenceMap newMap(Device leader) {
    return environment.maps().create(job.get().id(), leader.geometry().sizeBytes());
  }

  /**
   * Another storage may have either's place, or the same one may have lost what was not flushed.
   */
  private boolean isKnown(DifferenceMap map, Optional<UUID> leader, Optional<UUID> follower) {
    synchronized (map) { // what changes meanwhile is noted there
      boolean isOfThem = map.isOf(leader, follower);
      if (!isOfThem) {
        if (map.isFound() && !map.isFull()) {
          log.warn(
              "{}: all is compared: {} and {} may not be the storages that were mirrored",
              job.get().label(),
              job.get().oldSource(),
              job.get().newSource());
        }
        map.beginAnew(leader, follower);
      }
      return isOfThem && map.isFound() && !map.isFull();
    }
  }
}
