package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;

/**
 * Two hosts, one guest with two disks, and a libvirt that migrates it: in one thread, with one
 * seed, so that every run can be had again.
 */
final class Simulation {
  static final String NAME = "db";
  static final UUID DOMAIN = new UUID(7, 7);
  static final List<String> TARGETS = List.of("xvda", "xvdb");

  /** Longer than every bound that ends something. */
  private static final Duration SETTLE = Timeouts.DEFAULTS.sealed().multipliedBy(2);

  /** When a crashed daemon is started again. */
  enum Restart {
    /** At once, while libvirt still cleans up. */
    AT_ONCE,
    /** When libvirt has long finished; its hooks have found nobody. */
    LATE
  }

  private static final class Time extends Clock {
    private Instant now = Instant.parse("2026-01-01T00:00:00Z");

    @Override
    public Instant instant() {
      return now;
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

  private final Time clock = new Time();
  private final Random random;
  private final SimulatedLink.Faults faults;
  private final Restart restart;
  private final boolean hookIsRetried;
  private final ImmutableMap<String, SimulatedDisk> disks;
  private final SimulatedHost a;
  private final SimulatedHost b;
  private final Set<String> domainOn = new HashSet<>();
  private final Set<String> hasRunOn = new HashSet<>();
  private String guestOn = "a";
  private FaultPoints faultPoints = FaultPoints.NONE;

  Simulation(long seed, double faultRate, Restart restart, boolean hookIsRetried)
      throws JournalException {
    this.random = new Random(seed);
    this.faults = new SimulatedLink.Faults(random, faultRate);
    this.restart = restart;
    this.hookIsRetried = hookIsRetried;
    ImmutableMap.Builder<String, SimulatedDisk> made = ImmutableMap.builder();
    TARGETS.forEach(target -> made.put(target, new SimulatedDisk(target)));
    this.disks = made.buildOrThrow();
    this.a = new SimulatedHost(this, "a", random);
    this.b = new SimulatedHost(this, "b", random);
    a.start();
    b.start();
    for (String target : TARGETS) {
      a.devices().serve(target, a.coordinator().claimGeneration(DOMAIN, target));
    }
    domainOn.add("a");
  }

  SimulatedHost host(String name) {
    return name.equals("a") ? a : b;
  }

  Clock clock() {
    return clock;
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

  /** A process that is gone writes nothing. */
  void daemonDied(String host) {
    disks.values().forEach(disk -> disk.close(host));
  }

  /** virsh migrate; whether the guest has moved. */
  boolean migrate(String fromName, String toName) {
    SimulatedHost from = host(fromName);
    SimulatedHost to = host(toName);
    hasRunOn.remove(toName);
    if (!hook(to, () -> to.coordinator().incomingAnnounced(NAME))) {
      return false;
    }
    domainOn.add(toName);
    boolean[] expected = new boolean[1];
    boolean restored =
        hook(to, () -> expected[0] = to.coordinator().incomingStarts(NAME, DOMAIN, true))
            && expected[0];
    if (restored) {
      pass(Duration.ofSeconds(2));
      restored = hook(to, () -> to.coordinator().incomingRestored(DOMAIN, 5));
      if (!restored && hookIsRetried) {
        restored = hook(to, () -> to.coordinator().incomingRestored(DOMAIN, 5));
      }
    }
    if (restored) {
      guestOn = toName;
      if (to.isUp() && random.nextBoolean()) {
        hasRunOn.add(toName);
      }
      end(from);
    } else {
      end(to);
    }
    return restored;
  }

  /** The domain is gone; hooks "stopped" and "release" both say so. */
  private void end(SimulatedHost host) {
    domainOn.remove(host.name());
    hasRunOn.remove(host.name());
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
      while (!host.isUp()) {
        host.start();
      }
    }
  }

  void pass(Duration time) {
    Instant end = clock.now.plus(time);
    while (clock.now.isBefore(end)) {
      clock.now = clock.now.plusSeconds(1);
      for (SimulatedHost host : List.of(a, b)) {
        hook(host, () -> host.coordinator().tick());
      }
    }
  }

  /** Both hosts are up, the network works, and time passes. */
  void settle() {
    startAll();
    faults.stop();
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
    }
  }
}
