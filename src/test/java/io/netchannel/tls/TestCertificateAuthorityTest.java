package io.netchannel.tls;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TestCertificateAuthorityTest {
  @TempDir private Path directory;

  /** QEMU reads them with GnuTLS and checks what they are for, as libvirt does. */
  @ParameterizedTest
  @ValueSource(strings = {"server", "client"})
  void qemuTakesItsFiles(String endpoint) throws Exception {
    Path qemus = host();
    Process qemu =
        new ProcessBuilder(
                "qemu-img",
                "info",
                "--object",
                "tls-creds-x509,id=tls,endpoint=" + endpoint + ",dir=" + qemus,
                Files.write(directory.resolve("disk.raw"), new byte[512]).toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(qemu.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(qemu.waitFor()).as(said).isZero();
    assertThat(said).contains("virtual size: 512 B").doesNotContain("tls");
  }

  private Path host() throws Exception {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    Path ca = directory.resolve("ca");
    authority.init(ca);
    authority.host(ca, directory.resolve("hosta"), "hosta");
    TlsFiles files = TlsFiles.libvirt(directory.resolve("hosta"));
    Path qemus = Files.createDirectory(directory.resolve("qemu"));
    Files.copy(files.authority(), qemus.resolve("ca-cert.pem"));
    Files.copy(files.serverCertificate(), qemus.resolve("server-cert.pem"));
    Files.copy(files.serverKey(), qemus.resolve("server-key.pem"));
    Files.copy(files.clientCertificate(), qemus.resolve("client-cert.pem"));
    Files.copy(files.clientKey(), qemus.resolve("client-key.pem"));
    return qemus;
  }
}
