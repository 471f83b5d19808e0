package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.Standing;
import io.netchannel.coordinator.Standing.State;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A disk whose device cannot be opened, with time in the test's hand. */
@Timeout(60)
final class DiskRecoveryTest {
  private static final UUID DOMAIN = new UUID(1, 2);
  private static final long CLAIMED = 42;

  @TempDir private Path directory;
  private final DeviceOpener opener = new DeviceOpener();
  private final List<Long> delaysSeconds = new ArrayList<>();
  private final Deque<Runnable> later = new ArrayDeque<>();
  private final AtomicLong nanos = new AtomicLong();
  private final ServedAgain servedAgain = new ServedAgain(nanos::get, 0);
  private Standing standing = new Standing(State.SERVES, 3);
  private Optional<HungStorage> smaller = Optional.empty();
  private boolean broken = true;
  private Path image;
  private int domid;
  private EmulatedHost host;
  private ServedDisk disk;
  private DiskRecovery recovery;

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    host = new EmulatedHost("hosta", directory, ImmutableMap.of());
    host.startDaemon();
    domid = host.createDomain("g1", DOMAIN).domid();
    disk = host.daemon().midPoints().adopt(publish("xvdb"));
    recovery =
        new DiskRecovery(
            this::open,
            NO_JOBS,
            (domain, target) -> standing,
            (domain, target, known) -> CLAIMED,
            (delay, action) -> {
              delaysSeconds.add(delay.toSeconds());
              later.add(action);
            },
            servedAgain);
  }

  private static final DiskRecovery.Jobs NO_JOBS =
      new DiskRecovery.Jobs() {
        @Override
        public String source(ServedDisk disk, String noted) {
          return noted;
        }

        @Override
        public Device opened(ServedDisk disk, String source, Device device) {
          return device;
        }

        @Override
        public void recovered(ServedDisk disk) {}
      };

  private DiskDetails publish(String target) {
    DiskDetails details =
        new DiskDetails(
            new Guest("g1", DOMAIN, domid), target, false, Optional.of("file:" + image), 3);
    VbdNodes.publish(host.store(), details.address(), details.nodes(), VbdLimits.DEFAULT);
    return details;
  }

  /** As a daemon before has left it. */
  private DiskDetails publishWith2Mib(String target) {
    DiskDetails details = publish(target);
    ImmutableMap.of(
            "sectors", "4096",
            "sector-size", "512",
            "physical-sector-size", "512",
            "info", "0",
            "feature-flush-cache", "1",
            "feature-discard", "0")
        .forEach(
            (node, value) ->
                host.store().write(details.address().backendPath() + "/" + node, value));
    return details;
  }

  @AfterEach
  void close() {
    host.close();
    opener.close();
  }

  private Device open(String source, OpenOptions options) throws DeviceException {
    if (smaller.isPresent()) {
      return smaller.get().open("later", options);
    }
    if (broken) {
      throw new DeviceException("not mounted");
    }
    return opener.open(source, options);
  }

  private void timePasses() {
    later.remove().run();
  }

  @Test
  void itIsTriedAgainUntilItOpens() {
    recovery.recover(disk);
    assertThat(disk.problem()).contains("not mounted");
    for (int i = 0; i < 7; i++) {
      timePasses();
    }
    assertThat(delaysSeconds).containsExactly(1L, 2L, 4L, 8L, 16L, 30L, 30L, 30L);
    assertThat(disk.isExpecting()).isTrue();
    broken = false;
    timePasses();
    assertThat(later).isEmpty();
    assertThat(disk.problem()).isEmpty();
    assertThat(disk.midPoint().status().state()).isEqualTo(MidPoint.State.SERVING);
    assertThat(disk.midPoint().status().generation()).isEqualTo(3);
  }

  @Test
  void itGetsTheStandingOfTheMomentAtWhichItOpens() {
    standing = new Standing(State.SEALED, 3);
    recovery.recover(disk);
    standing = new Standing(State.SERVES, 5);
    host.daemon().devices().unseal(DOMAIN, "xvdb", 5).join();
    broken = false;
    timePasses();
    assertThat(disk.midPoint().status().state()).isEqualTo(MidPoint.State.SERVING);
    assertThat(disk.details().generation()).isEqualTo(5);
  }

  @Test
  void anUnknownOneClaimsAGeneration() {
    standing = new Standing(State.UNKNOWN, 0);
    recovery.recover(disk);
    broken = false;
    timePasses();
    assertThat(disk.midPoint().status().generation()).isEqualTo(CLAIMED);
  }

  @Test
  void oneThatHasShrunkIsNotGivenToTheGuest() throws Exception {
    DiskDetails details = publishWith2Mib("xvdc");
    ServedDisk shrunk = host.daemon().midPoints().adopt(details);
    broken = false;
    recovery.recover(shrunk);
    assertThat(shrunk.problem().orElseThrow())
        .endsWith(
            "disk.raw is smaller: expected the 2097152 bytes that the guest was told, found"
                + " 1048576; give it its size back");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(2 << 20);
    }
    timePasses();
    assertThat(shrunk.problem()).isEmpty();
    assertThat(shrunk.isServing()).isTrue();
  }

  /** A server would give it to another one, and forget what writes it has lost. */
  @Test
  void oneThatIsNotRecoveredKeepsItsPlaceAtItsServer() {
    HungStorage server = new HungStorage();
    smaller = Optional.of(server);
    ServedDisk shrunk = host.daemon().midPoints().adopt(publishWith2Mib("xvdc"));
    recovery.recover(shrunk);
    assertThat(shrunk.problem().orElseThrow()).contains("is smaller");
    assertThat(server.keptPlaces()).isEqualTo(1);
  }

  @Test
  void whatIsRetiredMeanwhileIsLeftAlone() {
    recovery.recover(disk);
    host.daemon().devices().retire(DOMAIN, "xvdb").join();
    broken = false;
    timePasses();
    assertThat(later).isEmpty();
    assertThat(disk.problem()).isEmpty();
    assertThat(disk.midPoint().status().state()).isEqualTo(MidPoint.State.RETIRED);
  }

  @Test
  void itIsOursButCannotMove() {
    recovery.recover(disk);
    LocalDevices devices = host.daemon().devices();
    assertThat(devices.domainsNamed("g1")).containsExactly(DOMAIN);
    assertThat(devices.devicesOf(DOMAIN)).hasSize(1);
    assertThat(devices.seal(DOMAIN, "xvdb", Duration.ofSeconds(1), 0, known -> {}))
        .failsWithin(Duration.ZERO)
        .withThrowableThat()
        .withMessageContaining("not mounted");
  }
}
