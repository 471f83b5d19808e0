package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.Coordinator;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.Migration;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.Migrations;
import io.netchannel.coordinator.peer.Peers;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointStatus;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.xen.XenStore;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * What the command line asks of a running daemon: requests and results of {@link ControlEndpoint}.
 */
final class ControlCommands implements ControlEndpoint.Handler {
  /** Opening a device and offering it takes well under a second. */
  private static final Duration ATTACH_BOUND = Duration.ofSeconds(20);

  /** Somebody waits at a prompt; a live peer answers in milliseconds, a busy one in a second. */
  private static final Duration HEALTH_BOUND = Duration.ofSeconds(3);

  private final DaemonConfiguration configuration;
  private final XenStore store;
  private final MidPoints midPoints;
  private final GuestDevices guests;
  private final HotPlug hotPlug;
  private final UsbCommands usb;
  private final LocalDevices devices;
  private final DomainLifecycle lifecycle;
  private final ServedAgain servedAgain;
  private final Coordinator coordinator;
  private final DiskJobCommands jobs;
  private final StorageMigration storage;
  private final FollowingDisks following;
  private final LegChanges legs;
  private final Migrations migrations;
  private final Function<Duration, ? extends List<Peers.Health>> health;
  private final Instant started;
  private final MidPointMemory memory;

  ControlCommands(
      DaemonConfiguration configuration,
      XenStore store,
      MidPoints midPoints,
      UsbPorts ports,
      LocalDevices devices,
      DomainLifecycle lifecycle,
      ServedAgain servedAgain,
      Coordinator coordinator,
      DiskJobCommands jobs,
      StorageMigration storage,
      FollowingDisks following,
      LegChanges legs,
      Function<Duration, ? extends List<Peers.Health>> health,
      Clock clock,
      MidPointMemory memory) {
    this.configuration = configuration;
    this.store = store;
    this.midPoints = midPoints;
    this.devices = devices;
    guests = new GuestDevices(midPoints, ports);
    hotPlug = new HotPlug(store, coordinator::claimGeneration);
    usb = new UsbCommands(ports, hotPlug);
    this.lifecycle = lifecycle;
    this.servedAgain = servedAgain;
    this.coordinator = coordinator;
    this.jobs = jobs;
    this.storage = storage;
    this.following = following;
    this.legs = legs;
    this.migrations = coordinator.migrations();
    this.health = health;
    this.started = clock.instant();
    this.memory = memory;
  }

  @Override
  public Object handle(Map<String, Object> request) throws ControlException {
    String command = text(request, "command");
    return switch (command) {
      case "ping" -> ImmutableMap.of("name", configuration.name(), "version", ProductVersion.get());
      case "status" -> status();
      case "devices" -> devices(optional(request, "domain"));
      case "attach-disk" -> attach(request);
      case "detach-disk" -> detach(request);
      case "attach-usb" -> usb.attach(settled(request), request);
      case "detach-usb" -> usb.detach(settled(request), request);
      case "migrations" -> migrations(optional(request, "which"));
      case "take-back" -> takeBack(text(request, "which"));
      case "swap" -> {
        ServedDisk disk = disk(request);
        refuseWhileMigrating(disk.guest());
        awaitAtMost(
            jobs.begin(disk, request), ATTACH_BOUND); // one that is opening still is told so
        yield jobs.describe(disk);
      }
      case "follow" -> {
        following.look(guest(text(request, "domain")).uuid());
        yield ImmutableMap.of();
      }
      case "migrate" -> prepareMigration(request);
      case "mirror" -> {
        ServedDisk disk = disk(request);
        refuseWhileMigrating(disk.guest());
        yield changeLegs(disk, request);
      }
      case "jobs" -> jobs.list(which(request), following.behind());
      case "job" -> jobs.change(which(request), request);
      default ->
          throw new ControlException(
              "this daemon (version %s) knows no command \"%s\""
                  .formatted(ProductVersion.get(), command));
    };
  }

  private Object changeLegs(ServedDisk disk, Map<String, Object> request) throws ControlException {
    if ("add".equals(request.get("action"))) {
      await(legs.add(disk, text(request, "source")), ATTACH_BOUND);
      return describe(disk);
    }
    CompletableFuture<Mirrors.Remaining> dropped = legs.drop(disk, optional(request, "source"));
    await(dropped.thenRun(() -> {}), ATTACH_BOUND);
    Map<String, Object> described = describe(disk);
    described.put("dropped", dropped.join().dropped());
    return described;
  }

  /** With its storage: what goes along, and how far that is. */
  private Object prepareMigration(Map<String, Object> request) throws ControlException {
    Guest guest = guest(text(request, "domain"));
    refuseWhileMigrating(guest);
    Optional<String> obstacle = devices.obstacle(guest.uuid());
    if (obstacle.isPresent()) {
      throw new ControlException(guest + obstacle.get());
    }
    StorageMigration.Prepared prepared =
        storage.prepare(
            guest,
            new StorageMigration.Request(
                text(request, "host"),
                optional(request, "pool").orElse(""),
                request.get("bandwidth") instanceof Long value ? Math.max(0, value) : 0));
    List<Map<String, Object>> going = new ArrayList<>();
    for (ServedDisk disk : prepared.going()) {
      going.add(jobs.describe(disk));
    }
    return Map.of(
        "domain", guest.name(),
        "uuid", guest.uuid(),
        "host", prepared.host(),
        "jobs", going,
        "staying", prepared.staying());
  }

