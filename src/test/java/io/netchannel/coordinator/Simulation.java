package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * Two hosts, one guest with two disks, and a libvirt that migrates it: in one thread, with one
 * seed, so that every run can be had again.
 */
final class Simulation {
  static final String NAME = "db";
  static final UUID DOMAIN = new UUID(7, 7);
  static final List<String> TARGETS = List.of("xvda", "xvdb");

  private static final Instant EPOCH = Instant.parse("2026-01-01T00:00:00Z");
  private static final Duration TICK = Duration.ofSeconds(1);

  /** Longer than every bound that ends something. */
  private static final Duration SETTLE = Timeouts.DEFAULTS.sealed().multipliedBy(2);

  /**
   * What is migrated.
   *
   * @param targets its Netchannel devices: disks, and USB ports by their names
   * @param stock its other disks
   * @param hypervisorTells whether the hosts know when it is suspended
   * @param policy of both hosts
   * @param goesAlong whether its disks are to go to host b with it
   */
  record Guest(
      List<String> targets,
      List<LocalDevices.StockDisk> stock,
      boolean hypervisorTells,
      StockDiskPolicy policy,
      boolean goesAlong) {
    private static final List<LocalDevices.StockDisk> XVDC =
        List.of(new LocalDevices.StockDisk("xvdc", "vbd"));

    static final Guest DISKS = new Guest(TARGETS, List.of(), true, StockDiskPolicy.ABORT, false);
    static final Guest STOCK = new Guest(List.of(), XVDC, true, StockDiskPolicy.ABORT, false);
    static final Guest MIXED =
        new Guest(List.of("usb1", "xvda"), XVDC, true, StockDiskPolicy.ABORT, false);
    static final Guest ALONG = new Guest(TARGETS, List.of(), true, StockDiskPolicy.ABORT, true);

    /** On a hypervisor that cannot tell. */
    Guest untold() {
      return new Guest(targets, stock, false, policy, goesAlong);
    }

    Guest with(StockDiskPolicy other) {
      return new Guest(targets, stock, hypervisorTells, other, goesAlong);
    }
  }

  private static final MigrationHooks.Arrived ALL_WELL =
      new MigrationHooks.Arrived() {
        @Override
        public void checkPlaced() {}

        @Override
        public void checkReady() {}
      };

  /** When a crashed daemon is started again. */
  enum Restart {
    /** At once, while libvirt still cleans up. */
    AT_ONCE,
    /** When libvirt has long finished; its hooks have found nobody. */
    LATE
  }

  /** What the people of a host read, and may be stepped; what its bounds go by is not. */
  private final class WallClock extends Clock {
    private Duration stepped = Duration.ZERO;

    @Override
    public Instant instant() {
      return EPOCH.plusNanos(nowNanos).plus(stepped);
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }
  }

  private long nowNanos;
  private final Map<String, WallClock> clocks =
      ImmutableMap.of("a", new WallClock(), "b", new WallClock());
  private final Random random;
  private final SimulatedLink.Faults faults;
  private final Restart restart;
  private final boolean hookIsRetried;
  private final ImmutableMap<String, SimulatedDisk> disks;
  private final SimulatedHost a;
  private final SimulatedHost b;
  private final Set<String> domainOn = new HashSet<>();
  private final Set<String> hasRunOn = new HashSet<>();
  private final Set<String> suspendedOn = new HashSet<>();
  private final Map<String, Map<String, String>> nodes = new HashMap<>();
  private boolean canStay = true;
  private Set<String> unreached = Set.of();
  private final Guest guest;
  private Duration drainTakes = Duration.ofSeconds(3);
  private String drainedOn = "";
  private volatile boolean drainHangs;
  private boolean outcomesDiffer;
  private String guestOn = "a";
  private Runnable atEachStep = () -> {};
  private final List<String> history = new ArrayList<>();
  private final Map<String, String> seen = new HashMap<>();
  private FaultPoints faultPoints = FaultPoints.NONE;
  private double deviceFaultRate;
  private MigrationHooks.Arrived arrived = ALL_WELL;

  /** A guest with two disks, on a hypervisor that cannot tell when it is suspended. */
  Simulation(long seed, double faultRate, Restart restart, boolean hookIsRetried)
      throws JournalException {
    this(Guest.DISKS.untold(), seed, faultRate, restart, hookIsRetried);
  }

