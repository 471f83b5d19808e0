package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepare;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerMessages.Timeline;
import io.netchannel.coordinator.PeerMessages.Volume;
import io.netchannel.coordinator.PeerMessages.WantedVolume;
import io.netchannel.files.MemoryFiles;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A peer that takes calls and answers none, a disk that hangs, a journal whose disk hangs: whoever
 * has to do with it waits, and nobody else. The thread of the test is the timer's.
 */
@Timeout(60)
final class HeldUpAloneTest {
  private static final Duration BOUND = Duration.ofSeconds(30);
  private static final UUID HELD = UUID.fromString("11111111-2222-4333-8444-555555555555");
  private static final UUID OTHER = UUID.fromString("66666666-7777-4888-9999-aaaaaaaaaaaa");

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final AtomicLong nanos = new AtomicLong();
  private final Disks disks = new Disks();
  private final ScriptedPeer silent = new ScriptedPeer("silent", true);
  private final ScriptedPeer peer = new ScriptedPeer("peer", false);
  private final Hanging hanging = new Hanging();
  private final Coordinator coordinator;

  HeldUpAloneTest() throws JournalException {
    coordinator =
        new Coordinator(
            "here",
            JournalInMemory.open(new MemoryFiles(new Random(0), hanging)),
            disks,
            List.of(silent, peer),
            Timeouts.DEFAULTS,
            StockDiskPolicy.IGNORE,
            FaultPoints.NONE,
            Clock.systemUTC(),
            nanos::get,
            threads,
            UUID::randomUUID);
  }

  @AfterEach
  void end() {
    silent.released.countDown();
    disks.released.complete(null);
    hanging.released.countDown();
    threads.shutdownNow();
  }

  /** What a step of the journal's disk does. */
  private static final class Hanging implements Runnable {
    private final CountDownLatch reached = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);
    private volatile boolean hangs;

