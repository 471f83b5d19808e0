package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceOpener;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** A daemon that comes back to a guest with two disks, the storage of one of which hangs. */
@Timeout(120)
final class ServedAgainTest {
  private static final UUID DOMAIN = new UUID(1, 2);

  @TempDir private Path directory;
  private final HungOpens mount = new HungOpens();
  private final ListAppender<ILoggingEvent> events = new ListAppender<>();
  private final Logger logger = (Logger) LoggerFactory.getLogger(ServedAgain.class);
  private Level level;
  private EmulatedHost host;
  private EmbeddedDomain domain;
  private Path good;
  private Path bad;

  @BeforeEach
  void leaveDisks() throws Exception {
    good = Files.write(directory.resolve("good.raw"), new byte[1 << 20]);
    bad = Files.write(directory.resolve("bad.raw"), new byte[1 << 20]);
    host =
        new EmulatedHost(
            "hosta",
            directory,
            ImmutableMap.of(),
            new DeviceOpener(true, ImmutableMap.of("hung", mount)));
    domain = host.createDomain("g1", DOMAIN);
    leave("xvdb", bad);
    leave("xvdc", good);
    level = logger.getLevel();
    logger.setLevel(Level.INFO);
    events.start();
    logger.addAppender(events);
  }

  /** As a daemon that was killed does. */
  private void leave(String target, Path image) {
    DiskDetails details =
        new DiskDetails(
            new Guest("g1", DOMAIN, domain.domid()),
            target,
            false,
            Optional.of("hung:" + image),
            3);
    VbdNodes.publish(host.store(), details.address(), details.nodes(), VbdLimits.DEFAULT);
  }

  @AfterEach
  void close() {
    logger.detachAppender(events);
    logger.setLevel(level);
    mount.close();
    host.close();
  }

  /** A slow machine may have gone on without it, too. */
  private void awaitTheGoodOne() {
    Waiting.until(
        "one disk is told as served",
        () ->
            host.daemon()
                .servedAgain()
                .progress()
                .filter(progress -> progress.served() == 1)
                .isPresent());
    assertThat(host.daemon().midPoints().isServing(domain.domid(), "xvdc")).isTrue();
  }

  private Object servedAgain() throws ControlException {
    return Json.object(host.daemon().control().handle(Map.of("command", "status")))
        .get("servedAgain");
  }

  /** Not that the daemon goes on without a disk. */
  private List<String> told() {
    return List.copyOf(events.list).stream()
        .filter(event -> event.getLevel() == Level.INFO)
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }

  @Test
  void aDiskWhoseStorageHangsHoldsUpNeitherTheOthersNorTheDaemon() throws Exception {
    mount.hangs(bad);
    host.startDaemon();
    awaitTheGoodOne();
    assertThat(host.daemon().midPoints().isServing(domain.domid(), "xvdb")).isFalse();
    assertThat(host.daemon().guestWaits()).isTrue();
    assertThat(Json.object(servedAgain())).containsEntry("devices", 1).containsEntry("of", 2);
    assertThat(told()).isEmpty();
    host.hookOk("g2", "start", "begin", EmulatedHost.xml("g2", new UUID(1, 3), null, ""));

    mount.heal();
    Waiting.until("the other disk is served", () -> !host.daemon().guestWaits());
    Waiting.until("all are told", () -> !told().isEmpty());
    assertThat(told()).singleElement().asString().matches("served again \\d+ ms .*: 2 devices");
    Map<String, Object> all = Json.object(servedAgain());
    assertThat(all).containsEntry("devices", 2).containsEntry("of", 2);
    assertThat((Long) all.get("millis")).isNotNegative();
  }

  @Test
  void aDiskWhoseGuestGoesMeanwhileIsNotWaitedFor() throws Exception {
    mount.hangs(bad);
    host.startDaemon();
    awaitTheGoodOne();
    // Before its node goes: who watches that removes it as well.
    ServedDisk waiting = host.daemon().midPoints().find(domain.domid(), "xvdb").orElseThrow();
    host.store().remove("/local/domain/" + domain.domid() + "/device/vbd/51728");
    host.daemon().midPoints().remove(waiting);
    assertThat(told()).singleElement().asString().endsWith(": 1 devices");
    assertThat(Json.object(servedAgain())).containsEntry("of", 1);
  }

  @Test
  void aDaemonThatFindsNothingSaysNothing() throws Exception {
    host.store().remove("/local/domain/0/backend/netchannel");
    host.startDaemon();
    assertThat(servedAgain()).isNull();
    assertThat(told()).isEmpty();
    assertThat(host.daemon().guestWaits()).isFalse();
  }
}
