package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A guest with disks of other backends moves only when they have finished writing. */
final class StockDisksTest {
  private static final Duration BOUND = Duration.ofSeconds(20);

  /** Longer than [timeouts] drain and shorter than hook. */
  private static final Duration SLOW = Duration.ofSeconds(30);

  private static Simulation world(Simulation.Guest guest) throws JournalException {
    return new Simulation(guest, 5, 0, Simulation.Restart.AT_ONCE, false);
  }

  private static Migration newest(Simulation world, String host) {
    return world.host(host).coordinator().migrations().list().get(0);
  }

  static Stream<Simulation.Guest> guests() {
    return Stream.of(Simulation.Guest.STOCK, Simulation.Guest.MIXED)
        .flatMap(guest -> Stream.of(guest, guest.untold()));
  }

  @ParameterizedTest
  @MethodSource("guests")
  void isWaitedForAndTheTimelineSaysSo(Simulation.Guest guest) throws Exception {
    Simulation world = world(guest);
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("stock");
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.COMMIT);
    assertThat(newest(world, "b").phase()).isEqualTo(Phase.COMMIT);
    assertThat(newest(world, "a").steps())
        .extracting(Migration.Step::detail)
        .contains("xvdc (vbd): 16 unanswered, drained after 3.0 s");
    assertThat(world.migrate("b", "a")).as("and back").isTrue();
    world.settle();
    world.assertOneOwner("stock, back");
  }

  @ParameterizedTest
  @MethodSource("guests")
  void abortEndsTheMigrationWhenTheBoundPasses(Simulation.Guest guest) throws Exception {
    Simulation world = world(guest);
    world.setDrainTakes(SLOW);
    world.begin("b");
    world.suspend("a");
    assertThat(world.refusal("b"))
        .contains(
            "xvdc (vbd): 16 requests unanswered by the source's backend after 20 s; its storage"
                + " still writes: the guest goes on at a. Raise [timeouts] drain or set"
                + " [stock-disks] unanswered = \"wait\"");
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.ABORT);
    guest
        .targets()
        .forEach(target -> assertThat(world.disk(target).writers()).containsOnlyKeys("a"));
    world.resume("a");
    world.end(world.host("b"));
    world.setDrainTakes(Duration.ZERO);
    assertThat(world.migrate("a", "b")).as("the next one").isTrue();
  }

  @ParameterizedTest
  @MethodSource("guests")
  void waitWaitsLonger(Simulation.Guest guest) throws Exception {
    Simulation world = world(guest.with(StockDiskPolicy.WAIT));
    world.setDrainTakes(SLOW);
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("wait");
  }

  @Test
  void anAbortEndsAWaitAtOnce() throws Exception {
    Simulation world = world(Simulation.Guest.MIXED.with(StockDiskPolicy.WAIT));
    world.setDrainHangs(true);
    world.begin("b");
    CompletableFuture<Void> suspended = sealsElsewhere(world);
    Coordinator a = world.host("a").coordinator();
    a.abort("b", newest(world, "a").id(), "virsh was interrupted");
    suspended.get(BOUND.toSeconds(), TimeUnit.SECONDS);
    assertGoesOn(world, "b: virsh was interrupted");
  }

  @Test
  void aGuestThatRunsAgainEndsAWaitAtOnce() throws Exception {
    Simulation world = world(Simulation.Guest.MIXED.with(StockDiskPolicy.WAIT));
    world.setDrainHangs(true);
    world.begin("b");
    CompletableFuture<Void> suspended = sealsElsewhere(world);
    world.resume("a");
    world.host("a").coordinator().tick();
    suspended.get(BOUND.toSeconds(), TimeUnit.SECONDS);
    assertGoesOn(world, "the guest runs again on a");
  }

  /** Another thread seals, as on a host; it waits for storage that answers nothing. */
  private static CompletableFuture<Void> sealsElsewhere(Simulation world) {
    CompletableFuture<Void> suspended = CompletableFuture.runAsync(() -> world.suspend("a"));
    long end = System.nanoTime() + BOUND.toNanos();
    while (world.host("a").devices().hanging().isEmpty()) {
      assertThat(System.nanoTime()).as("the drain begins").isLessThan(end);
      Thread.onSpinWait();
    }
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.SEAL);
    return suspended;
  }

  private static void assertGoesOn(Simulation world, String detail) {
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.ABORT);
    assertThat(newest(world, "a").detail()).isEqualTo(detail);
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
    assertThat(world.host("a").devices().hanging()).allMatch(CompletableFuture::isCancelled);
  }

  @Test
  void waitEndsWithTheHook() throws Exception {
    Simulation world = world(Simulation.Guest.STOCK.with(StockDiskPolicy.WAIT));
    world.setDrainTakes(Timeouts.DEFAULTS.hook().plusSeconds(1));
    world.begin("b");
    world.suspend("a");
    assertThat(world.refusal("b")).contains("after 50 s").contains("Raise [timeouts] hook");
  }

  @Test
  void ignoreDoesNotLook() throws Exception {
    Simulation mixed = world(Simulation.Guest.MIXED.with(StockDiskPolicy.IGNORE));
    mixed.setDrainTakes(Duration.ofDays(1));
    assertThat(mixed.migrate("a", "b")).isTrue();
    Simulation stock = world(Simulation.Guest.STOCK.with(StockDiskPolicy.IGNORE));
    Coordinator b = stock.host("b").coordinator();
    b.incomingAnnounced(Simulation.NAME);
    assertThat(stock.starts(stock.host("b"))).as("a migration of ours").isFalse();
    assertThat(b.migrations().list()).isEmpty();
    assertThat(stock.host("a").coordinator().describe(Simulation.NAME)).isEmpty();
  }

  @Test
  void aSourceThatCannotBeAskedIsRefusedInWords() throws Exception {
    Simulation world = new Simulation(Simulation.Guest.STOCK, 5, 0, Simulation.Restart.LATE, false);
    world.host("a").crashAtStep(world.host("a").steps() + 1);
    Coordinator b = world.host("b").coordinator();
    b.incomingAnnounced(Simulation.NAME);
    assertThatThrownBy(() -> world.starts(world.host("b")))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("could not be asked to wait for that: a (")
        .hasMessageContaining("[stock-disks] unanswered = \"ignore\" on b");
    // Without a disk it is nobody's business.
    b.incomingAnnounced(Simulation.NAME);
    assertThat(b.incomingStarts(Simulation.NAME, Simulation.DOMAIN, false, false)).isFalse();
  }

  @Test
  void aPlainStartAsksNobodyAndWaitsForNobody() throws Exception {
    Simulation world = new Simulation(Simulation.Guest.STOCK, 5, 0, Simulation.Restart.LATE, false);
    Coordinator b = world.host("b").coordinator();
    b.incomingAnnounced(Simulation.NAME);
    assertThat(b.isIncoming(Simulation.DOMAIN)).isTrue();
    // libvirt has given it up without a hook; long afterwards it is started here, with a peer down.
    world.pass(Announcements.KEPT.plusSeconds(2));
    world.host("a").crashAtStep(world.host("a").steps() + 1);
    assertThat(world.starts(world.host("b"))).isFalse();
    assertThat(b.isIncoming(Simulation.DOMAIN)).isFalse();
  }

  @Test
  void aGuestOfAHostWithoutNetchannelPasses() throws Exception {
    Simulation world = world(Simulation.Guest.STOCK);
    Coordinator b = world.host("b").coordinator();
    b.incomingAnnounced("other");
    assertThat(b.incomingStarts("other", new UUID(8, 8), false, true)).isFalse();
  }

  @Test
  void anotherDomainOfTheSameNameIsNotTheOne() throws Exception {
    Simulation world = world(Simulation.Guest.STOCK);
    Coordinator b = world.host("b").coordinator();
    b.incomingAnnounced(Simulation.NAME);
    assertThat(b.isIncoming(Simulation.DOMAIN)).isTrue();
    assertThat(b.incomingStarts(Simulation.NAME, new UUID(8, 8), false, true)).isFalse();
    assertThat(b.isIncoming(Simulation.DOMAIN)).isFalse();
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.ABORT);
  }

  @Test
  void aDaemonRestartedBetweenTheHooksKnowsThatItIsComing() throws Exception {
    Simulation world = world(Simulation.Guest.STOCK);
    world.begin("b");
    world.suspend("a");
    world.restart("b");
    assertThat(world.host("b").coordinator().isIncoming(Simulation.DOMAIN)).isTrue();
    assertThat(world.finish("a", "b")).isTrue();
    assertThat(world.host("b").coordinator().isIncoming(Simulation.DOMAIN)).isFalse();
  }
}