    @Override
    public void run() {
      if (hangs) {
        reached.countDown();
        await(released);
      }
    }
  }

  /** Says of every migration that it is committed, or nothing at all. */
  private static final class ScriptedPeer implements Peer {
    private final String name;
    private final boolean isSilent;
    private final AtomicInteger asked = new AtomicInteger();
    private final AtomicInteger told = new AtomicInteger();
    private final CountDownLatch released = new CountDownLatch(1);

    ScriptedPeer(String name, boolean isSilent) {
      this.name = name;
      this.isSilent = isSilent;
    }

    private PhaseReport report(AtomicInteger calls, Phase phase) throws PeerException {
      calls.incrementAndGet();
      if (isSilent) {
        await(released);
        throw new PeerException(PeerException.Kind.NO_ANSWER, name + " did not answer");
      }
      return new PhaseReport(phase, "scripted");
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public List<ServedDomain> describe(String domainName, Duration bound) {
      return List.of();
    }

    @Override
    public Optional<ServedDomain> describe(UUID domain, Duration bound) {
      return Optional.empty();
    }

    @Override
    public Prepared prepare(Prepare request, Duration bound) {
      return new Prepared(List.of(), Map.of());
    }

    @Override
    public Optional<Exported> export(String name, Duration bound) {
      return Optional.empty();
    }

    @Override
    public List<SealedDevice> seal(UUID migration, Duration bound) {
      return List.of();
    }

    @Override
    public CompletableFuture<List<SealedDevice>> sealWhenSuspended(
        UUID migration, Duration bound, Consumer<SealedDevice> known) {
      return new CompletableFuture<>();
    }

    @Override
    public List<String> takeOver(UUID migration, List<Claim> claims, Duration bound) {
      return List.of();
    }

    @Override
    public Volume volume(WantedVolume wanted, Duration bound) {
      throw new UnsupportedOperationException();
    }

    @Override
    public PhaseReport abort(UUID migration, String reason, Duration bound) throws PeerException {
      return report(told, Phase.ABORT);
    }

    @Override
    public PhaseReport commit(UUID migration, Duration bound) throws PeerException {
      return report(told, Phase.COMMIT);
    }

    @Override
    public PhaseReport status(UUID migration, UUID domain, Direction asked, Duration bound)
        throws PeerException {
      return report(this.asked, Phase.COMMIT);
    }

    @Override
    public Timeline timeline(UUID migration, Duration bound) {
      throw new UnsupportedOperationException();
    }
  }

  /** One disk for each domain; those of {@link #hung} do not end what they are told to do. */
  private static final class Disks implements LocalDevices {
    private final Set<UUID> hung = ConcurrentHashMap.newKeySet();
    private final CompletableFuture<Void> released = new CompletableFuture<>();
    private final AtomicInteger waiting = new AtomicInteger();
    private final Set<UUID> gone = ConcurrentHashMap.newKeySet();
    private final Set<UUID> unsealed = ConcurrentHashMap.newKeySet();
    private final Set<UUID> retired = ConcurrentHashMap.newKeySet();

    private CompletableFuture<Void> done(UUID domain, Set<UUID> those) {
      if (hung.contains(domain)) {
        waiting.incrementAndGet();
        return released.thenRun(() -> those.add(domain));
      }
      those.add(domain);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public List<UUID> domainsNamed(String name) {
      return List.of();
    }

    @Override
    public List<GuestDevice> devicesOf(UUID domain) {
      return List.of(GuestDevice.disk(domain, "xvda", "file:/xvda", false, 4096, 1));
    }

    @Override
    public List<StockDisk> stockDisksOf(UUID domain) {
      return List.of();
    }

    @Override
    public CompletableFuture<Void> probe(GuestDevice disk) {
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public ManifestRoom manifestRoom(List<GuestDevice> devices) {
      throw new AssertionError("nobody comes here");
    }

    @Override
    public CompletableFuture<Sealed> seal(
        UUID domain, String target, Duration bound, long dataBytes, Consumer<Sealed> known) {
      return CompletableFuture.completedFuture(
          new Sealed(devicesOf(domain).get(0), ByteString.copyFromUtf8("manifest"), 0, 0, 0));
    }

    @Override
    public CompletableFuture<List<Drained>> drain(UUID domain, Duration bound) {
      return CompletableFuture.completedFuture(List.of());
    }

    @Override
    public CompletableFuture<Void> whenSuspended(UUID domain) {
      return new CompletableFuture<>();
    }

    @Override
    public Optional<Boolean> isSuspended(UUID domain) {
      return Optional.empty();
    }

    @Override
    public CompletableFuture<Void> unseal(UUID domain, String target, long generation) {
      return done(domain, unsealed);
    }

    @Override
    public CompletableFuture<Void> retire(UUID domain, String target) {
      return done(domain, retired);
    }

    @Override
    public CompletableFuture<Void> stage(UUID domain, String target, ByteString manifest) {
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public Copy copyOf(UUID domain, String target) {
      throw new UnsupportedOperationException();
    }

    @Override
    public CompletableFuture<Void> takeOver(
        int domid, GuestDevice disk, boolean isCopy, ByteString manifest) {
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public boolean domainExists(UUID domain) {
      return !gone.contains(domain);
    }

    @Override
    public boolean guestHasRun(UUID domain) {
      return false;
    }

    @Override
    public void stays(UUID domain) {}
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(BOUND.toSeconds(), TimeUnit.SECONDS)).as("released").isTrue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void await(String what, BooleanSupplier condition) {
    long begun = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime() - begun).as("waiting for: " + what).isLessThan(BOUND.toNanos());
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  private UUID prepared(UUID domain, String to) throws MigrationRefusedException {
    UUID id = UUID.randomUUID();
    coordinator.prepare(to, new Prepare(id, "guest", domain, disks.devicesOf(domain), 0));
    return id;
  }

  private UUID sealed(UUID domain, String to) throws MigrationRefusedException {
    UUID id = prepared(domain, to);
    coordinator.seal(to, id);
    return id;
  }

  private UUID given(UUID domain, String to) throws MigrationRefusedException {
    UUID id = prepared(domain, to);
    List<SealedDevice> disk = coordinator.seal(to, id);
    coordinator.takeOver(to, id, List.of(new Claim("xvda", 2, disk.get(0).manifestCrc32c())));
    return id;
  }

  private void pass(Duration time) {
    nanos.addAndGet(time.toNanos());
    coordinator.tick();
  }

  private Phase phase(UUID id) {
    return coordinator.migrations().find(id).orElseThrow().phase();
  }

  @Test
  void aSilentPeerHoldsUpNoOtherGuest() throws Exception {
    given(HELD, "silent");
    UUID other = given(OTHER, "peer");
    coordinator.tick();
    await("the silent peer is asked", () -> silent.asked.get() == 1);
    await("the other guest's migration is committed", () -> phase(other) == Phase.COMMIT);
    await("its disk is retired", () -> disks.retired.contains(OTHER));
    // It goes on so, and one call is enough for a peer that does not answer it.
    UUID next = sealed(OTHER, "peer");
    pass(Timeouts.DEFAULTS.sealed().plusSeconds(1));
    await("a bound of the next one", () -> phase(next) == Phase.ABORT);
    pass(Duration.ofMinutes(5));
    assertThat(silent.asked).hasValue(1);
  }

  @Test
  void aSilentPeerIsToldOnAThreadOfItsOwn() throws Exception {
    sealed(HELD, "silent");
    UUID other = sealed(OTHER, "peer");
    pass(Timeouts.DEFAULTS.sealed().plusSeconds(1));
    await("both are told", () -> silent.told.get() == 1 && peer.told.get() == 1);
    assertThat(phase(other)).isEqualTo(Phase.ABORT);
    sealed(OTHER, "peer");
    pass(Timeouts.DEFAULTS.sealed().plusSeconds(1));
    await("the other is told again", () -> peer.told.get() == 2);
    assertThat(silent.told).hasValue(1);
  }

  @Test
  void aHungDiskHoldsUpNoOtherGuest() throws Exception {
    disks.hung.add(HELD);
    sealed(HELD, "peer");
    UUID other = sealed(OTHER, "peer");
    pass(Timeouts.DEFAULTS.sealed().plusSeconds(1));
    await("the hung disk is waited for", () -> disks.waiting.get() == 1);
    await("the other guest's disk goes on", () -> disks.unsealed.contains(OTHER));
    assertThat(phase(other)).isEqualTo(Phase.ABORT);
    // Neither a new migration of it nor its ticks wait.
    UUID next = given(OTHER, "peer");
    pass(Duration.ofSeconds(2));
    await("the next one is committed", () -> phase(next) == Phase.COMMIT);
    disks.released.complete(null);
    await("the hung disk goes on", () -> disks.unsealed.contains(HELD));
  }

  /** The next migration of its guest is refused until its disk has ended; others' hooks go on. */
  @Test
  void aHungDiskHoldsUpNoOthersPrepare() throws Exception {
    disks.hung.add(HELD);
    given(HELD, "silent");
    disks.gone.add(HELD);
    assertThatThrownBy(() -> prepared(HELD, "peer"))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("disk xvda: ends; not yet")
        .hasMessageContaining("try again");
    assertThat(disks.waiting).hasValue(1);
    assertThat(phase(prepared(OTHER, "peer"))).isEqualTo(Phase.PRECOPY);
    disks.released.complete(null);
    assertThat(phase(prepared(HELD, "peer"))).isEqualTo(Phase.PRECOPY);
    assertThat(disks.retired).contains(HELD);
  }

  /** Mid-points' threads note: they must not wait until a migration is in the journal. */
  @Test
  void aHungJournalHoldsUpNoNote() throws Exception {
    MigrationStore store =
        new MigrationStore(
            JournalInMemory.open(new MemoryFiles(new Random(0), hanging)),
            Clock.systemUTC(),
            nanos::get);
    Migration held = begun(store, HELD);
    Migration other = begun(store, OTHER);
    hanging.hangs = true;
    CompletableFuture<Void> aborting =
        CompletableFuture.runAsync(
            () -> {
              try {
                store.apply(held, Event.ABORTED, "for the test");
              } catch (JournalException e) {
                throw new IllegalStateException(e);
              }
            },
            threads);
    await(hanging.reached);
    store.note(other.id(), "xvda sealed");
    store.note(held.id(), "xvda sealed too late");
    store.note(held.id(), "and xvdb");
    assertThat(details(store, other)).contains("xvda sealed");
    assertThat(store.active(Direction.OUTGOING)).hasSize(2);
    assertThat(store.get(held.id()).phase())
        .as("not before it is durable")
        .isEqualTo(Phase.PRECOPY);
    assertThat(aborting).isNotDone();
    hanging.hangs = false;
    hanging.released.countDown();
    aborting.get(BOUND.toSeconds(), TimeUnit.SECONDS);
    assertThat(details(store, held)).endsWith("for the test", "xvda sealed too late", "and xvdb");
    assertThat(store.get(held.id()).phase()).isEqualTo(Phase.ABORT);
  }

  private Migration begun(MigrationStore store, UUID domain) throws JournalException {
    return store.apply(
        Migration.begin(
            UUID.randomUUID(),
            Direction.OUTGOING,
            "guest",
            domain,
            "peer",
            disks.devicesOf(domain),
            Clock.systemUTC().instant()),
        Event.PREPARED,
        "1 disk");
  }

  private static List<String> details(MigrationStore store, Migration migration) {
    return store.get(migration.id()).steps().stream().map(Migration.Step::detail).toList();
  }

  /** An executor that has no thread to give must not take the errand with it for good. */
  @Test
  void anErrandWithoutAThreadComesBack() {
    AtomicInteger tried = new AtomicInteger();
    AtomicInteger done = new AtomicInteger();
    Errands<String> errands =
        new Errands<>(
            task -> {
              switch (tried.incrementAndGet()) {
                case 1 -> throw new RejectedExecutionException("full");
                case 2 -> throw new OutOfMemoryError("unable to create native thread");
                default -> task.run();
              }
            });
    for (int tick = 0; tick < 3; tick++) {
      errands.run("guest", done::incrementAndGet);
    }
    assertThat(done).hasValue(1);
    errands.run(
        "guest",
        () -> {
          throw new IllegalStateException("for the test");
        });
    errands.run("guest", done::incrementAndGet);
    assertThat(done).hasValue(2);
  }
}
