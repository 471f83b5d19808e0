package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.containers.ContainerHost.Xen;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** USB devices that hostb's netchanneld exports, in software, and what hosta does with them. */
final class RemoteUsbIT {
  private static final String EXPORTS =
      """
      [[export]]
      name = "keyboard"
      usb = "usb-soft:keyboard,every=20ms"
      allow = ["hosta"]
      [[export]]
      name = "serial"
      usb = "usb-soft:serial,every=10ms"
      allow = ["hosta"]
      [[export]]
      name = "stick"
      usb = "usb-soft:stick,source=file:/srv/stick.raw"
      allow = ["hosta"]
      """;

  private static final Path CERTIFICATES = Path.of("/etc/pki");

  /** More than are answered while a connection is made. */
  private static final long BUSY_TRANSFERS = 50;

  /** Longer than a busy machine takes for a transfer. */
  private static final long SHORT_MILLIS = 2000;

  private static long lastGeneration;

  @RegisterExtension
  static final Hosts hosts =
      new Hosts().with("hosta", Xen.FAKED, "").with("hostb", Xen.FAKED, EXPORTS);

  private static ContainerHost hosta() {
    return hosts.host("hosta");
  }

  private static ContainerHost hostb() {
    return hosts.host("hostb");
  }

  @BeforeAll
  static void makeStick() {
    hostb().run("truncate -s 1M /srv/stick.raw");
  }

  @AfterEach
  void endLoads() {
    hosts.all().forEach(VerifiedLoadRun::killAll);
  }

  private static String source(String device) {
    return "netchannel://hostb/usb/" + device;
  }

  /** At hosta, in the middle of its work. */
  private static VerifiedLoadRun busy(String device) {
    return VerifiedLoadRun.startUsb(hosta(), source(device), ++lastGeneration, CERTIFICATES)
        .awaitAnswers(BUSY_TRANSFERS);
  }

  /** The guest waits: nothing is lost or comes twice. */
  @ParameterizedTest
  @ValueSource(strings = {"keyboard", "serial", "stick"})
  void aCutOfTheNetworkIsAPause(String device) {
    VerifiedLoadRun load = busy(device);
    hosts.cut();
    load.awaitQuiet(SHORT_MILLIS);
    Eventually.holds(() -> assertThat(load.log()).contains("nothing heard for"));
    hosts.heal();
    load.awaitAnswers(BUSY_TRANSFERS);
    assertThat((long) load.endWithoutError().get("checked")).isGreaterThan(BUSY_TRANSFERS / 4);
  }

  /** What was outstanding is an error, as nobody knows whether it was done; what comes is right. */
  @ParameterizedTest
  @ValueSource(strings = {"serial", "stick"})
  void aServerThatIsKilledIsAnErrorAndServesAgain(String device) {
    VerifiedLoadRun load = busy(device);
    hostb().killDaemon();
    hostb().awaitDaemon();
    load.awaitAnswers(BUSY_TRANSFERS);
    Map<String, Object> end = load.end();
    assertThat(end).containsEntry("wrong", 0L);
    assertThat((String) end.get("problem")).as("%s", end).endsWith(": PROTOCOL");
  }

  @Test
  void aServerHostWhosePowerFailsServesAgain() {
    VerifiedLoadRun load = busy("stick");
    hostb().kill();
    load.awaitQuiet(SHORT_MILLIS);
    hostb().start();
    load.awaitAnswers(BUSY_TRANSFERS);
    assertThat(load.end()).containsEntry("wrong", 0L);
  }

  @Test
  void aCertificateThatTheExportDoesNotNameIsRefusedInWords() {
    Path other = hosts.certificatesFor("hostc");
    hosta().copy(other, "/srv/pki-hostc");
    String[] words = new String[1];
    Eventually.holds(
        () -> {
          words[0] =
              VerifiedLoadRun.startUsb(
                      hosta(), source("stick"), ++lastGeneration, Path.of("/srv/pki-hostc"))
                  .awaitRefusal();
          // A machine may be too busy for an answer in time.
          assertThat(words[0]).doesNotContain("expected an answer within");
        });
    assertThat(words[0])
        .contains("netchannel://hostb:16516/usb/stick refuses: export stick is not for a client")
        .contains("with a certificate for hostc: it allows hosta");
  }

  /** hosta's daemon has it for a domain; hostb shows who does. */
  @Test
  void aDomainHasAPortOfTheOtherHost() {
    assertThat(
            hostb().netchannel("export", "--usb", "extra", "usb-soft:keyboard", "--allow", "hosta"))
        .returns(0, ContainerHost.Result::status);
    Domain.appearAlone(hosta());
    try {
      ask("attach-usb", Map.of("source", source("extra")));
      assertThat(hosta().netchannel("devices").out())
          .containsPattern(
              "db +1 +1 +serving +1209:[0-9a-f]{4} 12M +module missing"
                  + " .*netchannel://hostb/usb/extra");
      assertThat(hostb().netchannel("exports").out()).containsPattern("extra +usb +rw +hosta");
      assertThat(hostb().exportClients("extra")).hasSize(1);
      ContainerHost.Result busy = hostb().netchannel("unexport", "extra");
      assertThat(busy.status()).isOne();
      assertThat(busy.err()).contains("extra").contains("/usb1");
      // Killed, both daemons come back to it.
      hostb().killDaemon();
      hostb().awaitDaemon();
      hosta().killDaemon();
      hosta().awaitDaemon();
      Eventually.holds(
          () ->
              assertThat(hostb().exportClients("extra"))
                  .hasSize(1)
                  .allMatch(client -> client.get("address") != null));
      assertThat(hosta().netchannel("doctor").out()).contains("USB");
      ask("detach-usb", Map.of());
    } finally {
      Domain.vanish(hosta());
    }
    Eventually.holds(
        () ->
            assertThat(hostb().netchannel("unexport", "extra"))
                .returns(0, ContainerHost.Result::status));
  }

  /** Of hosta's daemon, for port 1 of the domain: the command would write to libvirt as well. */
  private static void ask(String command, Map<String, Object> more) {
    Map<String, Object> request = new HashMap<>(more);
    request.putAll(Map.of("command", command, "domain", "db", "port", 1));
    assertThat(hosta().ask(request)).containsEntry("ok", true);
  }

  @Test
  void aHostListsTheUsbDevicesThatItHas() {
    assertThat(hosta().netchannel("usb-devices", "--root", "/srv/empty"))
        .returns(0, ContainerHost.Result::status);
  }
}
