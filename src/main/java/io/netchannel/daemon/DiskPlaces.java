package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.Moved;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.Storage;
import io.netchannel.device.legs.Mirrors;
import java.util.Collection;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which device is which, however it is written: before a copy is made over one, and before a guest
 * starts from one. What an export has, and who else may write there, is for its server to say; that
 * lets nobody else in.
 *
 * <p>All but {@link #arrived} may have to wait for storage.
 */
final class DiskPlaces {
  private static final Logger log = LoggerFactory.getLogger(DiskPlaces.class);

  /** How the place of an export of a device server begins, of each scheme. */
  private static final String EXPORT = "netchannel";

  /** Likewise of one that every host reaches under the same name. */
  private static final String EXPORT_FOR_ALL = EXPORT + "://";

  private final Devices devices;
  private final DiskJobStore jobs;
  private final Supplier<? extends Collection<ServedDisk>> disks;
  private final Supplier<? extends Collection<SwapRunner>> runners;

  /**
   * Of one host.
   *
   * @param disks of all guests that are here
   * @param runners of the jobs, of which those that are over are left out
   */
  DiskPlaces(
      Devices devices,
      DiskJobStore jobs,
      Supplier<? extends Collection<ServedDisk>> disks,
      Supplier<? extends Collection<SwapRunner>> runners) {
    this.devices = devices;
    this.jobs = jobs;
    this.disks = disks;
    this.runners = runners;
  }

  // ---- What becomes a disk

  /**
   * Whether the XML of a disk's domain can be made to name another device.
   *
   * @throws DeviceException when it cannot, with what to do
   */
  static void checkNotInherited(ServedDisk disk) throws DeviceException {
    if (disk.details().inherited()) {
      throw new DeviceException(
          "%s is one that libxl made (source=\"inherit\"): its <disk> would name the old device at the next start. Give it a <netchannel:disk> with a source of its own first, without a <disk>"
              .formatted(disk));
    }
  }

  /**
   * Whether a disk may be copied over another source: nothing is opened for writing here.
   *
   * @param job is told which storages it is about
   * @throws DeviceException when it must not, or cannot be known
   */
  void checkTarget(UUID job, ServedDisk disk, String old, String source) throws DeviceException {
    checkNoLeg(disk, old, source);
    Storage target = devices.storage(source);
    Storage was = devices.storage(old);
    if (isSame(source, target, old, was)) {
      throw new DeviceException("%s is the disk already, as %s".formatted(source, old));
    }
    checkKnown(source, target, "the disk already, as " + old, was);
    for (ServedDisk other : disks.get()) {
      String used = other.details().source().orElse("");
      if (other != disk && !used.isEmpty()) {
        checkNotAnothers(source, target, other, used);
      }
    }
    checkNotTarget(disk.details().key(), source, Optional.of(target));
    if (isOfKernel(target)) {
      Optional<String> export = devices.exportOf(target);
      if (export.isPresent()) {
        throw new DeviceException(
            "%s is exported as %s, whose clients would write to it too: swap to that export, netchannel://HOST/%s with this host's name, or `netchannel unexport %s` first"
                .formatted(source, export.get(), export.get(), export.get()));
      }
    }
    jobs.storages(job, was.identity(), target.identity());
  }

  /** A leg would be copied over itself; however it is called. */
  private void checkNoLeg(ServedDisk disk, String old, String source) throws DeviceException {
    ImmutableList<String> legs = Mirrors.parts(old);
    ImmutableList<String> targets = Mirrors.parts(source);
    if (legs.size() + targets.size() == 2) {
      return;
    }
    if (legs.size() == targets.size()) {
      // Who keeps records of legs keeps those of one mirror for a disk.
      throw new DeviceException(
          "%s has two legs, and %s names two others: swap it to one of those, then `netchannel mirror add %s %s` the other one"
              .formatted(disk, source, disk.details().guest().name(), disk.target()));
    }
    for (String leg : legs) {
      for (String target : targets) {
        if (isOne(target, leg)) {
          throw new DeviceException(
              "%s is a part of %s already%s: %s"
                  .formatted(
                      target,
                      disk,
                      leg.equals(target) ? "" : ", as " + leg,
                      targets.size() == 1
                          ? "`netchannel mirror drop %s %s %s` lets it go on with that leg alone"
                              .formatted(
                                  disk.details().guest().name(),
                                  disk.target(),
                                  legs.get(1 - legs.indexOf(leg)))
                          : "`netchannel mirror add` and `netchannel mirror drop` change the legs"
                              + " of a disk"));
        }
      }
    }
  }

  private void checkNotAnothers(String source, Storage target, ServedDisk other, String used)
      throws DeviceException {
    Optional<Storage> theirs = ofThisHost(used);
    if (isSamePlace(source, used) || theirs.filter(target::isSame).isPresent()) {
      throw new DeviceException("%s is the disk %s; take another one".formatted(source, other));
    }
    if (theirs.isPresent()) {
      checkKnown(source, target, "the disk " + other, theirs.get());
    }
  }

  private static void checkKnown(String source, Storage target, String whose, Storage theirs)
      throws DeviceException {
    if (target.mayBe(theirs)) {
      throw new DeviceException(Storage.cannotBeTold(source, whose));
    }
  }

  /** Refuses what a job of another disk makes a copy of that one. */
  private void checkNotTarget(DeviceKey disk, String source, Optional<Storage> storage)
      throws DeviceException {
    for (SwapRunner runner : runners.get()) {
      String becoming = runner.job().newSource();
      if (!runner.key().equals(disk)
          && runner.stage() != SwapRunner.Stage.OVER
          && (isSamePlace(source, becoming)
              || (storage.isPresent()
                  && ofThisHost(becoming).filter(storage.get()::isSame).isPresent()))) {
        throw new DeviceException(
            "%s is becoming %s; take another one".formatted(source, runner.job().label()));
      }
    }
  }

  // ---- What was one

  /**
   * Whether a disk may start from a source.
   *
   * @throws DeviceException when it must not, with where the disk is
   */
  void checkStart(DiskDetails disk, String source) throws DeviceException {
    DeviceKey key = disk.key();
    Optional<Storage> storage = ofThisHost(source);
    checkNotTarget(key, source, storage);
    checkNotLeft(key, source, storage);
    if (!disk.readOnly() && storage.isPresent() && isOfKernel(storage.get())) {
      Optional<String> export = devices.exportInUse(storage.get());
      if (export.isPresent()) {
        throw new DeviceException(
            "%s is exported as %s, and a client of that may write to it: two writers would destroy what is on it; `netchannel exports` shows who"
                .formatted(source, export.get()));
      }
    }
    noteUse(storage);
  }

  /** What a pool of this host has made is a person's, once a disk uses its file by the path. */
  private void noteUse(Optional<Storage> ofThisHost) throws DeviceException {
    if (ofThisHost.isPresent() && isOfKernel(ofThisHost.get())) {
      devices.usedByPath(ofThisHost.get());
    }
  }

  private void checkNotLeft(DeviceKey key, String source, Optional<Storage> ofThisHost)
      throws DeviceException {
    Moved newest = jobs.moved(key).orElse(null);
    if (newest == null || isSamePlace(source, newest.newSource())) {
      return;
    }
    Optional<Storage> storage = ofThisHost.or(() -> storage(source));
    if (is(storage, newest.newStorage(), newest.newSource())) {
      return;
    }
    for (Moved left : jobs.left(key)) {
      if (isSamePlace(source, left.oldSource())
          || is(storage, left.oldStorage(), left.oldSource())) {
        throw new DeviceException(outOfDate(key, source, left, newest));
      }
    }
  }

  private static String outOfDate(DeviceKey key, String source, Moved left, Moved newest) {
    boolean isByName = source.equals(left.oldSource());
    return "%s's %s was switched to %s on %s; %s%s is out of date since. %s, `netchannel job %s %s --forget` lets the old one be used"
        .formatted(
            newest.domainName(),
            key.target(),
            newest.newSource(),
            left.at(),
            source,
            isByName ? "" : ", which is " + left.oldSource() + ",",
            isByName
                ? "`netchannel job %s %s --write-metadata` corrects the XML"
                    .formatted(newest.domainName(), key.target())
                : "Make the XML name the new one",
            newest.domainName(),
            key.target());
  }

  /** A storage that was seen once is another one after a restart of its host: its name stays. */
  private boolean is(Optional<Storage> storage, Optional<UUID> seen, String named) {
    return storage.isPresent()
        && ((seen.isPresent() && seen.equals(storage.get().identity()))
            || storage(named).filter(storage.get()::isSame).isPresent());
  }

  /** A disk has come with its guest, and is here from now on. */
  void arrived(DiskDetails disk, String source) {
    DeviceKey key = disk.key();
    try {
      noteUse(ofThisHost(source));
    } catch (DeviceException e) {
      log.warn("{}: {}", disk, e.getMessage());
    }
    Moved newest = jobs.moved(key).orElse(null);
    if (newest == null) {
      return;
    }
    try {
      if (!isSamePlace(source, newest.newSource())) {
        jobs.arrived(key, disk.guest().name(), source, storage(source).flatMap(Storage::identity));
      }
    } catch (DeviceException | JournalException e) {
      log.warn(
          "{}: that it has been switched to {} elsewhere is not noted here, so that its next start"
              + " from there may be refused; `netchannel job {} {} --forget` helps: {}",
          disk,
          source,
          disk.guest().name(),
          disk.target(),
          e.getMessage());
    }
  }

  /** What a job that a daemon before has begun is about, for the time when it has switched. */
  void found(DiskJob job) {
    jobs.storages(
        job.id(),
        storage(job.oldSource()).flatMap(Storage::identity),
        storage(job.newSource()).flatMap(Storage::identity));
  }

  // ---- How they are known

  /** Whether a device server has it: an authority over who has it, and what is out of date. */
  static boolean isExport(String place) {
    return place.startsWith(EXPORT);
  }

  /** HOST[:PORT]/NAME of an export that every host reaches under the same name; else empty. */
  static Optional<String> exportForAll(String place) {
    return place.startsWith(EXPORT_FOR_ALL)
        ? Optional.of(place.substring(EXPORT_FOR_ALL.length()))
        : Optional.empty();
  }

  private boolean isSame(String source, Storage storage, String other, Storage others)
      throws DeviceException {
    return isSamePlace(source, other) || storage.isSame(others);
  }

  /** Whether two sources lead to one storage; what is not there leads nowhere. */
  boolean isOne(String source, String other) throws DeviceException {
    return isSamePlace(source, other)
        || storage(source).flatMap(one -> storage(other).filter(one::isSame)).isPresent();
  }

  private boolean isSamePlace(String source, String other) throws DeviceException {
    return Objects.equals(devices.place(source), devices.place(other));
  }

  private static boolean isOfKernel(Storage storage) {
    return storage.telling() == Storage.Telling.KERNEL;
  }

  /** Without a question to another host; empty when that would be needed, or it is not there. */
  private Optional<Storage> ofThisHost(String source) throws DeviceException {
    return isExport(devices.place(source)) ? Optional.empty() : storage(source);
  }

  /** Empty when it is not there now. */
  private Optional<Storage> storage(String source) {
    try {
      return Optional.of(devices.storage(source));
    } catch (DeviceException e) {
      log.debug("{}: {}", source, e.getMessage());
      return Optional.empty();
    }
  }
}
