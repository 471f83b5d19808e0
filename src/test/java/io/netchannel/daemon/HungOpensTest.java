package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.Timeouts;
import io.netchannel.device.DeviceOpener;
import io.netchannel.libvirt.HookReply;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointStatus;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Disks whose device does not open, or does so when nobody waits for it any more. */
@Timeout(180)
final class HungOpensTest {
  private static final Duration BOUND = Duration.ofSeconds(30);
  private static final String GUEST = "g1";
  private static final int DISKS = 10;

  /** As many of them as there are disks are a time that a test can tell from one. */
  private static final Duration TAKE_OVER = Duration.ofSeconds(5);

  private static final Duration READY = Duration.ofSeconds(5);

  @TempDir private Path directory;
  private final UUID uuid = UUID.fromString("11111111-2222-3333-4444-555555555555");
  private final HungOpens mountOfA = new HungOpens();
  private final HungOpens mountOfB = new HungOpens();
  private final DeviceOpener devicesOfA = new DeviceOpener(true, Map.of("hung", mountOfA));
  private final DeviceOpener devicesOfB = new DeviceOpener(true, Map.of("hung", mountOfB));
  private final List<Path> images = new ArrayList<>();
  private final StringBuilder metadata = new StringBuilder();
  private EmulatedHost hosta;
  private EmulatedHost hostb;

