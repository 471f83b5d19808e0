package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import io.netchannel.xen.Waiting;
import java.io.IOException;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.libvirt.Connect;
import org.libvirt.Domain;

/** Against the real libvirt.so.0, whose test driver runs in this process without libvirtd. */
@Timeout(60)
final class LibvirtEventsTest {
  private static final String TEST_URI = "test:///default";
  private static final UUID ID = UUID.fromString("7a2bd0a5-6b4c-4f7f-9d0c-8a6a5f1d2c3b");

  private static final String DOMAIN =
      """
      <domain type='test'>
        <name>netchannel-events</name>
        <uuid>%s</uuid>
        <metadata>
          <netchannel:devices xmlns:netchannel='https://netchannel.io/domain/1'>
            <netchannel:disk target='xvdb' source='file:/dev/vdb'/>
          </netchannel:devices>
        </metadata>
        <memory unit='MiB'>64</memory>
        <os><type>hvm</type></os>
      </domain>
      """
          .formatted(ID);

  private final LinkedBlockingQueue<String> heard = new LinkedBlockingQueue<>();

  @BeforeAll
  static void needsLibvirt() {
    boolean present;
    try (NativeLibrary library = NativeLibrary.getInstance("virt")) {
      present = library != null;
    } catch (UnsatisfiedLinkError e) {
      present = false;
    }
    assumeTrue(present, "libvirt.so.0 is not on this machine (apt install libvirt0)");
    assertThat(Native.VERSION).isNotEmpty();
  }

  @Test
  void hearsOfADomainsLifeAndReadsItsXml() throws Exception {
    try (LibvirtEvents events = LibvirtEvents.start(TEST_URI, listener())) {
      assertThat(events).isNotNull();
      assertThat(next()).isEqualTo("connected");
      Connect connection = new Connect(TEST_URI);
      Domain domain = connection.domainDefineXML(DOMAIN);
      assertThat(next()).isEqualTo("DEFINED netchannel-events " + ID);

      DomainDevices devices =
          DomainXmlParser.parse(new LibvirtDomains(TEST_URI).xml("netchannel-events"));
      assertThat(devices.uuid()).isEqualTo(ID);
      assertThat(devices.disks())
          .containsExactly(new DomainDevices.Disk("xvdb", "file:/dev/vdb", false));

      domain.create();
      assertThat(next()).isEqualTo("STARTED netchannel-events " + ID);
      domain.suspend();
      assertThat(next()).isEqualTo("SUSPENDED netchannel-events " + ID);
      domain.resume();
      assertThat(next()).isEqualTo("RESUMED netchannel-events " + ID);
      domain.destroy();
      assertThat(next()).isEqualTo("STOPPED netchannel-events " + ID);
      domain.undefine();
      assertThat(next()).isEqualTo("UNDEFINED netchannel-events " + ID);
      connection.close();
    }
  }

  @Test
  void whatFailsInsideIsTriedAgain() throws Exception {
    AtomicInteger failures = new AtomicInteger(2);
    LibvirtEvents.Listener brittle =
        new LibvirtEvents.Listener() {
          @Override
          public void onEvent(DomainEvent event) {}

          @Override
          public void connected() {
            switch (failures.getAndDecrement()) {
              case 2 -> throw new IllegalStateException("of a test");
              case 1 -> throw new NoClassDefFoundError("of a test");
              default -> heard.add("connected");
            }
          }
        };
    try (LibvirtEvents events = LibvirtEvents.start(TEST_URI, brittle, Duration.ofMillis(1))) {
      assertThat(events).isNotNull();
      assertThat(next()).isEqualTo("connected");
    }
  }

  @Test
  void pausesBeforeItTriesAgainAndEndsInAPause() {
    AtomicInteger calls = new AtomicInteger();
    LibvirtEvents.Listener failing =
        new LibvirtEvents.Listener() {
          @Override
          public void onEvent(DomainEvent event) {}

          @Override
          public void connected() {
            calls.incrementAndGet();
            throw new IllegalStateException("of a test");
          }
        };
    try (LibvirtEvents events =
        LibvirtEvents.start(TEST_URI, failing, LibvirtEvents.LONGEST_PAUSE)) {
      assertThat(events).isNotNull();
      Waiting.until("it pauses", () -> calls.get() > 0 && pauses());
      assertThat(calls).hasValue(1);
    }
  }

  private static boolean pauses() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("libvirt-connection"))
        .anyMatch(thread -> thread.getState() == Thread.State.TIMED_WAITING);
  }

  @Test
  void keepsTryingWhileLibvirtIsAbsentAndEndsWhenAsked() {
    // No libvirtd has a socket there; each attempt fails at once.
    LibvirtEvents events =
        LibvirtEvents.start(
            "xen+unix:///system?socket=/nonexistent/libvirt-sock",
            listener(),
            Duration.ofMillis(1));
    events.close();
    events.close();
    assertThat(heard).isEmpty();
  }

  @Test
  void saysThatThereIsNoSuchDomain() {
    assertThatThrownBy(() -> new LibvirtDomains(TEST_URI).xml("nobody"))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("nobody");
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
    return heard.poll(30, TimeUnit.SECONDS);
  }
}
