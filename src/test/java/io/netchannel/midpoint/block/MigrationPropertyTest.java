package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Inheritance;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.block.SimulatedHost.Killed;
import io.netchannel.vdevice.VirtualDevice;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/**
 * A guest with random racing I/O while its mid-point is sealed, handed over, unsealed, killed and
 * connected anew: each answer, and the disk at the end, against a plain model of a disk. Hosts have
 * caches of their own in front of the shared storage, so a missing flush shows.
 */
final class MigrationPropertyTest {
  private static final Duration BOUND = Duration.ofSeconds(10);

  private long replayed;
  private long adopted;
  private long askedFor;

  @Test
  void migrations() {
    Seeds.forEach(800, random -> new Run(random, false).go(Event.MIGRATE));
    assertThat(replayed).as("requests answered from replay maps").isGreaterThan(1000);
    assertThat(adopted).as("requests handed over").isGreaterThan(4000);
  }

  @Test
  void migrationsWithFailingDevice() {
    Seeds.forEach(500, random -> new Run(random, true).go(Event.MIGRATE));
  }

  @Test
  void abortedSeals() {
    Seeds.forEach(600, random -> new Run(random, false).go(Event.ABORT));
  }

  @Test
  void reconnectsOnTheSameHost() {
    Seeds.forEach(600, random -> new Run(random, false).go(Event.RECONNECT));
  }

  @Test
  void killedDaemons() {
    Seeds.forEach(1000, random -> new Run(random, false).go(Event.KILL));
  }

  @Test
  void killedWhileSealed() {
    Seeds.forEach(400, random -> new Run(random, false).go(Event.KILL_SEALED));
  }

  @Test
  void everything() {
    Seeds.forEach(1500, random -> new Run(random, random.nextInt(4) == 0).go(Event.values()));
  }

  /** Its disk stays where it is: requests are left to its server, only their names travel. */
  @Test
  void everythingWithADiskThatStays() {
    Seeds.forEach(1500, random -> new Run(random, random.nextInt(4) == 0, true).go(Event.values()));
  }

  @Test
  void migrationsWithADiskThatStays() {
    Seeds.forEach(800, random -> new Run(random, false, true).go(Event.MIGRATE));
    assertThat(replayed).as("requests answered from replay maps").isGreaterThan(1000);
    assertThat(askedFor).as("requests whose fate was asked for").isGreaterThan(500);
  }

  private enum Event {
    MIGRATE,
    ABORT,
    RECONNECT,
    KILL,
    KILL_SEALED
  }

  private final class Run {
    private final Random random;
    private final boolean errors;
    private final Storage storage = new Storage(SimulatedGuest.SECTORS * BlockLimits.SECTOR_BYTES);
    private final SimulatedGuest guest;

    /** Null when the hosts have the disk themselves. */
    private final Authority authority;

    private SimulatedHost host;
    private long generation = 1;

    Run(Random random, boolean errors) {
      this(random, errors, false);
    }

    Run(Random random, boolean errors, boolean stays) {
      this.random = random;
      this.errors = errors;
      guest = new SimulatedGuest(random, new DiskModel(SimulatedGuest.SECTORS), storage, errors);
      authority = stays ? new Authority(random, storage, errors) : null;
      host = newHost(Optional.empty());
    }

    private SimulatedHost newHost(Optional<Inheritance> inheritance) {
      return authority == null
          ? new SimulatedHost(random, storage, errors)
          : new SimulatedHost(random, () -> ScriptedDevice.of(authority, inheritance), errors);
    }

    void go(Event... events) {
      host.await(host.midPoint.serve(host.device, generation));
      host.disk.connect(guest.rings());
      int count = 1 + random.nextInt(3);
      for (int i = 0; i < count; i++) {
        load(random.nextInt(60));
        switch (events[random.nextInt(events.length)]) {
          case MIGRATE -> migrate();
          case ABORT -> abort();
          case RECONNECT -> reconnect();
          case KILL -> kill();
          case KILL_SEALED -> killSealed();
        }
      }
      load(random.nextInt(30));
      finish();
    }

    private void load(int steps) {
      for (int i = 0; i < steps; i++) {
        switch (random.nextInt(4)) {
          case 0 -> guest.submit(12);
          case 1 -> host.work();
          case 2 -> host.completeSome();
          default -> guest.interrupt(random.nextInt(4) == 0);
        }
        if (random.nextInt(3) == 0) {
          guest.submit(12);
        }
      }
    }

