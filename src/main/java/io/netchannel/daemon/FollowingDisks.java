package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.JobPhase;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerException;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.device.Devices;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.net.HostPorts;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings disks after their guests: one whose metadata says {@code follow}, and that is an export of
 * another host, gets a volume of this host, and a job that switches it there.
 *
 * <pre>
 *   a disk of a guest that runs here:
 *
 *   (none) --look--> LOOKING --it is here, does not follow, has a job, or was given up--> (none)
 *                     ^   |
 *                     |   +--it cannot yet, and why--> BEHIND --1 s, 2 s .. 30 s, or a look--+
 *                     |   +--nothing but another configuration helps--> BEHIND --a look------+
 *                     +----------------------------------------------------------------------+
 *   any --its guest has gone--> (none)
 * </pre>
 *
 * There is a look when a guest has come for good, when one was started here, and of all when the
 * daemon starts. Nothing of it is kept: what follows libvirt knows, where a disk is its nodes, and
 * whether it is under way or a person wants it not, the journal of jobs.
 */
final class FollowingDisks implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(FollowingDisks.class);

  /** Before the first attempt too: libvirt is busy with a domain that has just come. */
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);

  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /**
   * What it needs of its host.
   *
   * @param peers the peer that a host is, of which a source has the name or the address
   * @param patience with a peer
   * @param arrived when a domain came here by a migration, last
   * @param executor runs what libvirt, a peer or storage may keep waiting
   */
  record Environment(
      MidPoints midPoints,
      DiskDefinitions definitions,
      Devices devices,
      VolumePools volumes,
      Function<String, Optional<Peer>> peers,
      Duration patience,
      DiskJobs jobs,
      DiskJobStore store,
      Function<UUID, Optional<Instant>> arrived,
      Executor executor,
      Timer timer) {}

  /** It cannot follow, and why. */
  private static final class BehindException extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean lasting;

    BehindException(boolean lasting, String message) {
      super(message);
      this.lasting = lasting;
    }
  }

  private final Environment environment;
  private final Map<DeviceKey, Attempt> attempts = new ConcurrentHashMap<>();
  private volatile boolean closed;

  FollowingDisks(Environment environment) {
    this.environment = environment;
  }

  void lookAtAll() {
    environment.midPoints().all().forEach(this::look);
  }

  /** Waits for nothing. */
  void look(UUID domain) {
    environment.midPoints().ofDomain(domain).forEach(this::look);
  }

  private void look(ServedDisk disk) {
    if (!disk.details().readOnly()) {
      Attempt attempt = new Attempt(disk);
      attempts.put(attempt.key, attempt);
      var unused = disk.gone().thenRun(attempt::settled);
      attempt.later();
    }
  }

  /**
   * A disk that stays where it is although it is to follow.
   *
   * @param why and what to do
   */
  record Behind(ServedDisk disk, String why) {
    @Override
    public String toString() {
      return "disk %s stays at %s: %s".formatted(disk, source(), why);
    }

    String source() {
      return disk.details().source().orElse("");
    }
  }

  /** By guest and target. */
  List<Behind> behind() {
    return attempts.values().stream()
        .flatMap(attempt -> attempt.said().stream())
        .sorted(Comparator.comparing(Behind::toString))
        .collect(Collectors.toUnmodifiableList());
  }

  /** The next daemon looks again. */
  @Override
  public void close() {
    closed = true;
  }

  /** The looks at one disk, one after the other, from one reason to look until it is settled. */
  private final class Attempt {
    private final ServedDisk disk;
    private final DeviceKey key;
    private final Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
    private volatile Optional<String> behind = Optional.empty();

    Attempt(ServedDisk disk) {
      this.disk = disk;
      this.key = disk.details().key();
    }

    Optional<Behind> said() {
      return behind.map(why -> new Behind(disk, why));
    }

    void later() {
      environment.timer().after(pauses.next(), this::run);
    }

    private void run() {
      if (closed || attempts.get(key) != this) {
        return;
      }
      try {
        if (disk.isEnding() || isSettled()) {
          settled();
        } else if (!disk.isServing() || environment.store().rests(key)) {
          later();
        } else {
          follow();
        }
      } catch (BehindException e) {
        behind(e.getMessage(), !e.lasting);
      } catch (VolumeException e) {
        behind(e.getMessage(), !e.isLasting());
      } catch (JobRefusedException | RuntimeException e) {
        behind(String.valueOf(e.getMessage()), true);
      }
    }

    /** Also of what cannot be known: then it is another source. */
    private boolean isSettled() {
      return environment.store().active(key).isPresent() || elsewhere(disk).isEmpty();
    }

    /** A person has ended it since the guest came. */
    private boolean isGivenUp() {
      Instant arrived = environment.arrived().apply(key.domain()).orElse(Instant.MIN);
      return environment.store().all().stream()
          .filter(job -> job.disk().equals(key) && job.phase() == JobPhase.ABORTED)
          .filter(job -> job.reason().equals(DiskJobCommands.BY_HAND))
          .anyMatch(job -> job.begun().isAfter(arrived));
    }

    private void settled() {
      attempts.remove(key, this);
    }

    private void behind(String why, boolean again) {
      if (!behind.equals(Optional.of(why))) {
        log.warn("{} stays where it is: {}", disk, why);
      }
      behind = Optional.of(why);
      if (again) {
        later();
      }
    }

    private void follow() throws BehindException, VolumeException, JobRefusedException {
      Optional<String> pool = pool();
      if (pool.isEmpty()) {
        return;
      }
      ExportPlace place = elsewhere(disk).orElseThrow();
      VolumePools.Volume volume =
          environment
              .volumes()
              .provide(
                  new VolumePools.Wanted(
                      pool.get(),
                      place.export(),
                      disk.details().userName(),
                      disk.sizeBytes(),
                      allow(place)));
      var unused =
          environment
              .jobs()
              .begin(
                  disk,
                  new SwapRequest(
                      place.to(volume.source()),
                      false,
                      volume.isZero(),
                      true,
                      "",
                      new DiskJob.Settings(true, true, false, false, 0)))
              .whenComplete(
                  (done, failure) -> {
                    if (failure == null) {
                      log.info("{} follows its guest to {}", disk, volume.source());
                      settled();
                    } else {
                      behind(words(failure), true);
                    }
                  });
    }

    /** Empty, and seen to, when it does not follow, must not, or when that is not known yet. */
    private Optional<String> pool() {
      try {
        Optional<String> pool =
            Optional.ofNullable(environment.definitions().follows(key.domain()).get(key.target()));
        if (pool.isEmpty() || isGivenUp()) {
          settled();
          return Optional.empty();
        }
        return pool;
      } catch (MetadataException e) {
        log.info("{}: whether it follows its guest is not known yet: {}", disk, e.getMessage());
        later();
        return Optional.empty();
      }
    }
  }

  private static String words(Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    return cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }

  /** Where a disk is, if that is an export of another host. */
  private Optional<ExportPlace> elsewhere(ServedDisk disk) {
    return ExportPlace.of(environment.devices(), disk.details().source().orElse(""))
        .filter(place -> !environment.volumes().isHere(place.server()));
  }

  /** Those who may use it where it is; that host itself may without being named. */
  private ImmutableSet<String> allow(ExportPlace place) throws BehindException {
    String host = HostPorts.withoutZone(place.server().getHost());
    Peer peer =
        environment
            .peers()
            .apply(host)
            .orElseThrow(
                () ->
                    new BehindException(
                        true,
                        "%s is no [[peer]] of this host, so it cannot be asked who may use the disk; add it"
                            .formatted(host)));
    Exported exported;
    try {
      exported =
          peer.export(place.export(), environment.patience())
              .orElseThrow(
                  () ->
                      new BehindException(
                          false, "%s has no export %s".formatted(peer.name(), place.export())));
    } catch (PeerException e) {
      throw new BehindException(
          false,
          switch (e.kind()) {
            case REFUSED ->
                "%s does not tell who may use it (%s); it needs this version of Netchannel"
                    .formatted(peer.name(), e.getMessage());
            case NO_ANSWER -> e.getMessage();
          });
    }
    return Stream.concat(exported.allow().stream(), Stream.of(host, peer.name()))
        .collect(ImmutableSet.toImmutableSet());
  }
}
