package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerException;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.coordinator.PeerMessages.Volume;
import io.netchannel.coordinator.PeerMessages.WantedVolume;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.net.HostPorts;
import io.netchannel.wire.Names;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Prepares the disks of a guest for a migration with its storage: each disk of this host gets a
 * volume of the destination, and a job that keeps it alike until the destination takes over with it
 * alone.
 *
 * <pre>
 *   a disk of the guest
 *     read-only, or of the destination already -------> stays as it is
 *     with a job that goes there --------------------> that job
 *     on this host: a file, or an export of it ------> a volume there, and a job
 *     anything else ----------------------------------> refused, and nothing is begun
 * </pre>
 *
 * All disks are looked at before anything is made. What was begun is given up when one of them
 * cannot begin; a volume is left where it is, and named. Stateless: what has begun is in the
 * journal.
 */
final class StorageMigration {
  private static final Logger log = LoggerFactory.getLogger(StorageMigration.class);

  /** How the place of a file of this host begins. */
  private static final String FILE = "file:";

  /** A job that has not begun by then is shown as one that opens its device. */
  private static final Duration BEGIN_BOUND = Duration.ofSeconds(10);

  /**
   * What it needs of its host.
   *
   * @param host its name, which its certificates prove
   * @param peers the peer that a host is, of which a source has the name or the address
   * @param patience with a peer that makes a volume
   */
  record Environment(
      String host,
      MidPoints midPoints,
      DiskDefinitions definitions,
      Devices devices,
      VolumePools volumes,
      Function<String, Optional<Peer>> peers,
      Duration patience,
      DiskJobs jobs,
      DiskJobStore store) {}

  /**
   * What is asked for.
   *
   * @param host the destination, as a person calls it
   * @param pool of the destination; empty for that of {@code follow}, or the only one
   */
  record Request(String host, String pool, long bytesPerSecond) {}

  /**
   * What goes along.
   *
   * @param host the destination's name
   * @param going disks with their jobs
   * @param staying the others, and why
   */
  record Prepared(String host, ImmutableList<ServedDisk> going, ImmutableList<String> staying) {}

  /** A disk of this host that has no job yet. */
  private record Moving(ServedDisk disk, String way, String name, ImmutableSet<String> allow) {}

  private final Environment environment;

  StorageMigration(Environment environment) {
    this.environment = environment;
  }

  /**
   * Begins what has not begun. May wait for the destination and for storage, within bounds.
   *
   * @throws ControlException when a disk cannot go there, with what to do
   */
  Prepared prepare(Guest guest, Request request) throws ControlException {
    Peer destination =
        environment
            .peers()
            .apply(request.host())
            .orElseThrow(
                () ->
                    new ControlException(
                        "%s is no [[peer]] of this host; add it to netchannel.toml"
                            .formatted(request.host())));
    ImmutableList.Builder<ServedDisk> going = ImmutableList.builder();
    ImmutableList.Builder<String> staying = ImmutableList.builder();
    List<Moving> moving = new ArrayList<>();
    List<ServedDisk> disks = environment.midPoints().ofDomain(guest.uuid());
    if (disks.isEmpty()) {
      throw new ControlException(
          guest + " has no Netchannel disk: nothing of its storage can go along");
    }
    for (ServedDisk disk : disks) {
      Optional<DiskJob> job = environment.store().active(disk.details().key());
      if (disk.details().readOnly()) {
        staying.add(disk.target() + " is read-only");
      } else if (job.isPresent()) {
        checkGoes(disk, job.get(), destination);
        going.add(disk);
      } else if (isAt(destination, disk)) {
        staying.add("%s is at %s already".formatted(disk.target(), source(disk)));
      } else {
        moving.add(moving(disk));
        going.add(disk);
      }
    }
    begin(destination, request, moving);
    return new Prepared(destination.name(), going.build(), staying.build());
  }

  private static String source(ServedDisk disk) {
    return disk.details().source().orElse("");
  }

  private static void checkGoes(ServedDisk disk, DiskJob job, Peer destination)
      throws ControlException {
    if (!job.origin().goesTo().equals(destination.name())) {
      throw new ControlException(
          "%s has a job already, to %s: wait until it is over, or end it with `netchannel job %s %s --abort`"
              .formatted(disk, job.newSource(), disk.guest().name(), disk.target()));
    }
  }

  private boolean isAt(Peer destination, ServedDisk disk) {
    return ExportPlace.of(environment.devices(), source(disk))
        .filter(place -> !environment.volumes().isHere(place.server()))
        .flatMap(
            place -> environment.peers().apply(HostPorts.withoutZone(place.server().getHost())))
        .filter(peer -> peer.name().equals(destination.name()))
        .isPresent();
  }

