package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who may use a disk that hostb's netchanneld exports: its successor, and whom it trusts. */
final class RemoteDiskClientsIT {
  @RegisterExtension static final RemoteDisk disk = new RemoteDisk();

  // ---- generations

  @Test
  void aClientThatMissedItsSuccessorIsRefusedForEver() {
    VerifiedLoadRun old = disk.busy();
    disk.hosta().cut();
    old.awaitQuiet(RemoteDisk.SHORT_MILLIS);
    VerifiedLoadRun young = disk.busyAt(disk.hostb());
    disk.hosta().heal();
    // Its writes are still on their way and come again: all of them fail, none gets to the disk.
    Map<String, Object> end = old.awaitEnd();
    assertThat(end.get("failed")).as("%s", end).isNotEqualTo(0L);
    assertThat(end).containsEntry("wrong", 0L);
    String over = "generation " + old.generation() + " of load is over: export vol is used with";
    assertThat(old.log()).contains(over + " generation " + young.generation());
    for (int tries = 0; tries < 2; tries++) {
      assertThat(disk.refusal(old.generation(), RemoteDisk.CERTIFICATES))
          .contains("refuses: " + over);
    }
    young.goesOnAndEndsWell();
  }

  @Test
  void aClientHostWhosePowerFailsLeavesTheDiskToItsSuccessor() {
    VerifiedLoadRun old = disk.busy();
    disk.hosta().kill();
    VerifiedLoadRun young = disk.busyAt(disk.hostb());
    disk.hosta().start();
    assertThat(disk.refusal(old.generation(), RemoteDisk.CERTIFICATES)).contains("is over");
    young.goesOnAndEndsWell();
  }

  // ---- certificates

  /** What a client at hosta is told that comes with these. */
  private static String refusal(Path certificates) {
    String there = "/srv/pki-" + certificates.getFileName();
    disk.hosta().copy(certificates, there);
    return disk.refusal(disk.nextGeneration(), Path.of(there));
  }

  @Test
  void aCertificateThatTheExportDoesNotNameIsRefusedInWords() {
    assertThat(refusal(disk.hosts().certificatesFor("hostc")))
        .isEqualTo(
            RemoteDisk.ADDRESS
                + " refuses: export vol is not for a client with a certificate for hostc: it allows"
                + " hosta, hostb");
  }

  @Test
  void aServerOfAnotherAuthorityIsNotTrustedInWords() {
    assertThat(refusal(disk.hosts().foreignCertificatesFor("hosta")))
        .startsWith(RemoteDisk.ADDRESS + ", certificate of CN=hostb, is not trusted:")
        .contains("expected one signed by /srv/pki-");
  }

  @Test
  void aClientOfAnotherAuthorityIsToldThatItIsNotTrusted() {
    assertThat(refusal(disk.hosts().distrustedCertificatesFor("hosta")))
        .startsWith(
            RemoteDisk.ADDRESS
                + ": the other end does not trust this host's certificate (TLS: unknown_ca):"
                + " expected one signed by its authority");
    assertThat(disk.hostb().log())
        .contains("a caller, certificate of CN=hosta, is not trusted: expected one signed by");
  }

  /** As libvirt sees it: the guest is refused before it is made. */
  @Test
  void aGuestWhoseDiskItsHostMayNotUseDoesNotStart() {
    disk.hosta().certificates(disk.hosts().certificatesFor("hostc"));
    ContainerHost.Result refused =
        new Domain(RemoteDisk.SOURCE).hook(disk.hosta(), "start", "begin");
    assertThat(refused.status()).as("%s", refused).isOne();
    assertThat(refused.err())
        .contains(RemoteDisk.ADDRESS + " refuses: export vol is not for a client");
  }

  // ---- daemon to daemon

  /** hosta's daemon holds the disk for a domain, hostb's serves it by an export made by command. */
  @Test
  void aDomainHasADiskOfTheOtherHost() {
    Domain domain = new Domain("netchannel://hostb/guest");
    assertThat(disk.hostb().netchannel("export", "guest", "/srv/guest.raw", "--allow", "hosta"))
        .returns(0, ContainerHost.Result::status);
    assertThat(domain.hook(disk.hosta(), "start", "begin"))
        .returns(0, ContainerHost.Result::status);
    domain.appearIn(disk.hosta());
    try {
      assertThat(domain.hook(disk.hosta(), "started", "begin"))
          .returns(0, ContainerHost.Result::status);
      assertThat(Domain.backendOfFrontend(disk.hosta())).isEqualTo(Domain.backend());
      assertThat(Domain.sourceOfBackend(disk.hosta())).isEqualTo("netchannel://hostb/guest");
      String first = awaitClient("");
      assertThat(disk.hostb().netchannel("exports").out())
          .containsPattern("guest +disk +rw +hosta");
      ContainerHost.Result busy = disk.hostb().netchannel("unexport", "guest");
      assertThat(busy.status()).isOne();
      assertThat(busy.err()).contains("guest").contains("/xvdb");
      // The export is there again after a crash, and the other daemon comes back to it.
      disk.hostb().killDaemon();
      disk.hostb().awaitDaemon();
      String second = awaitClient(first);
      disk.hosts().cut();
      Eventually.holds(() -> assertThat(disk.hosta().log()).contains("nothing heard for"));
      disk.hosts().heal();
      awaitClient(second);
    } finally {
      domain.end(disk.hosta());
    }
    Eventually.holds(
        () ->
            assertThat(disk.hostb().netchannel("unexport", "guest"))
                .returns(0, ContainerHost.Result::status));
  }

  /** Until there is one client and it has a new connection; returns from where. */
  private static String awaitClient(String before) {
    String[] address = new String[1];
    Eventually.holds(
        () -> {
          List<Map<String, Object>> clients = disk.hostb().exportClients("guest");
          assertThat(clients).hasSize(1);
          assertThat(clients.get(0)).containsEntry("generation", 1L);
          assertThat(clients.get(0).get("address")).isNotNull().isNotEqualTo(before);
          address[0] = String.valueOf(clients.get(0).get("address"));
        });
    return address[0];
  }
}
