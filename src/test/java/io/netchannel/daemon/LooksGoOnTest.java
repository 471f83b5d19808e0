package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.LocalDevices.Drained;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerService;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A whole host of which one guest was given to a peer that takes calls and answers none: the looks
 * at another guest's rings go on, every few milliseconds, while it stands still.
 */
@Timeout(120)
final class LooksGoOnTest {
  private static final Duration BOUND = Duration.ofSeconds(30);

  @TempDir private Path directory;
  private final CountDownLatch asked = new CountDownLatch(1);
  private final CountDownLatch released = new CountDownLatch(1);
  private volatile boolean isSilent;
  private EmulatedHost hosta;

  @AfterEach
  void close() {
    released.countDown();
    hosta.close();
  }

  /** It is down, and then takes calls and answers none until the end of the test. */
  private PeerService silence() {
    if (!isSilent) {
      return null;
    }
    asked.countDown();
    try {
      released.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return null;
  }

  private static void await(String what, BooleanSupplier condition) {
    long begun = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime() - begun).as("waiting for: " + what).isLessThan(BOUND.toNanos());
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  private EmbeddedDomain start(String name, UUID uuid, String devices) {
    hosta.hookOk(name, "start", "begin", EmulatedHost.xml(name, uuid, null, devices));
    EmbeddedDomain domain = hosta.createDomain(name, uuid);
    domain.unpause();
    return domain;
  }

  /** Up to the moment from which only hostc can say who has the disk. */
  private void giveToSilentPeer() throws Exception {
    UUID uuid = new UUID(3, 3);
    Path image = directory.resolve("held.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    String disk = "<n:disk target='xvdb' source='file:" + image + "'/>";
    EmbeddedDomain held = start("held", uuid, disk);
    hosta.hookOk("held", "started", "begin", EmulatedHost.xml("held", uuid, held, disk));
    PeerService service = hosta.peerService();
    ServedDomain served = service.describe("held").get(0);
    UUID id = UUID.randomUUID();
    service.prepare("hostc", new PeerMessages.Prepare(id, "held", uuid, served.devices(), 0));
    held.suspend();
    SealedDevice sealed = service.seal("hostc", id).get(0);
    isSilent = true;
    service.takeOver(
        "hostc",
        id,
        List.of(
            new PeerMessages.Claim(
                "xvdb", served.devices().get(0).generation() + 1, sealed.manifestCrc32c())));
    assertThat(asked.await(BOUND.toSeconds(), TimeUnit.SECONDS)).as("hostc is asked").isTrue();
  }

  @Test
  void looksGoOnWhileAPeerIsSilent() throws Exception {
    hosta =
        new EmulatedHost(
            "hosta", directory, ImmutableMap.of(), new DirectPeer("hosta", "hostc", this::silence));
    hosta.startDaemon();
    UUID uuid = new UUID(4, 4);
    EmbeddedDomain domain = start("other", uuid, "");
    StockGuest stock =
        new StockGuest(hosta.hypervisor(), domain, "xvdc", "vbd", 0)
            .connect(BlkfrontOptions.DEFAULT);
    stock.request(2);
    giveToSilentPeer();
    CompletableFuture<Void> suspended = hosta.daemon().devices().whenSuspended(uuid);
    awaitLooks("polls for its suspend", domain, 3);
    domain.suspend();
    suspended.get(BOUND.toSeconds(), TimeUnit.SECONDS);
    CompletableFuture<List<Drained>> drained = hosta.daemon().devices().drain(uuid, BOUND);
    // What it sees at its first looks is not all: only a later one can find the rings at rest.
    awaitLooks("looks at its rings", domain, 3);
    assertThat(drained).isNotDone();
    stock.answerAll();
    assertThat(drained.get(BOUND.toSeconds(), TimeUnit.SECONDS))
        .singleElement()
        .satisfies(disk -> assertThat(disk.unanswered()).isEqualTo(2));
    stock.close();
  }

  /** After each look at rings, and for each poll, the state of the domain is asked for. */
  private void awaitLooks(String what, EmbeddedDomain domain, int more) {
    int before = hosta.looksAt(domain);
    await(what, () -> hosta.looksAt(domain) >= before + more);
  }
}