  /** What its volume is called, and who may use it. */
  private Moving moving(ServedDisk disk) throws ControlException {
    String source = source(disk);
    if (!disk.isServing()) {
      throw new ControlException(
          "%s is not served at present (%s); try again when it is"
              .formatted(disk, disk.problem().orElse(disk.status().state().toString())));
    }
    try {
      DiskPlaces.checkNotInherited(disk);
      Optional<ExportPlace> place = ExportPlace.of(environment.devices(), source);
      if (place.isPresent() && environment.volumes().isHere(place.get().server())) {
        String export = place.get().export();
        List<String> allow =
            environment.volumes().export(export).map(Exported::allow).orElse(List.of());
        return new Moving(disk, place.get().way(), export, named(allow));
      }
      String file = environment.devices().place(source);
      if (place.isEmpty() && file.startsWith(FILE)) {
        String way = source.substring(0, source.length() - file.length());
        return new Moving(disk, way, name(disk), named(List.of()));
      }
    } catch (DeviceException | MigrationRefusedException e) {
      throw new ControlException(e.getMessage(), e);
    }
    throw new ControlException(
        "%s is at %s: only a file of this host goes along, or an export of it under the name that all hosts have for it. Migrate without --with-storage, or give it such a disk first, with `netchannel swap`"
            .formatted(disk, source));
  }

  private ImmutableSet<String> named(List<String> allow) {
    return ImmutableSet.<String>builder().addAll(allow).add(environment.host()).build();
  }

  private static String name(ServedDisk disk) {
    String name = "%s-%s".formatted(disk.guest().name(), disk.target());
    return Names.isExport(name) ? name : "%s-%s".formatted(disk.guest().uuid(), disk.target());
  }

  private void begin(Peer destination, Request request, List<Moving> moving)
      throws ControlException {
    List<ServedDisk> begun = new ArrayList<>();
    List<String> made = new ArrayList<>();
    try {
      for (Moving each : moving) {
        Volume volume = volume(destination, request, each);
        made.add(volume.source());
        begin(destination, request, each, volume);
        begun.add(each.disk());
      }
    } catch (ControlException e) {
      begun.forEach(this::giveUp);
      throw new ControlException(
          made.isEmpty()
              ? e.getMessage()
              : "%s; left at %s: %s; `netchannel unexport` there what is not needed"
                  .formatted(e.getMessage(), destination.name(), String.join(", ", made)),
          e);
    }
  }

  private Volume volume(Peer destination, Request request, Moving moving) throws ControlException {
    ServedDisk disk = moving.disk();
    try {
      return destination.volume(
          new WantedVolume(
              disk.guest().uuid(),
              disk.target(),
              moving.name(),
              request.pool().isEmpty() ? pool(disk) : request.pool(),
              disk.sizeBytes(),
              moving.allow().asList()),
          environment.patience());
    } catch (PeerException e) {
      throw new ControlException(
          switch (e.kind()) {
            case REFUSED ->
                "%s: no volume at %s: %s".formatted(disk, destination.name(), e.getMessage());
            case NO_ANSWER ->
                "%s: %s; a volume %s may have been made there, which the same command uses when it is said again, and `netchannel exports` shows there"
                    .formatted(disk, e.getMessage(), moving.name());
          },
          e);
    }
  }

  /** That in which it follows its guest; empty when it does not, or libvirt cannot tell. */
  private String pool(ServedDisk disk) {
    try {
      return environment.definitions().follows(disk.guest().uuid()).getOrDefault(disk.target(), "");
    } catch (MetadataException e) {
      log.info("{}: whether it follows its guest is not known: {}", disk, e.getMessage());
      return "";
    }
  }

  private void begin(Peer destination, Request request, Moving moving, Volume volume)
      throws ControlException {
    try {
      CompletableFuture<Void> begun =
          environment
              .jobs()
              .begin(
                  moving.disk(),
                  new SwapRequest(
                      moving.way() + volume.source(),
                      false,
                      volume.isZero(),
                      false,
                      destination.name(),
                      new DiskJob.Settings(false, true, false, false, request.bytesPerSecond())));
      begun.get(BEGIN_BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      log.info("{}: has not begun after {} s", moving.disk(), BEGIN_BOUND.toSeconds());
    } catch (ExecutionException e) {
      throw new ControlException(String.valueOf(e.getCause().getMessage()), e);
    } catch (JobRefusedException e) {
      throw new ControlException(e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ControlException("the daemon is shutting down", e);
    }
  }

  private void giveUp(ServedDisk disk) {
    DeviceKey key = disk.details().key();
    environment
        .jobs()
        .running(key)
        .ifPresent(
            runner -> {
              try {
                runner.abort("another disk of its guest cannot go along");
              } catch (JobRefusedException | JournalException e) {
                log.warn("{}: {}", disk, e.getMessage());
              }
            });
  }
}