  Simulation(Guest guest, long seed, double faultRate, Restart restart, boolean hookIsRetried)
      throws JournalException {
    this.guest = guest;
    this.random = new Random(seed);
    this.outcomesDiffer = random.nextBoolean();
    this.faults = new SimulatedLink.Faults(random, faultRate);
    this.restart = restart;
    this.hookIsRetried = hookIsRetried;
    ImmutableMap.Builder<String, SimulatedDisk> made = ImmutableMap.builder();
    guest.targets().forEach(target -> made.put(target, new SimulatedDisk(target)));
    this.disks = made.buildOrThrow();
    this.a = new SimulatedHost(this, "a", random);
    this.b = new SimulatedHost(this, "b", random);
    a.start();
    b.start();
    for (String target : guest.targets()) {
      a.devices().serve(target, a.coordinator().claimGeneration(DOMAIN, target));
    }
    domainOn.add("a");
    if (guest.goesAlong()) {
      for (String target : guest.targets()) {
        goesAlong(disk(target));
      }
    }
  }

  private void goesAlong(SimulatedDisk disk) throws JournalException {
    DeviceKey key = new DeviceKey(DOMAIN, disk.target());
    try {
      a.coordinator()
          .jobs()
          .begin(
              DiskJob.begin(
                  newId(),
                  key,
                  NAME,
                  disk.source(),
                  disk.copy(),
                  new DiskJob.Origin(false, true, "", "b"),
                  new DiskJob.Settings(false, true, false, false, 0),
                  EPOCH));
    } catch (JobRefusedException e) {
      throw new AssertionError(e);
    }
    disk.becomesAlike();
  }

  /** The sources of a domain's disks as xenstore has them on a host, by target. */
  Map<String, String> nodes(String host) {
    return nodes.computeIfAbsent(host, name -> new HashMap<>());
  }

  /** Whether a disk that has no copy may stay where it is. */
  boolean canStay() {
    return canStay;
  }

  void setCanStay(boolean canStay) {
    this.canStay = canStay;
  }

  /** Whether a host can open a device: host a can open all. */
  boolean reaches(String host, String source) {
    return host.equals("a") || !unreached.contains(source);
  }

  /** What host b cannot open. */
  void setUnreached(Set<String> sources) {
    this.unreached = sources;
  }

  SimulatedHost host(String name) {
    return name.equals("a") ? a : b;
  }

  /** Of a host. */
  Clock clock(String host) {
    return clocks.get(host);
  }

  /** Of every host: the same, as nothing compares them. */
  long nanoTime() {
    return nowNanos;
  }

  /** Somebody sets the clock of a host. */
  void stepClock(String host, Duration by) {
    WallClock clock = clocks.get(host);
    clock.stepped = clock.stepped.plus(by);
  }

  UUID newId() {
    return new UUID(random.nextLong(), random.nextLong());
  }

  Peer peer(SimulatedHost from) {
    return new SimulatedLink(from, from == a ? b : a, faults);
  }

  SimulatedDisk disk(String target) {
    return disks.get(target);
  }

  boolean domainExistsOn(String host) {
    return domainOn.contains(host);
  }

  boolean guestHasRunOn(String host) {
    return hasRunOn.contains(host);
  }

  String guestOn() {
    return guestOn;
  }

  Guest guest() {
    return guest;
  }

  /** What happens at each step of either host. */
  void atEachStep(Runnable happens) {
    atEachStep = happens;
  }

  void stepped() {
    atEachStep.run();
  }

  /**
   * What has happened since the beginning, by the monotonic clock: each message, and what a tick
   * later was new in the migrations of a host. Nothing of it is by the wall clock.
   */
  List<String> history() {
    return List.copyOf(history);
  }

  void tell(String what) {
    history.add(Duration.ofNanos(nowNanos) + " " + what);
  }

  private void tellMigrations(SimulatedHost host) {
    String now =
        host.coordinator().migrations().list().stream()
            .map(m -> m.direction() + " " + m.phase() + " " + details(m))
            .collect(Collectors.joining("; "));
    if (!now.equals(seen.put(host.name(), now))) {
      tell(host.name() + ": " + now);
    }
  }

  private static List<String> details(Migration migration) {
    return migration.steps().stream().map(step -> step.phase() + " " + step.detail()).toList();
  }

  StockDiskPolicy stockDisks() {
    return guest.policy();
  }

  SimulatedLink.Faults faults() {
    return faults;
  }

  boolean isSuspendedOn(String host) {
    return suspendedOn.contains(host);
  }

  /** How long the stock disks' backends need to answer what the guest has asked for. */
  Duration drainTakes() {
    return drainTakes;
  }

  void setDrainTakes(Duration drainTakes) {
    this.drainTakes = drainTakes;
  }

  /** Storage that answers nothing. */
  boolean drainHangs() {
    return drainHangs;
  }

  void setDrainHangs(boolean drainHangs) {
    this.drainHangs = drainHangs;
  }

