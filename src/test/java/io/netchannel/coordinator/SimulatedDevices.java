package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** The mid-points of one daemon's life on one host: one domain, over {@link SimulatedDisk}s. */
final class SimulatedDevices implements LocalDevices {
  private enum State {
    SERVING,
    SEALED,
    WAITING,
    RETIRED
  }

  private record MidPoint(State state, long generation) {}

  private final Simulation world;
  private final SimulatedHost host;
  private final int life;
  private final Map<String, MidPoint> midPoints = new TreeMap<>();
  private final Set<String> broken = new HashSet<>();
  private final Set<String> retired = new HashSet<>();
  private final List<CompletableFuture<Void>> watches = new ArrayList<>();
  private final Set<Object> rooms = ConcurrentHashMap.newKeySet();
  private final List<String> staged = new ArrayList<>();
  private final List<CompletableFuture<List<Drained>>> hanging = new CopyOnWriteArrayList<>();

  SimulatedDevices(Simulation world, SimulatedHost host) {
    this.world = world;
    this.host = host;
    this.life = host.life();
  }

  /** A restarted daemon puts a mid-point where its nodes are. */
  void restore(String target, Standing standing) {
    switch (standing.state()) {
      case SERVES -> set(target, State.SERVING, standing.generation());
      case SEALED -> set(target, State.SEALED, standing.generation());
      case WAITS -> set(target, State.WAITING, standing.generation());
      case AWAY -> set(target, State.RETIRED, standing.generation());
      case UNKNOWN -> throw new AssertionError("every disk has a generation");
    }
  }

  void serve(String target, long generation) {
    set(target, State.SERVING, generation);
  }

  /** From now on it does not do what it is told. */
  void breaks(String target) {
    broken.add(target);
  }

  /** From now on it does. */
  void mends(String target) {
    broken.remove(target);
  }

  /** Targets that have ended by {@link #retire}. */
  Set<String> retired() {
    return retired;
  }

  private void set(String target, State state, long generation) {
    set(target, state, generation, Optional.empty());
  }

  private void set(String target, State state, long generation, Optional<String> handedOver) {
    host.step(life);
    if (broken.contains(target)) {
      throw new IllegalStateException(target + " is broken");
    }
    midPoints.put(target, new MidPoint(state, generation));
    if (handedOver.isPresent()) {
      world.disk(target).takenOver(host.name(), generation, source(target), handedOver.get());
    } else if (state == State.SERVING) {
      world.disk(target).open(host.name(), generation, source(target));
      if (world.guestOn().equals(host.name())) {
        world.disk(target).write(source(target)); // before it runs there it writes nothing
      }
    } else {
      world.disk(target).close(host.name());
    }
    host.step(life);
  }

  /** As its nodes have it. */
  private String source(String target) {
    return world.nodes(host.name()).getOrDefault(target, world.disk(target).source());
  }

  void domainEnded() {
    midPoints.keySet().forEach(target -> world.disk(target).close(host.name()));
    midPoints.clear();
  }

  @Override
  public List<UUID> domainsNamed(String name) {
    boolean hasDisks = !midPoints.isEmpty() || !stockDisksOf(Simulation.DOMAIN).isEmpty();
    return name.equals(Simulation.NAME) && hasDisks ? List.of(Simulation.DOMAIN) : List.of();
  }

  @Override
  public List<GuestDevice> devicesOf(UUID domain) {
    ImmutableList.Builder<GuestDevice> disks = ImmutableList.builder();
    midPoints.forEach((target, midPoint) -> disks.add(device(target, midPoint.generation())));
    return disks.build();
  }

  private GuestDevice device(String target, long generation) {
    return target.startsWith("usb")
        ? GuestDevice.usbPort(Simulation.DOMAIN, target, source(target), generation)
        : GuestDevice.disk(Simulation.DOMAIN, target, source(target), false, 4096, generation);
  }

  @Override
  public CompletableFuture<Void> probe(GuestDevice disk) {
    host.step(life);
    return world.reaches(host.name(), disk.source())
        ? CompletableFuture.completedFuture(null)
        : CompletableFuture.failedFuture(new IllegalStateException("no " + disk.source()));
  }

  @Override
  public ManifestRoom manifestRoom(List<GuestDevice> devices) {
    Object room = new Object();
    rooms.add(room);
    return new ManifestRoom() {
      @Override
      public long bytes() {
        return devices.size();
      }

      @Override
      public void close() {
        rooms.remove(room);
      }
    };
  }

  /** How many are not closed. */
  int rooms() {
    return rooms.size();
  }

  @Override
  public CompletableFuture<Sealed> seal(
      UUID domain, String target, Duration bound, long dataBytes, Consumer<Sealed> known) {
    MidPoint midPoint = midPoints.get(target);
    if (midPoint == null || midPoint.state() != State.SERVING) {
      return CompletableFuture.failedFuture(
          new IllegalStateException("does not serve: " + midPoint));
    }
    set(target, State.SEALED, midPoint.generation());
    GuestDevice device = device(target, midPoint.generation());
    String manifest = "manifest of " + target + world.outcomes(host);
    world.disk(target).sealed(manifest);
    ByteString encoded = ByteString.copyFromUtf8(manifest);
    Sealed sealed = new Sealed(device, encoded, PeerMessages.SealedDevice.checksum(encoded), 3, 1);
    known.accept(sealed);
    return CompletableFuture.completedFuture(sealed);
  }

