package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.net.MirrorSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * Gives a disk of a running guest, an export, a second leg, and takes one of two away.
 *
 * <pre>
 *   ONE LEG --the new one opens, the first knows that it alone is up to date--> RECORDED
 *     RECORDED --xenstore names both--> under the guest --all before has ended--> it is copied, as any
 *                                                                leg that was away; the XML names both
 *   TWO LEGS --recorded that one alone is up to date--> RECORDED
 *     RECORDED --xenstore names that one--> under the guest --all before has ended--> the XML names that
 *                                                     one --both definitions do--> it needs no record
 * </pre>
 *
 * A daemon that ends in between serves the disk with one leg, or with both; with one that leg
 * refuses the next start until the XML names both, or a person releases it. An XML is written when
 * libvirt lets it, as that of a swap.
 */
final class LegChanges {
  private final MidPoints midPoints;
  private final Devices devices;
  private final DiskJobStore jobs;
  private final JobMetadata metadata;
  private final Executor executor;

  /**
   * @param executor runs what may wait for another host
   */
  LegChanges(
      MidPoints midPoints,
      Devices devices,
      DiskJobStore jobs,
      JobMetadata metadata,
      Executor executor) {
    this.midPoints = midPoints;
    this.devices = devices;
    this.jobs = jobs;
    this.metadata = metadata;
    this.executor = executor;
  }

  /**
   * Begins it. Does not wait for the storage.
   *
   * @return completes when copying has begun; exceptionally when the disk has one leg as before
   */
  CompletableFuture<Void> add(ServedDisk disk, String leg) throws ControlException {
    checkServed(disk);
    String old = disk.details().source().orElse("");
    Device present = disk.device().orElseThrow();
    if (MirrorSource.is(old)) {
      throw new ControlException(
          "%s has two legs already, %s: drop one of them first, see `netchannel mirror drop`"
              .formatted(disk, String.join(" and ", MirrorSource.legs(old))));
    }
    if (!DiskPlaces.isExport(old) || disk.details().readOnly()) {
      throw new ControlException(
          "%s is %s%s: expected an export that is written to, as netchannel://HOST/NAME; swap it to one first"
              .formatted(disk, old, disk.details().readOnly() ? ", read-only" : ""));
    }
    String source = Mirrors.source(List.of(old, leg));
    return midPoints
        .withStorage(() -> begin(disk, present, source))
        .thenRun(() -> metadata.name(disk.details().key(), old, source, () -> {}));
  }

  private void checkServed(ServedDisk disk) throws ControlException {
    if (!disk.isServing() || disk.device().isEmpty()) {
      throw new ControlException(
          "%s is not served at present (%s); try again when it is"
              .formatted(disk, disk.problem().orElse(disk.status().state().toString())));
    }
    if (jobs.active(disk.details().key()).isPresent()) {
      throw new ControlException("%s is being swapped; see `netchannel jobs`".formatted(disk));
    }
  }

  private CompletableFuture<Void> begin(ServedDisk disk, Device present, String source)
      throws DeviceException {
    DiskDetails details = disk.details();
    Device both =
        devices.openAround(
            source, present, details.openOptions(details.generation(), Optional.empty()));
    Mirrors.Added added = (Mirrors.Added) both;
    disk.switched(source);
    return exchange(disk, present, both)
        .whenCompleteAsync(
            (done, failure) -> {
              if (failure == null) {
                added.begin();
              } else if (disk.device().filter(device -> device == both).isEmpty()) {
                disk.switched(details.source().orElse(""));
                added.drop();
              }
            },
            executor);
  }

  /**
   * Begins to let it go on with one leg. Does not wait for the storage.
   *
   * @param leg the one that goes; empty for the one that is not up to date
   * @return completes when it does; exceptionally when it has two as before
   */
  CompletableFuture<Mirrors.Remaining> drop(ServedDisk disk, Optional<String> leg)
      throws ControlException {
    checkServed(disk);
    String source = disk.details().source().orElse("");
    if (!(disk.device().orElse(null) instanceof Mirrors.TwoLegs both)) {
      throw new ControlException(
          "%s is %s, and no disk with two legs; `netchannel mirrors` lists those"
              .formatted(disk, source));
    }
    return midPoints
        .withStorage(() -> both.drop(leg))
        .thenComposeAsync(remaining -> goOnWith(disk, both, source, remaining), executor);
  }

  private CompletableFuture<Mirrors.Remaining> goOnWith(
      ServedDisk disk, Mirrors.TwoLegs both, String source, Mirrors.Remaining remaining) {
    disk.switched(remaining.source());
    CompletableFuture<Void> exchanged = exchange(disk, both, remaining.device());
    return exchanged.handleAsync(
        (done, failure) -> {
          if (failure == null) {
            remaining.unused();
            metadata.name(disk.details().key(), source, remaining.source(), remaining::named);
            return remaining;
          }
          if (disk.device().filter(device -> device == both).isPresent()) {
            disk.switched(source);
          } else {
            both.close(); // its mid-point has ended: nobody else does
          }
          throw new IllegalStateException(failure.getMessage(), failure);
        },
        executor);
  }

  private static CompletableFuture<Void> exchange(ServedDisk disk, Device from, Device to) {
    try {
      return disk.midPoint()
          .exchange(
              now -> {
                if (now != from) {
                  throw new IllegalStateException(disk + " has another device meanwhile");
                }
                disk.device(to);
                return to;
              });
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }
}
