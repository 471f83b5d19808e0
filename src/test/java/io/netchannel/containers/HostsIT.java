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

  private static final String DOMAIN_XML =
      """
      <domain type='xen' id='1'><name>db</name><uuid>6f2f9c5e-8d2c-4a4b-9a35-6f4c8f3b1d01</uuid>
        <metadata>
          <n:devices xmlns:n='https://netchannel.io/domain/1'>
            <n:disk target='xvdb' source='file:/srv/disk.raw'/>
          </n:devices>
        </metadata>
      </domain>
      """;

  /** What libxl makes of it before it lets the domain run. */
  private static final String DOMAIN_NODES =
      """
      touch /run/fakexen/xenstored/dom-1
      xenstore-write /local/domain/1/vm /vm/6f2f9c5e-8d2c-4a4b-9a35-6f4c8f3b1d01 \
        /local/domain/1/name db
      """;

  private static final String FRONTEND = "/local/domain/1/device/vbd/51728";
  private static final String BACKEND = "/local/domain/0/backend/netchannel/1/51728";

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

  private static ContainerHost.Result hook(
      ContainerHost host, String xml, String operation, String subOperation) {
    host.write("/tmp/domain.xml", xml);
    return host.execute(
        "sh",
        "-c",
        "/etc/libvirt/hooks/libxl.d/50-netchannel db %s %s - </tmp/domain.xml"
            .formatted(operation, subOperation));
  }

  @Test
  void bothSeeEachOther() {
    assertConnected();
    assertThat(hosta().netchannel("status").out()).containsPattern("hostb +hostb:16515 +connected");
    for (ContainerHost host : hosts.all()) {
      String other = host == hosta() ? "hostb" : "hosta";
      assertThat(host.netchannel("doctor").out())
          .contains("OK    peer %s: %s:16515, TLSv1.3".formatted(other, other))
          .contains("OK    xenstored: answers at /run/xenstored/socket")
          .contains("OK    daemon: runs");
    }
  }

  /** By the installed hook, through the real xenstored, up to where a frontend would connect. */
  @Test
  void aDomainIsOfferedItsDiskAndComesOnlyFromAHostThatAnswers() {
    hosts.all().forEach(host -> host.run("truncate -s 16M " + DISK));
    assertConnected();
    try {
      ContainerHost.Result armed = hook(hosta(), DOMAIN_XML, "start", "begin");
      assertThat(armed.status()).as("%s", armed).isZero();
      hosta().run(DOMAIN_NODES);
      ContainerHost.Result started = hook(hosta(), DOMAIN_XML, "started", "begin");
      assertThat(started.status()).as("%s", started).isZero();
      assertThat(hosta().run("xenstore-read " + FRONTEND + "/backend")).isEqualTo(BACKEND + "\n");
      assertThat(hosta().run("xenstore-read " + BACKEND + "/params"))
          .isEqualTo("file:" + DISK + "\n");
      assertThat(hosta().netchannel("devices").out()).contains("db").contains("file:" + DISK);

      // While nobody answers, the guest is refused before it is made, in time and in words.
      hosts.cut();
      hook(hostb(), "", "migrate", "begin");
      ContainerHost.Result refused = hook(hostb(), DOMAIN_XML, "start", "begin");
      assertThat(refused.status()).as("%s", refused).isOne();
      assertThat(refused.err()).contains("could not be asked").contains("hosta");
      hosts.heal();
      assertConnected();

      ContainerHost.Result announced = hook(hostb(), "", "migrate", "begin");
      assertThat(announced.status()).as("%s", announced).isZero();
      for (ContainerHost host : hosts.all()) {
        assertThat(host.netchannel("migrations", "--format", "json").out()).contains("\"precopy\"");
      }
      assertThat(hook(hostb(), DOMAIN_XML, "start", "begin").status()).isZero();
    } finally {
      hosta().run("rm /run/fakexen/xenstored/dom-1; xenstore-rm /local/domain/1");
      hook(hosta(), DOMAIN_XML, "stopped", "end");
      hook(hosta(), DOMAIN_XML, "release", "end");
    }
    Eventually.holds(
        () ->
            assertThat(hosta().run("xenstore-list /local/domain/0/backend/netchannel || true"))
                .isBlank());
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
          hook(hostb(), "", "reconnect", "begin");
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
