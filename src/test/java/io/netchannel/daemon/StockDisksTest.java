package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.coordinator.LocalDevices.Drained;
import io.netchannel.coordinator.LocalDevices.StockDisk;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Guests with blkfront on the embedded hypervisor, and time in the test's hand. */
final class StockDisksTest {
  private static final Duration BOUND = Duration.ofSeconds(20);
  private static final Path BROKEN = Path.of("/dev/broken");
  private static final BlkfrontOptions ONE_RING = BlkfrontOptions.DEFAULT;

  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final XenStore store = hypervisor.xenStore(0);
  private final Deque<Runnable> later = new ArrayDeque<>();
  private final List<Path> flushed = new ArrayList<>();
  private final EmbeddedDomain domain = hypervisor.createDomain();
  private final Guest guest = new Guest("g1", new UUID(1, 2), domain.domid());
  private final StockDisks disks = stockDisks(hypervisor.domainStates());
  private long nanos = 5;

  StockDisksTest() {
    String home = Guest.path(domain.domid());
    store.write(home + "/name", guest.name());
    store.write(home + "/vm", "/vm/" + guest.uuid());
    domain.unpause();
  }

  private StockDisks stockDisks(Domains domains) {
    return new StockDisks(
        new StockDisks.Environment(
            store,
            hypervisor.grantTable(0),
            domains,
            (delay, action) ->
                later.add(
                    () -> {
                      nanos += delay.toNanos();
                      action.run();
                    }),
            this::flush,
            () -> nanos),
        Runnable::run);
  }

  private void flush(Path storage) throws IOException {
    if (storage.equals(BROKEN)) {
      throw new IOException("Input/output error");
    }
    flushed.add(storage);
  }

  private StockGuest disk(String target, String type) {
    return new StockGuest(hypervisor, domain, target, type, 0);
  }

  private static StockDisk stock(String target, String type) {
    return new StockDisk(target, type);
  }

  private void pollOnce() {
    later.remove().run();
  }

  /** Whatever the outcome: nothing is looked at any more, and no page is mapped. */
  private void assertReleased(StockGuest... backends) {
    for (StockGuest backend : backends) {
      backend.close();
    }
    while (!later.isEmpty()) {
      pollOnce();
    }
    if (hypervisor.domains().contains(domain.domid())) {
      domain.destroy();
    }
    assertThat(hypervisor.zombies()).as("domains whose pages are mapped").isEmpty();
  }

  private static void assertFailed(
      CompletableFuture<?> drained, Class<? extends Exception> type, String... words) {
    assertThat(drained).isDone();
    assertThatThrownBy(drained::join)
        .isInstanceOf(CompletionException.class)
        .cause()
        .isInstanceOf(type)
        .hasMessageContainingAll(words);
  }

  @Test
  void theDisksOfOthersAreFound() {
    disk("xvdb", "qdisk");
    disk("xvda", "vbd");
    disk("xvdc", "netchannel");
    assertThat(disks.of(guest)).containsExactly(stock("xvda", "vbd"), stock("xvdb", "qdisk"));
    assertThat(disks.hasConnected(guest)).isFalse();
    disk("xvdd", "vbd").connect(ONE_RING);
    assertThat(disks.hasConnected(guest)).isTrue();
  }

