package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives a disk of a running guest, an export, a second leg.
 *
 * <pre>
 *   ONE LEG --the new one opens, the first knows that it alone is up to date--> RECORDED
 *     RECORDED --xenstore names both--> under the guest --all before has ended--> it is copied, as any
 *                                                                leg that was away; the XML names both
 * </pre>
 *
 * A daemon that ends in between serves the disk with one leg, or with both; with one the first leg
 * refuses the next start until the XML names both.
 */
final class LegAdding {
  private static final Logger log = LoggerFactory.getLogger(LegAdding.class);

  private final MidPoints midPoints;
  private final Devices devices;
  private final DiskJobStore jobs;
  private final DiskDefinitions definitions;
  private final Executor executor;

  /**
   * @param executor runs what libvirt may keep waiting
   */
  LegAdding(
      MidPoints midPoints,
      Devices devices,
      DiskJobStore jobs,
      DiskDefinitions definitions,
      Executor executor) {
    this.midPoints = midPoints;
    this.devices = devices;
    this.jobs = jobs;
    this.definitions = definitions;
    this.executor = executor;
  }

  /**
   * Begins it. Does not wait for the storage.
   *
   * @return completes when copying has begun; exceptionally when the disk has one leg as before
   */
  CompletableFuture<Void> add(ServedDisk disk, String leg) throws ControlException {
    String old = disk.details().source().orElse("");
    Device present = disk.device().orElse(null);
    if (!disk.isServing() || present == null) {
      throw new ControlException(
          "%s is not served at present (%s); try again when it is"
              .formatted(disk, disk.problem().orElse(disk.status().state().toString())));
    }
    if (jobs.active(disk.details().key()).isPresent()) {
      throw new ControlException("%s is being swapped; see `netchannel jobs`".formatted(disk));
    }
    if (!DiskPlaces.isExport(old) || disk.details().readOnly()) {
      throw new ControlException(
          "%s is %s%s: expected an export that is written to, as netchannel://HOST/NAME; swap it to one first"
              .formatted(disk, old, disk.details().readOnly() ? ", read-only" : ""));
    }
    String source = Mirrors.source(List.of(old, leg));
    return midPoints
        .withStorage(() -> begin(disk, present, source))
        .thenRunAsync(() -> name(disk, old, source), executor);
  }

  private CompletableFuture<Void> begin(ServedDisk disk, Device present, String source)
      throws DeviceException {
    DiskDetails details = disk.details();
    Device both =
        devices.openAround(
            source, present, details.openOptions(details.generation(), Optional.empty()));
    Mirrors.Added added = (Mirrors.Added) both;
    CompletableFuture<Void> exchanged;
    try {
      disk.switched(source);
      exchanged =
          disk.midPoint()
              .exchange(
                  now -> {
                    if (now != present) {
                      throw new IllegalStateException(disk + " has another device meanwhile");
                    }
                    disk.device(both);
                    return both;
                  });
    } catch (RuntimeException e) {
      exchanged = CompletableFuture.failedFuture(e);
    }
    return exchanged.whenCompleteAsync(
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

  /** As libvirt may be away, a person is told what to do. */
  private void name(ServedDisk disk, String old, String source) {
    for (Definition definition : Definition.values()) {
      try {
        var unused =
            definitions.changeSource(disk.guest().uuid(), definition, disk.target(), old, source);
      } catch (MetadataException e) {
        log.warn(
            "{}: the {} XML does not name its legs yet, so the next start is refused: write {}"
                + " there; {}",
            disk,
            definition.word(),
            source,
            e.getMessage());
      }
    }
  }
}