  private Object status() {
    Map<String, Object> status = new LinkedHashMap<>();
    status.put("name", configuration.name());
    status.put("version", ProductVersion.get());
    status.put("since", started.toString());
    if (!configuration.guests()) {
      status.put("guests", "not served: guests = false in [daemon]");
    }
    status.put(
        "domains", guests.all().stream().map(device -> device.guest().uuid()).distinct().count());
    status.put("devices", guests.all().size());
    servedAgain.progress().ifPresent(progress -> status.put("servedAgain", describe(progress)));
    status.put("starting", lifecycle.armedDomains());
    List<Migration> active = migrations.list().stream().filter(Migration::isActive).toList();
    status.put("migrations", active.size());
    status.put(
        "problems",
        migrations.journalProblem().map(words -> "journal: " + words).stream().toList());
    status.put("memory", MemoryJson.of(memory));
    status.put(
        "peers", health.apply(HEALTH_BOUND).stream().map(ControlCommands::describe).toList());
    status.put(
        "waiting",
        Stream.of(
                migrations.list().stream().flatMap(this::progress),
                guests.all().stream().flatMap(ControlCommands::problem),
                following.behind().stream().map(FollowingDisks.Behind::toString))
            .flatMap(each -> each)
            .toList());
    return status;
  }

  private static Map<String, Object> describe(ServedAgain.Progress progress) {
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("devices", progress.served());
    described.put("of", progress.found());
    described.put("millis", progress.last().map(Duration::toMillis).orElse(null));
    return described;
  }

  private static Map<String, Object> describe(Peers.Health peer) {
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("name", peer.address().name());
    described.put("address", peer.address().host() + ":" + peer.address().port());
    String unwell = peer.connected() ? "refusing" : "unreachable";
    described.put("state", peer.problem().isEmpty() ? "connected" : unwell);
    described.put("problem", peer.problem().isEmpty() ? null : peer.problem());
    return described;
  }

  /** Of one that is not over, or whose disks have something to do although it is. */
  private Stream<String> progress(Migration migration) {
    return migration.isActive() || migrations.unfinished(migration).isPresent()
        ? Stream.of(words(migration))
        : Stream.empty();
  }

  private String words(Migration migration) {
    Optional<String> unfinished = migrations.unfinished(migration);
    return "migration %s of %s (%s, peer %s) is in %s since %s: %s%s"
        .formatted(
            migration.id(),
            migration.domainName(),
            MigrationJson.lowerCase(migration.direction()),
            migration.peer(),
            migration.phase(),
            migration.since(),
            migration.detail(),
            unfinished.map(words -> "; " + words).orElse(""));
  }

  private static Stream<String> problem(ServedDevice<?, ?, ?> device) {
    return device.problem().stream().map(why -> "%s: its guest waits: %s".formatted(device, why));
  }

  private Object devices(Optional<String> which) throws ControlException {
    Optional<Guest> guest = which.isPresent() ? Optional.of(guest(which.get())) : Optional.empty();
    Predicate<Guest> asked = each -> guest.isEmpty() || guest.get().domid() == each.domid();
    return Stream.concat(
            midPoints.all().stream()
                .filter(disk -> asked.test(disk.guest()))
                .map(ControlCommands::describe),
            usb.list(asked).stream())
        .toList();
  }

  private static Map<String, Object> describe(ServedDisk disk) {
    MidPointStatus status = disk.status();
    DiskDetails details = disk.details();
    Map<String, Object> device = new LinkedHashMap<>();
    device.put("kind", "disk");
    device.put("domain", details.guest().name());
    device.put("domid", details.guest().domid());
    device.put("uuid", details.guest().uuid());
    device.put("target", details.target());
    device.put("source", details.source().orElse(null));
    device.put("mode", details.readOnly() ? "ro" : "rw");
    device.put("state", state(disk));
    device.put("frontend", MigrationJson.lowerCase(status.frontend()));
    device.put("generation", details.generation());
    device.put("sizeBytes", disk.sizeBytes());
    device.put("problem", disk.problem().orElse(null));
    device.put("taken", status.taken());
    device.put("answered", status.answered());
    device.put("pending", status.pending());
    device.put("replayed", status.replayed());
    device.put("handedOver", status.handedOver());
    device.put("adopted", status.adopted());
    device.put("errors", status.errors());
    device.put("restarts", disk.failures());
    device.put("bytesRead", status.bytesRead());
    device.put("bytesWritten", status.bytesWritten());
    return device;
  }

  /** Of its mid-point, or why that does not count. */
  static String state(ServedDevice<?, ?, ?> device) {
    return switch (device.condition()) {
      case NEW, RUNS -> MigrationJson.lowerCase(device.status().state());
      case RECOVERING, FAILED -> MigrationJson.lowerCase(device.condition());
    };
  }

