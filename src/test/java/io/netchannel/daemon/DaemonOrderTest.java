package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceOpener;
import io.netchannel.rehearsal.DaemonRehearsal;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/**
 * A whole daemon with peers and exports that comes back to a guest: what it begins in what order.
 */
@Timeout(120)
final class DaemonOrderTest {
  private static final UUID DOMAIN = new UUID(1, 2);

  @TempDir private Path directory;
  private final HungOpens mount = new HungOpens();
  private final ListAppender<ILoggingEvent> events = new ListAppender<>();
  private final Logger logger = (Logger) LoggerFactory.getLogger("io.netchannel");
  private Level level;
  private EmulatedHost xen;
  private EmbeddedDomain domain;
  private Path image;
  private DaemonConfiguration configuration;

  @BeforeEach
  void prepare() throws Exception {
    image = Files.write(directory.resolve("a.raw"), new byte[1 << 20]);
    Path pki = directory.resolve("pki");
    Path tls = directory.resolve("etc");
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    authority.init(pki);
    authority.host(pki, tls, "hosta");
    configuration =
        DaemonConfiguration.parse(
            "test.toml",
            """
            [daemon]
            name = "hosta"
            listen = "127.0.0.1:0"
            run-directory = "%1$s/run"
            state-directory = "%1$s/state"
            [[peer]]
            name = "hostb"
            address = "127.0.0.1:1"
            [tls]
            ca = "%2$s/CA/cacert.pem"
            server-certificate = "%2$s/libvirt/servercert.pem"
            server-key = "%2$s/libvirt/private/serverkey.pem"
            client-certificate = "%2$s/libvirt/clientcert.pem"
            client-key = "%2$s/libvirt/private/clientkey.pem"
            [server]
            listen = "127.0.0.1:0"
            [[export]]
            name = "a"
            path = "%1$s/a.raw"
            allow = ["hostb"]
            """
                .formatted(directory, tls));
    xen =
        new EmulatedHost(
            "hosta",
            directory,
            ImmutableMap.of(),
            new DeviceOpener(true, ImmutableMap.of("hung", mount)));
    domain = xen.createDomain("g1", DOMAIN);
    // What a busy machine takes longest to load; else it might go on before the disk was tried.
    new Transport("warm", 1).close();
    level = logger.getLevel();
    logger.setLevel(Level.INFO);
    events.start();
    logger.addAppender(events);
  }

  @AfterEach
  void close() {
    logger.detachAppender(events);
    logger.setLevel(level);
    mount.close();
    xen.close();
  }

  /** As a daemon that was killed does. */
  private void leave(String source) {
    DiskDetails details =
        new DiskDetails(
            new Guest("g1", DOMAIN, domain.domid()), "xvdb", false, Optional.of(source), 3);
    VbdNodes.publish(xen.store(), details.address(), details.nodes(), VbdLimits.DEFAULT);
  }

  private int line(String beginning) {
    List<String> lines =
        List.copyOf(events.list).stream().map(ILoggingEvent::getFormattedMessage).toList();
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).startsWith(beginning)) {
        return i;
      }
    }
    throw new AssertionError("no line \"" + beginning + "...\" in " + lines);
  }

  @Test
  void guestsHaveTheirDisksBeforeExportsPeersAndAllElseIsBegun() throws Exception {
    leave("netchannel+unix:///a?socket=" + directory.resolve("run/export.sock"));
    XenStore store = xen.hypervisor().xenStore(0);
    try (NetchannelDaemon daemon =
        NetchannelDaemon.open(
            configuration,
            opened ->
                new NetchannelDaemon.Xen(
                    store,
                    xen.hypervisor().grantTable(0),
                    xen.hypervisor().foreignMemory(),
                    xen.hypervisor().eventChannels(0),
                    xen.hypervisor().domainStates()),
            (known, host) -> {
              assertThat(host.midPoints().isServing(domain.domid(), "xvdb")).isTrue();
              assertThat(host.guestWaits()).isFalse();
              return () -> {};
            })) {
      assertThat(daemon).isNotNull();
      int again = line("served again ");
      assertThat(line("device server listens at " + directory))
          .as("what a guest of this host needs of the exports")
          .isLessThan(again);
      assertThat(line("device server listens at /127.0.0.1:"))
          .as("what guests of other hosts need of them")
          .isGreaterThan(again);
      assertThat(line("hosta: listening to peers")).isGreaterThan(again);
    }
  }

  /** Also later: the daemon is long ready when this guest waits. */
  @Test
  void aRehearsalBeginsWhenNoGuestWaits() throws Exception {
    Path stage = configuration.runDirectory().resolve("netchannel-rehearsal");
    Files.createDirectories(configuration.runDirectory());
    leave("hung:" + image);
    mount.hangs(image);
    Host host = xen.startDaemon();
    try (AutoCloseable rehearsal = DaemonRehearsal.beside(configuration, host)) {
      Waiting.until("it looks whether a guest waits", DaemonOrderTest::waitsForGuests);
      assertThat(stage).doesNotExist();
      mount.heal();
      Waiting.until("it begins", () -> Files.exists(stage));
      assertThat(host.guestWaits()).isFalse();
      assertThat(rehearsal).isNotNull();
    }
  }

  private static boolean waitsForGuests() {
    return Thread.getAllStackTraces().entrySet().stream()
        .filter(each -> each.getKey().getName().equals("rehearsal"))
        .filter(each -> each.getKey().getState() == Thread.State.TIMED_WAITING)
        .flatMap(each -> Arrays.stream(each.getValue()))
        .anyMatch(
            frame ->
                frame.getClassName().equals(DaemonRehearsal.class.getName())
                    && frame.getMethodName().equals("awaitFree"));
  }
}