  @Override
  public List<StockDisk> stockDisksOf(UUID domain) {
    return domainExists(domain) && domain.equals(Simulation.DOMAIN)
        ? world.guest().stock()
        : List.of();
  }

  @Override
  public CompletableFuture<List<Drained>> drain(UUID domain, Duration bound) {
    host.step(life);
    List<StockDisk> stock = stockDisksOf(domain);
    if (world.drainHangs()) {
      hanging.add(new CompletableFuture<>());
      return hanging.get(hanging.size() - 1);
    }
    Duration needed = world.drainTakes();
    if (!stock.isEmpty() && needed.compareTo(bound) > 0) {
      return CompletableFuture.failedFuture(
          new TimeoutException(
              "xvdc (vbd): 16 requests unanswered by the source's backend after "
                  + bound.toSeconds()
                  + " s"));
    }
    world.drained(host.name());
    return CompletableFuture.completedFuture(
        stock.stream().map(disk -> new Drained(disk, 16, needed)).toList());
  }

  @Override
  public CompletableFuture<Void> whenSuspended(UUID domain) {
    host.step(life);
    CompletableFuture<Void> suspended = new CompletableFuture<>();
    if (world.guest().hypervisorTells()) {
      if (world.isSuspendedOn(host.name())) {
        suspended.complete(null);
      } else {
        watches.add(suspended);
      }
    }
    return suspended;
  }

  /** The hypervisor says so. */
  void suspended() {
    List<CompletableFuture<Void>> now = List.copyOf(watches);
    watches.clear();
    now.forEach(watch -> watch.complete(null));
  }

  /** Drains that do not come to an end, see {@link Simulation#setDrainHangs}. */
  List<CompletableFuture<List<Drained>>> hanging() {
    return hanging;
  }

  /** How many wait for a suspend. */
  long watches() {
    return watches.stream().filter(watch -> !watch.isDone()).count();
  }

  @Override
  public Optional<Boolean> isSuspended(UUID domain) {
    return world.guest().hypervisorTells() && domainExists(domain)
        ? Optional.of(world.isSuspendedOn(host.name()))
        : Optional.empty();
  }

  @Override
  public CompletableFuture<Void> stage(UUID domain, String target, ByteString manifest) {
    host.step(life);
    staged.add(target + ": " + manifest.toStringUtf8());
    return CompletableFuture.completedFuture(null);
  }

  /** What was brought to a mid-point before its take-over. */
  List<String> staged() {
    return staged;
  }

  @Override
  public CompletableFuture<Void> unseal(UUID domain, String target, long generation) {
    return command(
        target,
        "unseal",
        () -> {
          if (midPoints.containsKey(target)) {
            assertThat(midPoints.get(target).state()).as(target).isNotEqualTo(State.RETIRED);
            set(target, State.SERVING, generation);
          }
        });
  }

  @Override
  public CompletableFuture<Void> retire(UUID domain, String target) {
    return command(
        target,
        "retire",
        () -> {
          if (midPoints.containsKey(target)) {
            set(target, State.RETIRED, midPoints.get(target).generation());
            retired.add(target);
          }
        });
  }

  @Override
  public Copy copyOf(UUID domain, String target) {
    return new Copy(world.disk(target).isAlike() ? "" : "its copy is not alike", world.canStay());
  }

  @Override
  public CompletableFuture<Void> takeOver(
      int domid, GuestDevice disk, boolean isCopy, ByteString manifest) {
    return command(
        disk.target(),
        "take over",
        () -> {
          Optional<Generation> durable = host.durableJournal().generation(DeviceKey.of(disk));
          if (!durable.equals(Optional.of(Generation.here(disk.generation())))) {
            world
                .disk(disk.target())
                .violates(
                    "%s takes over %d, its journal has %s durably"
                        .formatted(host.name(), disk.generation(), durable));
          }
          if (!world.reaches(host.name(), disk.source())) {
            world
                .disk(disk.target())
                .violates("%s does not reach %s".formatted(host.name(), disk.source()));
          }
          world.nodes(host.name()).put(disk.target(), disk.source());
          set(
              disk.target(),
              State.SERVING,
              disk.generation(),
              Optional.of(manifest.toStringUtf8()));
        });
  }

  /** A crash is no answer; everything else that goes wrong is one. */
  private CompletableFuture<Void> command(String target, String what, Runnable effect) {
    try {
      host.step(life);
      if (broken.contains(target)) {
        throw new IllegalStateException(target + " is broken");
      }
      if (world.fails()) {
        throw new IllegalStateException("%s does not %s".formatted(target, what));
      }
      effect.run();
      return CompletableFuture.completedFuture(null);
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  @Override
  public boolean domainExists(UUID domain) {
    return world.domainExistsOn(host.name());
  }

  @Override
  public void stays(UUID domain) {
    host.tellSwitches();
  }

  @Override
  public boolean guestHasRun(UUID domain) {
    return world.guestHasRunOn(host.name());
  }
}