  private Object attach(Map<String, Object> request) throws ControlException {
    Guest guest = settled(request);
    String target = text(request, "target");
    boolean readOnly = Boolean.TRUE.equals(request.get("readOnly"));
    return describe(
        hotPlug.attach(
            midPoints,
            DiskDetails.expecting(guest, target, readOnly),
            "disk %s (vbd %d)".formatted(target, DiskName.devid(target)),
            text(request, "source")));
  }

  private Object detach(Map<String, Object> request) throws ControlException {
    ServedDisk disk = disk(request);
    refuseWhileMigrating(disk.guest());
    Map<String, Object> described = describe(disk);
    hotPlug.detach(midPoints, disk, request, " (mounted?)");
    return described;
  }

  /** A guest whose devices may be changed just now. */
  private Guest settled(Map<String, Object> request) throws ControlException {
    Guest guest = guest(text(request, "domain"));
    refuseWhileMigrating(guest);
    return guest;
  }

  private ServedDisk disk(Map<String, Object> request) throws ControlException {
    Guest guest = guest(text(request, "domain"));
    String target = text(request, "target");
    return midPoints
        .find(guest.domid(), target)
        .orElseThrow(
            () -> new ControlException("%s has no Netchannel disk %s".formatted(guest, target)));
  }

  /**
   * The domain that a job is of, which need not run any more: its UUID where it does, or as it was
   * written.
   */
  private Optional<String> which(Map<String, Object> request) {
    return optional(request, "domain")
        .map(which -> Guest.find(store, which).map(guest -> guest.uuid().toString()).orElse(which));
  }

  /** Both hosts have agreed on the disks; the seal would find others and fail the migration. */
  private void refuseWhileMigrating(Guest guest) throws ControlException {
    Optional<Migration> active = migrations.active(guest.uuid());
    if (active.isPresent()) {
      throw new ControlException(
          "%s is being migrated (%s); try again when that is over"
              .formatted(guest, words(active.get())));
    }
  }

  private Object migrations(Optional<String> which) throws ControlException {
    if (which.isEmpty()) {
      return migrations.list().stream().map(this::summary).toList();
    }
    Optional<Migration> one = uuid(which.get()).flatMap(migrations::find);
    if (one.isPresent()) {
      return detail(one.get());
    }
    List<Migration> found = migrationsOf(which.get());
    // A domain is asked about for its newest migration; one timeline is one question to a peer.
    return Stream.concat(Stream.of(detail(found.get(0))), found.stream().skip(1).map(this::summary))
        .toList();
  }

  /** Of a domain, newest first. */
  private List<Migration> migrationsOf(String domain) throws ControlException {
    List<Migration> found =
        migrations.list().stream()
            .filter(
                migration ->
                    migration.domainName().equals(domain)
                        || migration.domain().toString().equalsIgnoreCase(domain))
            .toList();
    if (found.isEmpty()) {
      throw new ControlException("no migration and no migrated domain \"" + domain + "\" here");
    }
    return found;
  }

  /** Of a migration, or of the newest one of a domain. */
  private Object takeBack(String which) throws ControlException {
    Optional<Migration> one = uuid(which).flatMap(migrations::find);
    Migration migration = one.isPresent() ? one.get() : migrationsOf(which).get(0);
    try {
      coordinator.takeBack(migration);
    } catch (MigrationRefusedException e) {
      throw new ControlException(e.getMessage(), e);
    }
    return summary(migrations.find(migration.id()).orElse(migration));
  }

  private Map<String, Object> summary(Migration migration) {
    return MigrationJson.summary(migration, migrations.unfinished(migration));
  }

  private Map<String, Object> detail(Migration migration) {
    return MigrationJson.detail(
        migration, migrations.unfinished(migration), migrations.timeline(migration));
  }

  private Guest guest(String which) throws ControlException {
    return Guest.find(store, which)
        .orElseThrow(
            () -> new ControlException("no running domain \"" + which + "\" on this host"));
  }

  static void await(CompletableFuture<Void> future, Duration bound) throws ControlException {
    if (!awaitAtMost(future, bound)) {
      throw new ControlException("not done within " + bound.toSeconds() + " s");
    }
  }

  /** Whether it is done by then. */
  private static boolean awaitAtMost(CompletableFuture<Void> future, Duration bound)
      throws ControlException {
    try {
      future.get(bound.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (ExecutionException e) {
      throw new ControlException(String.valueOf(e.getCause().getMessage()), e);
    } catch (TimeoutException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ControlException("the daemon is shutting down", e);
    }
  }

  /** What a request must have. */
  static String text(Map<String, Object> request, String name) throws ControlException {
    return optional(request, name)
        .orElseThrow(() -> new ControlException("the request has no \"" + name + "\""));
  }

  private static Optional<String> optional(Map<String, Object> request, String name) {
    return request.get(name) instanceof String value ? Optional.of(value) : Optional.empty();
  }

  private static Optional<UUID> uuid(String text) {
    try {
      return Optional.of(UUID.fromString(text));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}