  /** How many of the commands to mid-points fail, without an effect; until {@link #settle}. */
  void setDeviceFaultRate(double deviceFaultRate) {
    this.deviceFaultRate = deviceFaultRate;
  }

  boolean fails() {
    return deviceFaultRate > 0 && random.nextDouble() < deviceFaultRate;
  }

  /** A daemon that was restarted may know more of what is pending than the one before. */
  String outcomes(SimulatedHost host) {
    return outcomesDiffer ? " in life " + host.life() : "";
  }

  void setOutcomesDiffer(boolean outcomesDiffer) {
    this.outcomesDiffer = outcomesDiffer;
  }

  void drained(String host) {
    assertThat(guest.hypervisorTells() && !isSuspendedOn(host))
        .as("%s drains a guest that runs", host)
        .isFalse();
    drainedOn = host;
  }

  /** The last memory is on its way: the guest stands still. */
  void suspend(String name) {
    suspendedOn.add(name);
    drainedOn = "";
    SimulatedHost host = host(name);
    if (host.isUp()) {
      // On the hypervisor's thread: a crash in it ends nothing else.
      host.devices().suspended();
    }
    if (restart == Restart.AT_ONCE) {
      startAll();
    }
  }

  /** The guest runs again where it was suspended. */
  void resume(String name) {
    suspendedOn.remove(name);
  }

  /** A process that is gone writes nothing. */
  void daemonDied(String host) {
    disks.values().forEach(disk -> disk.close(host));
    if (host.equals("a")) {
      disks.values().forEach(SimulatedDisk::losesCopy);
    }
  }

  /** virsh migrate; whether the guest has moved. */
  boolean migrate(String from, String to) {
    return arrives(from, to) && finish(from, to);
  }

  /** virsh migrate up to hook "started" of the restored domain; whether it gets there. */
  boolean arrives(String from, String to) {
    hasRunOn.remove(to);
    if (!hook(host(to), () -> host(to).coordinator().incomingAnnounced(NAME))) {
      return false;
    }
    domainOn.add(to);
    boolean[] expected = new boolean[1];
    boolean copies = hook(host(to), () -> expected[0] = starts(host(to))) && expected[0];
    if (!copies) {
      end(host(to));
      return false;
    }
    pass(Duration.ofSeconds(2));
    suspend(from);
    pass(Duration.ofSeconds(random.nextInt(3)));
    return true;
  }

  /** Hook "started" has let the guest run, and libvirt is slow to end it at its source. */
  boolean restoresOnly(String from, String to) {
    boolean restored = arrives(from, to) && restored(to);
    if (restored) {
      guestOn = to;
      hasRunOn.add(to);
    }
    return restored;
  }

  /** The first hooks, when nothing may go wrong. */
  void begin(String to) throws MigrationRefusedException {
    host(to).coordinator().incomingAnnounced(NAME);
    domainOn.add(to);
    assertThat(starts(host(to))).as("it is expected").isTrue();
  }

  /** The guest's memory is all there; libvirt lets it run where its hook says. */
  boolean finish(String from, String to) {
    boolean restored = restored(to) || (hookIsRetried && restored(to));
    if (restored) {
      assertThat(drainedOn)
          .as("its storage at the source has finished")
          .isEqualTo(guest.policy() == StockDiskPolicy.IGNORE ? "" : from);
      guestOn = to;
      writes(to);
      if (host(to).isUp() && random.nextBoolean()) {
        hasRunOn.add(to);
      }
      end(host(from));
      suspendedOn.clear();
    } else {
      if (random.nextBoolean()) {
        resume(from);
      }
      end(host(to));
      resume(from);
    }
    return restored;
  }

  /**
   * It runs, and goes on with what the disks have there.
   *
   * @return whether they are served there
   */
  boolean writes(String host) {
    List<SimulatedDisk> served =
        disks.values().stream().filter(disk -> disk.writers().containsKey(host)).toList();
    served.forEach(disk -> disk.write(nodes(host).getOrDefault(disk.target(), disk.source())));
    return !served.isEmpty();
  }

  /** Hook "started". */
  boolean restored(String to) {
    return hook(host(to), () -> host(to).coordinator().incomingRestored(DOMAIN, 5, arrived));
  }

  /** What the hook's caller finds of the disks. */
  void setArrived(MigrationHooks.Arrived arrived) {
    this.arrived = arrived;
  }

  /** What hook "started" says when it refuses. */
  String refusal(String to) {
    try {
      host(to).coordinator().incomingRestored(DOMAIN, 5, arrived);
    } catch (MigrationRefusedException e) {
      return e.getMessage();
    }
    throw new AssertionError("not refused");
  }