  @BeforeEach
  void start() throws Exception {
    for (int i = 0; i < DISKS; i++) {
      Path image = directory.resolve("disk" + i + ".raw");
      try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
        file.setLength(1 << 20);
      }
      images.add(image);
      metadata.append("<n:disk target='%s' source='hung:%s'/>".formatted(target(i), image));
    }
    startHosts(TAKE_OVER);
  }

  private void startHosts(Duration takeOver) throws Exception {
    hosta = host("hosta", devicesOfA, takeOver, "hostb");
    hostb = host("hostb", devicesOfB, takeOver, "hosta");
    hosta.startDaemon();
    hostb.startDaemon();
  }

  private EmulatedHost host(String name, DeviceOpener devices, Duration takeOver, String other) {
    return new EmulatedHost(
        name,
        directory,
        ImmutableMap.of(),
        devices,
        Timeouts.defaultsExcept(Map.of("take-over", takeOver)),
        new DaemonConfiguration.Waits(Duration.ofMinutes(10), READY, Duration.ofSeconds(10)),
        new DirectPeer(name, other, () -> (other.equals("hosta") ? hosta : hostb).peerService()));
  }

  @AfterEach
  void close() {
    mountOfA.close();
    mountOfB.close();
    hosta.close();
    hostb.close();
    devicesOfA.close();
    devicesOfB.close();
  }

  private static String target(int i) {
    return "xvd" + (char) ('b' + i);
  }

  private String xml(EmbeddedDomain domain) {
    return EmulatedHost.xml(GUEST, uuid, domain, metadata.toString());
  }

  private static void await(String what, Callable<Boolean> condition) throws Exception {
    long deadline = System.nanoTime() + BOUND.toNanos();
    while (!condition.call()) {
      assertThat(System.nanoTime()).as("waiting for: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  /** A guest at hosta, suspended, and its domain at hostb, restored and paused. */
  private EmbeddedDomain arrive() throws Exception {
    hosta.hookOk(GUEST, "start", "begin", xml(null));
    EmbeddedDomain source = hosta.createDomain(GUEST, uuid);
    hosta.hookOk(GUEST, "started", "begin", xml(source));
    source.unpause();
    hostb.hookOk(GUEST, "migrate", "begin", "");
    hostb.hookOk(GUEST, "start", "begin", xml(null));
    EmbeddedDomain destination = hostb.createDomain(GUEST, uuid);
    await("its disks at hostb", () -> hostb.daemon().midPoints().all().size() == DISKS);
    source.suspend();
    return destination;
  }

  private static List<MidPointStatus> statuses(EmulatedHost host) {
    return host.daemon().midPoints().all().stream().map(disk -> disk.midPoint().status()).toList();
  }

  private void assertBackAtA() throws Exception {
    assertThat(statuses(hosta)).hasSize(DISKS);
    await(
        "each disk goes on",
        () ->
            statuses(hosta).stream()
                .allMatch(
                    disk -> disk.state() == MidPoint.State.SERVING && disk.generation() == 3));
    assertThat(statuses(hostb)).noneMatch(disk -> disk.state() == MidPoint.State.SERVING);
  }

  private long openTimes() throws IOException {
    long times = 0;
    for (Path image : images) {
      times += HungOpens.openTimes(image);
    }
    return times;
  }

  @Test
  void aTakeOverThatHangsTakesOneBoundAndGivesTheDisksBack() throws Exception {
    images.forEach(mountOfB::hangs);
    EmbeddedDomain destination = arrive();
    long openAtA = openTimes();
    long begun = System.nanoTime();
    HookReply reply = hostb.hook(GUEST, "started", "begin", xml(destination));
    Duration taken = Duration.ofNanos(System.nanoTime() - begun);
    assertThat(mountOfB.hanging()).as("opened side by side").isEqualTo(DISKS);
    assertThat(taken).as("one bound, not one each").isLessThan(TAKE_OVER.multipliedBy(DISKS / 2));
    assertThat(reply.exitCode()).isEqualTo(1);
    assertThat(reply.message())
        .startsWith("netchannel: g1: hostb: migration ")
        .contains("failed in TAKE_OVER: taking over xvdb, taking over xvdc")
        .contains("; does its storage answer?")
        .contains("the disks are back at hosta with generation 3 of xvdb, 3 of xvdc")
        .doesNotContain("\n");
    assertBackAtA();
    assertThat(Json.objects(hostb.daemon().control().handle(Map.of("command", "migrations"))))
        .singleElement()
        .satisfies(
            migration ->
                assertThat(migration)
                    .containsEntry("state", "abort")
                    .doesNotContainKey("unfinished")
                    .extractingByKey("outcome")
                    .asString()
                    .contains("taking over xvdb", "does its storage answer?"));

    mountOfB.heal();
    await("every open has come back", () -> mountOfB.openedLate() == DISKS);
    await("and is closed", () -> openTimes() == openAtA);
    assertBackAtA();
    assertThat(hostb.daemon().midPoints().all())
        .as("nothing names what came late")
        .allMatch(disk -> disk.details().source().isEmpty());
  }

  @Test
  void theFirstDiskThatFailsEndsItWhileTheOthersHang() throws Exception {
    hosta.close();
    hostb.close();
    startHosts(Duration.ofSeconds(50)); // longer than this test may take
    images.forEach(mountOfB::hangs);
    mountOfB.fails(images.get(DISKS - 1));
    EmbeddedDomain destination = arrive();
    long begun = System.nanoTime();
    HookReply reply = hostb.hook(GUEST, "started", "begin", xml(destination));
    assertThat(Duration.ofNanos(System.nanoTime() - begun)).isLessThan(Duration.ofSeconds(40));
    assertThat(reply.message())
        .contains("taking over " + target(DISKS - 1) + ": ")
        .contains("Input/output error")
        .contains("the disks are back at hosta");
    assertBackAtA();
    // libvirt ends it here while the opens still hang.
    destination.destroy();
    hostb.hookOk(GUEST, "stopped", "end", xml(destination));
    await("no disk left at hostb", () -> hostb.daemon().midPoints().all().isEmpty());
    long openAtA = openTimes();
    mountOfB.heal();
    await("every open has come back", () -> mountOfB.openedLate() == DISKS - 1);
    await("and is closed", () -> openTimes() == openAtA);
    assertBackAtA();
  }

  @Test
  void aPlainStartThatHangsIsRefusedWithinItsBound() throws Exception {
    images.forEach(mountOfA::hangs);
    hosta.hookOk(GUEST, "start", "begin", xml(null));
    EmbeddedDomain domain = hosta.createDomain(GUEST, uuid);
    long begun = System.nanoTime();
    HookReply reply = hosta.hook(GUEST, "started", "begin", xml(domain));
    assertThat(Duration.ofNanos(System.nanoTime() - begun))
        .as("one bound, not one each")
        .isLessThan(READY.multipliedBy(DISKS / 2));
    assertThat(reply.exitCode()).isEqualTo(1);
    assertThat(reply.message())
        .contains("disk xvdb cannot be served", "not done within 5 s; does its storage answer?");
    domain.destroy();
    hosta.hookOk(GUEST, "stopped", "end", xml(domain));
    await("no disk left", () -> hosta.daemon().midPoints().all().isEmpty());
    mountOfA.heal();
    await("every open has come back", () -> mountOfA.openedLate() == DISKS);
    await("and is closed", () -> openTimes() == 0);
  }
}
