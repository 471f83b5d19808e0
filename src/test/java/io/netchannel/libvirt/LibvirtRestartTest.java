package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.libvirt.Connect;
import org.libvirt.Domain;
import org.libvirt.LibvirtException;

/** A real libvirtd of the test's own, serving the test driver, which comes late and is killed. */
@Timeout(120)
final class LibvirtRestartTest {
  private static final Path LIBVIRTD = Path.of("/usr/sbin/libvirtd");
  private static final UUID ID = UUID.fromString("0c1de1a4-5f0b-4e2f-a6b1-5d3f2a7c9e10");
  private static final String DOMAIN =
      """
      <domain type='test'>
        <name>restarted</name><uuid>%s</uuid>
        <memory unit='MiB'>64</memory><os><type>hvm</type></os>
      </domain>
      """
          .formatted(ID);

  @TempDir Path directory;
  private final LinkedBlockingQueue<String> heard = new LinkedBlockingQueue<>();
  private Process libvirtd;

  @AfterEach
  void end() throws InterruptedException {
    if (libvirtd != null) {
      libvirtd.destroyForcibly().waitFor();
    }
  }

  @Test
  void connectsWhenLibvirtdComesAndAgainAfterItWasKilled() throws Exception {
    assumeTrue(Files.isExecutable(LIBVIRTD), "no libvirtd here (apt install libvirt-daemon)");
    assumeTrue("root".equals(System.getProperty("user.name")), "libvirtd as a system needs root");
    try (LibvirtEvents events = LibvirtEvents.start(uri(), listener(), Duration.ofMillis(1))) {
      assertThat(events).isNotNull();
      for (int run = 0; run < 2; run++) {
        startLibvirtd();
        assertThat(next()).isEqualTo("connected");
        defineDomain();
        assertThat(next()).as("run %d", run).isEqualTo("DEFINED restarted " + ID);
        libvirtd.destroyForcibly().waitFor(); // SIGKILL
      }
    }
  }

  private LibvirtEvents.Listener listener() {
    return new LibvirtEvents.Listener() {
      @Override
      public void onEvent(DomainEvent event) {
        heard.add("%s %s %s".formatted(event.kind(), event.domain(), event.uuid()));
      }

      @Override
      public void connected() {
        heard.add("connected");
      }
    };
  }

  private String next() throws InterruptedException {
    return heard.poll(50, TimeUnit.SECONDS);
  }

  private String uri() {
    return "test+unix:///default?socket=" + directory.resolve("libvirt-sock");
  }

  /** Without any driver module: the test driver is built in, the others need their hypervisors. */
  private void startLibvirtd() throws IOException {
    Path configuration = directory.resolve("libvirtd.conf");
    Files.writeString(
        configuration,
        """
        unix_sock_dir = "%s"
        auth_unix_rw = "none"
        auth_unix_ro = "none"
        """
            .formatted(directory));
    Path modules = Files.createDirectories(directory.resolve("modules"));
    ProcessBuilder builder =
        new ProcessBuilder(
                LIBVIRTD.toString(),
                "--config",
                configuration.toString(),
                "--pid-file",
                directory.resolve("pid").toString())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("libvirtd.log").toFile());
    builder.environment().put("LIBVIRT_DRIVER_DIR", modules.toString());
    libvirtd = builder.start();
  }

  private void defineDomain() throws LibvirtException {
    Connect connection = new Connect(uri());
    try {
      Domain domain = connection.domainDefineXML(DOMAIN);
      assertThat(domain.getName()).isEqualTo("restarted");
    } finally {
      connection.close();
    }
  }
}