  /** The daemon is killed and started again. */
  void restart(String name) {
    stop(name);
    startAll();
  }

  /** The daemon is killed; with {@link Restart#LATE} it stays so. */
  void stop(String name) {
    SimulatedHost host = host(name);
    host.crashAtStep(host.steps() + 1);
    assertThat(hook(host, () -> host.coordinator().incomingAnnounced("nobody"))).isFalse();
  }

  /** It goes without a hook. */
  void forgetDomain(String host) {
    domainOn.remove(host);
  }

  /** Likewise, with its disks: the host has lost its power. */
  void losesDomain(String host) {
    forgetDomain(host);
    host(host).devices().domainEnded();
  }

  boolean starts(SimulatedHost host) throws MigrationRefusedException {
    return host.coordinator()
        .incomingStarts(NAME, DOMAIN, !guest.targets().isEmpty(), !guest.stock().isEmpty());
  }

  /** The domain is gone; hooks "stopped" and "release" both say so. */
  void end(SimulatedHost host) {
    domainOn.remove(host.name());
    hasRunOn.remove(host.name());
    nodes(host.name()).clear();
    for (int call = 0; call < 2; call++) {
      hook(host, () -> host.coordinator().domainEnded(DOMAIN));
    }
    if (host.isUp()) {
      host.devices().domainEnded();
    }
  }

  @FunctionalInterface
  private interface HookBody {
    void run() throws MigrationRefusedException;
  }

  private boolean hook(SimulatedHost host, HookBody body) {
    if (!host.isUp()) {
      return false;
    }
    int life = host.life();
    boolean done;
    try {
      body.run();
      host.step(life);
      done = true;
    } catch (MigrationRefusedException e) {
      done = false;
    } catch (SimulatedHost.Crash e) {
      done = false;
    } catch (RuntimeException e) {
      // A future wraps the crash of its own host.
      assertThat(host.life()).as("unexpected %s", e).isNotEqualTo(life);
      done = false;
    }
    if (restart == Restart.AT_ONCE) {
      startAll();
    }
    return done;
  }

  private void startAll() {
    for (SimulatedHost host : List.of(a, b)) {
      while (!host.isUp() && (host.start() || !host.disk().isFailing())) {
        // It crashed while it started, and is started again.
      }
    }
  }

  void pass(Duration time) {
    long endNanos = nowNanos + time.toNanos();
    while (nowNanos - endNanos < 0) {
      nowNanos += TICK.toNanos();
      for (SimulatedHost host : random.nextBoolean() ? List.of(a, b) : List.of(b, a)) {
        hook(host, () -> host.coordinator().tick());
        tellMigrations(host);
      }
    }
  }

  /** Both hosts are up, the network works, and time passes. */
  void settle() {
    startAll();
    faults.stop();
    deviceFaultRate = 0;
    pass(Duration.ofSeconds(3));
    faults.deliverLate();
    startAll();
    pass(SETTLE);
    a.crashAtStep(0);
    b.crashAtStep(0);
    startAll();
    pass(SETTLE);
  }

  /** What every daemon does at the points of a migration, also after a restart. */
  void setFaultPoints(FaultPoints points) {
    faultPoints = points;
  }

  FaultPoints faultPoints() {
    return point -> faultPoints.at(point);
  }

  void assertNothingUnfinished(String description) {
    for (SimulatedHost host : List.of(a, b)) {
      Migrations migrations = host.coordinator().migrations();
      assertThat(migrations.list().stream().flatMap(m -> migrations.unfinished(m).stream()))
          .as("%s: what %s has still to do", description, host.name())
          .isEmpty();
    }
  }

  void assertOneOwner(String description) {
    for (SimulatedDisk disk : disks.values()) {
      assertThat(disk.violations()).as(description).isEmpty();
      assertThat(disk.writers().keySet())
          .as(
              "%s: who serves the guest on %s; a: %s b: %s",
              description,
              guestOn,
              a.coordinator().migrations().list(),
              b.coordinator().migrations().list())
          .containsExactly(guestOn);
    }
    for (SimulatedHost host : List.of(a, b)) {
      assertThat(host.coordinator().migrations().list())
          .as("%s: migrations of %s", description, host.name())
          .noneMatch(m -> m.isActive() && m.phase() != Phase.PRECOPY);
      assertThat((long) host.devices().rooms())
          .as("%s: rooms for manifests that %s keeps", description, host.name())
          .isLessThanOrEqualTo(
              host.coordinator().migrations().list().stream()
                  .filter(m -> m.isActive() && m.direction() == Direction.INCOMING)
                  .count());
    }
  }
}