  @Test
  void whatIsAnsweredIsBroughtToTheStorage() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    StockGuest xvdb = disk("xvdb", "qdisk").connect(ONE_RING);
    disk("xvdc", "vbd"); // not connected
    store.write(xvda.backend + "/params", "/dev/loop7");
    store.write(xvdb.backend + "/params", "aio:/srv/data.raw");
    xvda.request(1);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    assertThat(flushed).as("before all is answered").isEmpty();
    xvda.answerOne();
    pollOnce();
    assertThat(drained).isCompleted();
    assertThat(flushed).containsExactly(Path.of("/dev/loop7"), Path.of("/srv/data.raw"));
    assertReleased(xvda, xvdb);
  }

  @Test
  void blkbackOnABlockDeviceHasNothingToFlush() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    store.write(xvda.backend + "/params", "/dev/null"); // a device that is no loop device
    domain.suspend();
    assertThat(disks.drain(guest, BOUND)).isCompleted();
    assertThat(flushed).isEmpty();
    assertReleased(xvda);
  }

  @Test
  void storageThatCannotBeFlushedFailsTheDrain() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    store.write(xvda.backend + "/params", BROKEN.toString());
    domain.suspend();
    assertFailed(
        disks.drain(guest, BOUND),
        IllegalStateException.class,
        "xvda (vbd)",
        BROKEN.toString(),
        "cannot be flushed",
        "Input/output error");
    assertReleased(xvda);
  }

  @Test
  void aGuestWithoutDisksHasNothingToWaitFor() {
    assertThat(disks.of(guest)).isEmpty();
    assertThat(disks.drain(guest, BOUND)).isCompletedWithValue(List.of());
  }

  @ParameterizedTest
  @CsvSource({"1, 0, 17", "1, 2, 100", "4, 0, 97", "3, 1, 150"})
  void isAtRestWhenEveryRingIs(int queues, int order, int requests) {
    StockGuest xvda =
        disk("xvda", "vbd").connect(ONE_RING.withQueues(queues).withRingPageOrder(order));
    xvda.request(requests);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    int polls = 0;
    while (!drained.isDone()) {
      xvda.answerOne();
      pollOnce();
      polls++;
    }
    int deepest = (requests + queues - 1) / queues;
    assertThat(polls).isEqualTo(deepest);
    assertThat(drained)
        .isCompletedWithValue(
            List.of(new Drained(stock("xvda", "vbd"), requests, Drain.POLL.multipliedBy(deepest))));
    assertReleased(xvda);
  }

  @Test
  void eachDiskIsTimedByItself() {
    StockGuest xvdb = disk("xvdb", "qdisk").connect(ONE_RING);
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    StockGuest xvdc = disk("xvdc", "vbd").connect(ONE_RING);
    xvda.request(3);
    xvdb.request(5);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    xvdb.answerAll();
    pollOnce();
    assertThat(drained).isNotDone();
    pollOnce();
    xvda.answerAll();
    pollOnce();
    assertThat(drained)
        .isCompletedWithValue(
            List.of(
                new Drained(stock("xvda", "vbd"), 3, Drain.POLL.multipliedBy(3)),
                new Drained(stock("xvdb", "qdisk"), 5, Drain.POLL),
                new Drained(stock("xvdc", "vbd"), 0, Duration.ZERO)));
    assertReleased(xvda, xvdb, xvdc);
  }

  @Test
  void aBackendThatNeverAnswersIsNotWaitedForForEver() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    StockGuest xvdb = disk("xvdb", "qdisk").connect(ONE_RING);
    xvda.request(16);
    xvdb.request(1);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    xvdb.answerAll();
    while (!drained.isDone()) {
      assertThat(nanos).isLessThanOrEqualTo(BOUND.toNanos() + Drain.POLL.toNanos());
      pollOnce();
    }
    assertThat(nanos).isGreaterThanOrEqualTo(BOUND.toNanos());
    assertFailed(
        drained, TimeoutException.class, "g1", "xvda (vbd): 16 requests unanswered", "20.0 s");
    assertThatThrownBy(drained::join).message().doesNotContain("xvdb");
    assertReleased(xvda, xvdb);
  }

  @Test
  void disksThatAreNotConnectedHaveNothing() {
    disk("xvda", "vbd"); // and its guest has no driver for it, or it is an empty CD-ROM
    store.write(Guest.path(domain.domid()) + "/device/vbd/5632/state", "1");
    domain.suspend();
    assertThat(disks.drain(guest, BOUND))
        .isCompletedWithValue(List.of(new Drained(stock("xvda", "vbd"), 0, Duration.ZERO)));
    assertReleased();
  }

  @Test
  void aDriverDomainsRingsAreNotOursToReadAndHoldUpNothing() {
    int driver = hypervisor.createDomain().domid();
    StockGuest far = new StockGuest(hypervisor, domain, "xvda", "vbd", driver);
    store.write(far.frontend + "/state", "4");
    StockGuest near = disk("xvdb", "vbd").connect(ONE_RING);
    near.request(1);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    near.answerAll();
    pollOnce();
    assertThat(drained)
        .isCompletedWithValue(
            List.of(
                new Drained(
                    stock("xvda", "vbd of domain %d, not looked at".formatted(driver)),
                    0,
                    Duration.ZERO),
                new Drained(stock("xvdb", "vbd"), 1, Drain.POLL)));
    assertReleased(near);
  }

  @ParameterizedTest
  @CsvSource({"33", "-1", "1000000", "-2147483648"})
  void indexesThatCannotBeAreAnErrorAndNoEndlessWait(int ahead) {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    assertThat(xvda.slots()).isEqualTo(32);
    xvda.index(SharedRing.REQ_PROD_OFFSET, xvda.index(SharedRing.RSP_PROD_OFFSET) + ahead);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    assertFailed(drained, IllegalStateException.class, "g1", "xvda (vbd)", "req_prod", "32 slots");
    assertThat(later).isEmpty();
    assertReleased(xvda);
  }

  @Test
  void indexesMayWrap() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    xvda.index(SharedRing.RSP_PROD_OFFSET, -5);
    xvda.index(SharedRing.REQ_PROD_OFFSET, 4);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    assertThat(drained).isNotDone();
    xvda.answerAll();
    pollOnce();
    assertThat(drained.join().get(0).unanswered()).isEqualTo(9);
    assertReleased(xvda);
  }

  @ParameterizedTest
  @CsvSource({
    "ring-ref, 77777, cannot map",
    "ring-ref, x, expected a number",
    "ring-page-order, 5, expected 0 to 4",
    "ring-page-order, 4294967295, expected 0 to 4",
    "multi-queue-num-queues, 0, expected 1 to 256",
    "multi-queue-num-queues, 257, expected 1 to 256",
    "multi-queue-num-queues, 4294967295, expected 1 to 256",
    "multi-queue-num-queues, 2, names no ring"
  })
  void nodesThatLieAreAnErrorInWords(String node, String value, String words) {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    store.write(xvda.frontend + "/" + node, value);
    domain.suspend();
    assertFailed(disks.drain(guest, BOUND), IllegalStateException.class, "g1", "xvda (vbd)", words);
    assertReleased(xvda);
  }

  @Test
  void aRingThatFailsLeavesNoOtherMapped() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING.withQueues(3));
    StockGuest xvdb = disk("xvdb", "vbd").connect(ONE_RING);
    store.remove(xvda.frontend + "/queue-2/ring-ref");
    domain.suspend();
    assertFailed(
        disks.drain(guest, BOUND), IllegalStateException.class, "queue-2", "names no ring");
    assertReleased(xvda, xvdb);
  }

  @Test
  void aBackendPathOfAnotherDomainIsNoDiskOfThisOne() {
    StockGuest xvda = disk("xvda", "vbd");
    for (String path :
        List.of(
            "/local/domain/0/backend/vbd/99/51712",
            "/local/domain/0/backend/vbd",
            "../../../vm",
            "")) {
      store.write(xvda.frontend + "/backend", path);
      assertThat(disks.of(guest)).as(path).isEmpty();
    }
  }

  @Test
  void aNameThatWouldForgeALineIsNotTaken() {
    StockGuest xvda = disk("xvda", "vbd");
    store.write(xvda.backend + "/dev", "xvda\n12:00 ERROR all is lost");
    assertThat(disks.of(guest)).containsExactly(stock("vbd-51712", "vbd"));
    store.remove(xvda.backend + "/dev");
    assertThat(disks.of(guest)).containsExactly(stock("vbd-51712", "vbd"));
  }

  @Test
  void aDomainThatGoesMeanwhileEndsTheWait() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    xvda.request(2);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    xvda.close();
    domain.destroy();
    store.remove(Guest.path(domain.domid()));
    assertThat(hypervisor.zombies()).as("our mapping").containsExactly(domain.domid());
    pollOnce();
    assertFailed(drained, IllegalStateException.class, "g1", "ended meanwhile");
    assertReleased();
  }

  @Test
  void aGuestThatGoesOnIsNotAtRestWhateverItsRingsSay() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    xvda.request(2);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    domain.resume();
    xvda.answerAll();
    pollOnce();
    assertFailed(drained, IllegalStateException.class, "g1", "not suspended");
    assertReleased(xvda);
  }

  @Test
  void whereTheHypervisorCannotTellTheRingsStillDo() {
    Domains blind =
        new Domains() {
          @Override
          public boolean canTell() {
            return false;
          }

          @Override
          public State state(int domid) {
            return State.UNKNOWN;
          }

          @Override
          public void close() {}
        };
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    xvda.request(2);
    domain.suspend();
    StockDisks unaided = stockDisks(blind);
    CompletableFuture<List<Drained>> drained = unaided.drain(guest, BOUND);
    CompletableFuture<List<Drained>> interrupted = unaided.drain(guest, BOUND);
    assertThat(drained).isNotDone();
    xvda.answerAll();
    pollOnce();
    assertThat(drained).isCompleted();
    store.remove(Guest.path(domain.domid()));
    xvda.index(SharedRing.RSP_PROD_OFFSET, 0);
    pollOnce();
    assertFailed(interrupted, IllegalStateException.class, "gone meanwhile");
    assertReleased(xvda);
  }

  @Test
  void cancellingLetsGoAtOnce() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    xvda.request(2);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    drained.cancel(false);
    xvda.close();
    domain.destroy();
    assertThat(hypervisor.zombies()).isEmpty();
    assertThatThrownBy(drained::join).isInstanceOf(CancellationException.class);
    assertReleased();
  }

  @Test
  void theEndOfTheDaemonLetsGo() {
    StockGuest xvda = disk("xvda", "vbd").connect(ONE_RING);
    xvda.request(2);
    domain.suspend();
    CompletableFuture<List<Drained>> drained = disks.drain(guest, BOUND);
    disks.close();
    disks.close();
    assertFailed(drained, IllegalStateException.class, "the daemon is ending");
    xvda.close();
    domain.destroy();
    assertThat(hypervisor.zombies()).isEmpty();
    assertReleased();
  }
}
