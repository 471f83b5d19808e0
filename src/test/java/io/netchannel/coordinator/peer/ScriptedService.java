package io.netchannel.coordinator.peer;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.PeerExports;
import io.netchannel.coordinator.PeerMessages.CarriedJob;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.Copy;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepare;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerMessages.Timeline;
import io.netchannel.coordinator.PeerMessages.TimelineStep;
import io.netchannel.coordinator.PeerMessages.Volume;
import io.netchannel.coordinator.PeerMessages.WantedVolume;
import io.netchannel.coordinator.PeerService;
import io.netchannel.coordinator.Phase;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;

/** Answers what a test says and remembers who asked. */
final class ScriptedService implements PeerService {
  static final UUID DOMAIN = new UUID(1, 2);
  static final List<LocalDevices.GuestDevice> DEVICES =
      List.of(
          LocalDevices.GuestDevice.usbPort(DOMAIN, "usb1", "usb:port=3-1.2", 7),
          LocalDevices.GuestDevice.disk(DOMAIN, "xvda", "file:/dev/vdb", true, 1 << 30, 41));

  /** Two chunks and a bit. */
  static final ByteString LARGE =
      ByteString.copyFrom(new byte[2 * ManifestParts.CHUNK_BYTES + 17])
          .concat(ByteString.copyFromUtf8("end"));

  static final LocalDevices.StockDisk STOCK = new LocalDevices.StockDisk("xvdc", "qdisk");
  static final List<SealedDevice> SEALED =
      List.of(
          SealedDevice.of("xvda", 32, 7, LARGE), SealedDevice.of("xvdb", 0, 0, ByteString.EMPTY));
  static final List<CarriedJob> JOBS =
      List.of(
          new CarriedJob(
              "xvda",
              "netchannel://hostc/a",
              true,
              new DiskJob.Settings(true, false, true, true, 7),
              true),
          new CarriedJob(
              "xvdb",
              "file:/dev/b",
              false,
              new DiskJob.Settings(false, true, false, false, 0),
              false));
  static final Prepared PREPARED =
      new Prepared(JOBS, Map.of("usb1", "netchannel://hosta/usb/web1-usb1"));
  static final Copy COPY = new Copy("xvda", "netchannel://hostb/a", "hostb");
  static final Exported EXPORTED = new Exported(true, List.of("hosta", "hostb"));

  static final WantedVolume WANTED =
      new WantedVolume(DOMAIN, "xvdb", "web1-xvdb", "fast", 1L << 40, List.of("hosta"));

  static final PeerExports EXPORTS =
      new PeerExports() {
        @Override
        public Optional<Exported> export(String name) {
          return name.equals("disk") ? Optional.of(EXPORTED) : Optional.empty();
        }

        @Override
        public Volume volume(String caller, WantedVolume wanted) throws MigrationRefusedException {
          if (!wanted.equals(WANTED)) {
            throw new MigrationRefusedException("expected " + WANTED);
          }
          return new Volume("netchannel://hostb/" + caller, true);
        }
      };

  static final Timeline TIMELINE =
      new Timeline(
          Instant.parse("2026-01-01T00:00:02.5Z"),
          List.of(
              new TimelineStep(Phase.PREPARE, Instant.parse("2026-01-01T00:00:00.000001Z"), ""),
              new TimelineStep(Phase.PREPARE, Instant.parse("2026-01-01T00:00:01Z"), "a note")));

  /** The migration whose parked call the test answers. */
  static final UUID PARKED = new UUID(5, 6);

  final CompletableFuture<List<SealedDevice>> parked = new CompletableFuture<>();
  volatile Consumer<SealedDevice> known;
  final ConcurrentLinkedQueue<String> callers = new ConcurrentLinkedQueue<>();
  final CountDownLatch released = new CountDownLatch(1);

  @Override
  public List<ServedDomain> describe(String domainName) {
    if (domainName.equals("slow")) {
      try {
        released.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    return List.of(new ServedDomain(domainName, DOMAIN, DEVICES, List.of(STOCK), List.of(COPY)));
  }

  @Override
  public Optional<ServedDomain> describe(UUID domain) {
    return domain.equals(DOMAIN)
        ? Optional.of(new ServedDomain("db", DOMAIN, DEVICES, List.of(), List.of()))
        : Optional.empty();
  }

  @Override
  public Prepared prepare(String caller, Prepare request) throws MigrationRefusedException {
    callers.add(caller);
    if (!request.devices().equals(DEVICES)) {
      throw new MigrationRefusedException("expected " + DEVICES);
    }
    return PREPARED;
  }

  @Override
  public List<SealedDevice> seal(String caller, UUID migration) {
    callers.add(caller);
    return SEALED;
  }

  @Override
  public CompletableFuture<List<SealedDevice>> sealWhenSuspended(
      String caller, UUID migration, Consumer<SealedDevice> sealedSoFar)
      throws MigrationRefusedException {
    known = sealedSoFar;
    callers.add(caller);
    if (!migration.equals(PARKED)) {
      throw new MigrationRefusedException("no migration " + migration);
    }
    return parked;
  }

  @Override
  public Timeline timeline(String caller, UUID migration) {
    return TIMELINE;
  }

  @Override
  public List<String> takeOver(String caller, UUID migration, List<Claim> claims)
      throws MigrationRefusedException {
    if (!claims.equals(List.of(new Claim("xvda", 42, -5, COPY.source(), true)))) {
      throw new MigrationRefusedException("take-over refused: found " + claims);
    }
    return List.of("xvda");
  }

  @Override
  public PhaseReport abort(String caller, UUID migration, String reason) {
    return new PhaseReport(Phase.ABORT, reason);
  }

  @Override
  public PhaseReport commit(String caller, UUID migration) {
    throw new IllegalStateException("a bug");
  }

  @Override
  public PhaseReport status(String caller, UUID migration, UUID domain, Direction asked) {
    return new PhaseReport(Phase.RESUME, asked.name());
  }
}
