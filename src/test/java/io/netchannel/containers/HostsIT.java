package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.daemon.Json;
import java.time.Duration;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two hosts, each the other's peer: what happens to them and to the network between them. */
final class HostsIT {
  private static final DateTimeFormatter HOUR = DateTimeFormatter.ofPattern("HH");
  private static final String DISK = "/srv/disk.raw";
  private static final Domain DOMAIN = new Domain("file:" + DISK);

  @RegisterExtension static final Hosts hosts = Hosts.two();

  private static ContainerHost hosta() {
    return hosts.host("hosta");
  }

  private static ContainerHost hostb() {
    return hosts.host("hostb");
  }

  private static void assertConnected() {
    Eventually.holds(
        () -> {
          assertThat(hosta().peer("hostb")).containsEntry("state", "connected");
          assertThat(hostb().peer("hosta")).containsEntry("state", "connected");
        });
  }

  private static void assertProblem(ContainerHost host, String peer, String... words) {
    Eventually.holds(
        () ->
            assertThat(String.valueOf(host.peer(peer).get("problem")))
                .as("%s of %s", host, peer)
                .contains(words));
  }

  @Test
  void bothSeeEachOther() {
    assertConnected();
    assertThat(hosta().netchannel("status").out()).containsPattern("hostb +hostb:16515 +connected");
    for (ContainerHost host : hosts.all()) {
      String other = host == hosta() ? "hostb" : "hosta";
      Eventually.holds(
          () ->
              assertThat(host.netchannel("doctor").out())
                  .contains("OK    peer %s: %s:16515, TLSv1.3".formatted(other, other))
                  .contains("OK    xenstored: answers at /run/xenstored/socket")
                  .contains("OK    daemon: runs"));
    }
  }

  /** By the installed hook, through the real xenstored, up to where a frontend would connect. */
  @Test
  void aDomainIsOfferedItsDiskAndComesOnlyFromAHostThatAnswers() {
    hosts.all().forEach(host -> host.run("truncate -s 16M " + DISK));
    assertConnected();
    try {
      ContainerHost.Result armed = DOMAIN.hook(hosta(), "start", "begin");
      assertThat(armed.status()).as("%s", armed).isZero();
      DOMAIN.appearIn(hosta());
      ContainerHost.Result started = DOMAIN.hook(hosta(), "started", "begin");
      assertThat(started.status()).as("%s", started).isZero();
      assertThat(Domain.backendOfFrontend(hosta())).isEqualTo(Domain.backend());
      assertThat(Domain.sourceOfBackend(hosta())).isEqualTo("file:" + DISK);
      assertThat(hosta().netchannel("devices").out()).contains("db").contains("file:" + DISK);

      // While nobody answers, the guest is refused before it is made, in time and in words.
      hosts.cut();
      Domain.hookWithoutXml(hostb(), "migrate", "begin");
      ContainerHost.Result refused = DOMAIN.hook(hostb(), "start", "begin");
      assertThat(refused.status()).as("%s", refused).isOne();
      assertThat(refused.err()).contains("could not be asked").contains("hosta");
      hosts.heal();
      assertConnected();

      ContainerHost.Result announced = Domain.hookWithoutXml(hostb(), "migrate", "begin");
      assertThat(announced.status()).as("%s", announced).isZero();
      for (ContainerHost host : hosts.all()) {
        assertThat(host.netchannel("migrations", "--format", "json").out()).contains("\"precopy\"");
      }
      assertThat(DOMAIN.hook(hostb(), "start", "begin").status()).isZero();
    } finally {
      DOMAIN.end(hosta());
    }
    Eventually.holds(() -> assertThat(Domain.backends(hosta())).isBlank());
  }

  @Test
  void aCertificateOfAnotherAuthorityIsRefusedInWords() {
    hostb().certificates(hosts.foreignCertificatesFor("hostb"));
    assertProblem(
        hosta(),
        "hostb",
        "certificate of CN=hostb",
        "is not trusted: expected one signed by /etc/pki/CA/cacert.pem");
    assertThat(hosta().log()).contains("TLS: hostb").contains("is not trusted");
    hostb().certificates(hosts.certificates("hostb"));
    assertConnected();
  }

  @Test
  void aCertificateForAnotherNameIsRefusedInWords() {
    hostb().certificates(hosts.certificatesFor("hostc"));
    assertProblem(hosta(), "hostb", "expected a certificate for hostb", "found one for [hostc]");
    assertProblem(
        hostb(),
        "hosta",
        "hosta: expected a certificate of one of the peers [hostb], found one for",
        "add the caller as a [[peer]] on hosta");
  }

  /** Certificates are valid from an hour before they were made. */
  @Test
  void aClockThatIsOffByLessThanTheCertificatesAllowIsHarmless() {
    hostb().shiftClock(Duration.ofMinutes(-30));
    assertConnected();
    assertThat(since(hostb())).isLessThan(since(hosta()));
    // Now it jumps under the running daemon.
    Duration jump = Duration.ofHours(5);
    hostb().shiftClock(jump);
    Eventually.holds(
        () -> {
          String hour = LocalTime.now(ZoneOffset.UTC).plus(jump).format(HOUR);
          Domain.hookWithoutXml(hostb(), "reconnect", "begin");
          assertThat(hostb().log()).containsPattern(hour + ":\\S+ INFO +db: hook reconnect begin");
        });
    assertConnected();
    hosta().killDaemon();
    assertConnected();
  }

  private static String since(ContainerHost host) {
    Map<String, Object> reply = host.ask(Map.of("command", "status"));
    return String.valueOf(Json.object(reply.get("result")).get("since"));
  }

  @Test
  void aClockThatIsOffByMoreIsNoticed() {
    hostb().shiftClock(Duration.ofDays(-30));
    assertProblem(hostb(), "hosta", "is not trusted", "valid now", "NotBefore");
    assertThat(hostb().netchannel("status").out()).contains("NotBefore");
  }

  @Test
  void aHostThatStandsStillIsReportedAndFoundAgain() {
    assertConnected();
    hostb().pause();
    assertProblem(hosta(), "hostb", "hostb");
    assertThat(hosta().peer("hostb")).doesNotContainEntry("state", "connected");
    hostb().unpause();
    assertConnected();
  }

  @Test
  void aHostWhosePowerFailsComesBack() {
    assertConnected();
    hostb().kill();
    assertProblem(hosta(), "hostb", "hostb");
    hostb().start();
    assertConnected();
    hostb().stop();
    assertProblem(hosta(), "hostb", "hostb");
    hostb().start();
    assertConnected();
  }

  @Test
  void aDaemonThatDiesComesBack() {
    assertConnected();
    hostb().killDaemon();
    hostb().awaitDaemon();
    assertConnected();
    hostb().stopDaemon();
    assertProblem(hosta(), "hostb", "is netchanneld running there?");
    hostb().startDaemon();
    assertConnected();
  }

  @Test
  void aNetworkThatIsCutSilentlyHeals() {
    assertConnected();
    hosts.cut();
    assertProblem(hosta(), "hostb", "hostb");
    assertProblem(hostb(), "hosta", "hosta");
    hosts.heal();
    assertConnected();
  }

  @Test
  void aHostThatLosesItsInterfaceIsFoundAgain() {
    assertConnected();
    hostb().unplug();
    assertProblem(hosta(), "hostb", "hostb");
    assertProblem(hostb(), "hosta", "hosta");
    hostb().plug();
    assertConnected();
  }
}