    private BlockManifest seal() {
      guest.halt();
      CompletableFuture<BlockManifest> sealing = host.midPoint.seal(BOUND);
      while (!sealing.isDone()) {
        host.work();
        if (random.nextInt(3) == 0) {
          host.completeSome();
        }
        if (sealing.isCompletedExceptionally() && errors) {
          // The flush was made to fail: the mid-point goes on serving, and is asked again.
          sealing = host.midPoint.seal(BOUND);
        }
      }
      BlockManifest manifest = sealing.join();
      assertThat(authority != null || host.device.running.isEmpty()).isTrue();
      host.device.fence("it is sealed");
      host.disk.fence("it is sealed");
      host.work();
      return manifest;
    }

    private void migrate() {
      byte[] encoded = seal().encode();
      SimulatedHost source = host;
      if (random.nextBoolean()) {
        source.completeSome();
        source.work();
      }
      BlockManifest manifest = BlockManifest.decode(encoded);
      host = newHost(manifest.inheritance());
      askedFor += manifest.inheritance().map(left -> left.writes().size()).orElse(0);
      generation++;
      host.midPoint.doWork();
      CompletableFuture<Void> taken = host.midPoint.takeOver(host.device, generation, manifest);
      SharedRings rings = guest.resumeElsewhere();
      host.disk.connect(rings);
      while (!taken.isDone()) {
        assertThat(host.disk.state()).isEqualTo(VirtualDevice.State.PREPARED);
        host.work();
        host.completeSome();
      }
      taken.join();
      CompletableFuture<Void> retiring = source.midPoint.retire();
      source.disk.disconnect(VirtualDevice.State.GONE);
      for (int i = 0; i < 3; i++) {
        source.work();
      }
      assertThat(source.midPoint.status().state()).isEqualTo(MidPoint.State.RETIRED);
      assertThat(retiring).isCompleted();
      assertThat(source.midPoint.retired()).isCompleted();
      assertThat(source.device.closed).isTrue();
      assertThat(source.disk.nodesRemoved).isTrue();
      note(source);
    }

    private void abort() {
      BlockManifest manifest = seal();
      if (authority != null && random.nextBoolean()) {
        // The destination was let in, and has given up.
        ScriptedDevice unused = ScriptedDevice.of(authority, manifest.inheritance());
        host.work();
        authority.back(host.device);
      } else if (random.nextBoolean()) {
        host.completeSome();
      }
      unseal();
    }

    private void unseal() {
      host.device.unfence();
      host.disk.fence(null);
      generation += 2;
      host.await(host.midPoint.unseal(generation));
      guest.resume();
    }

    private void reconnect() {
      guest.halt();
      host.disk.disconnect(VirtualDevice.State.PREPARED);
      host.disk.connect(guest.resumeElsewhere());
    }

    private void kill() {
      host.killAtStore(1 + random.nextInt(60));
      try {
        load(80);
      } catch (Killed expected) {
        // At a store to the in-flight table; otherwise between two steps.
      }
      host.restart(guest.rings(), generation, false);
    }

    private void killSealed() {
      for (int i = 0; i < 1000 && !host.disk.isSteady(); i++) {
        host.work();
        host.completeSome();
      }
      assertThat(host.disk.isSteady()).isTrue();
      seal();
      host.restart(guest.rings(), generation, true);
      for (int i = 0; i < 3; i++) {
        host.work();
      }
      assertThat(host.device.calls).isEmpty();
      assertThat(host.midPoint.status().state()).isEqualTo(MidPoint.State.SEALED);
      unseal();
    }

    private void finish() {
      for (int i = 0; i < 2000 && guest.outstanding() > 0; i++) {
        host.work();
        host.completeSome();
        guest.interrupt(true);
      }
      assertThat(guest.outstanding()).as("requests never answered").isZero();
      for (int i = 0; i < 3; i++) {
        host.work();
      }
      assertThat(host.midPoint.status().pending()).isZero();
      seal();
      guest.checkDisk(authority == null ? storage.bytes : authority.cache.cached, "at the end");
      note(host);
    }

    private void note(SimulatedHost done) {
      replayed += done.midPoint.status().replayed();
      adopted += done.midPoint.status().adopted();
    }
  }
}
