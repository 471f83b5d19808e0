package io.netchannel.tls;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Addresses are compared as addresses, names as names (RFC 5280 4.2.1.6, RFC 9525). */
final class CertificateNamesTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"fd00::2", "FD00::2", "fd00:0:0:0:0:0:0:2", "fd00:0::0002"})
  void anAddressIsTheSameHoweverItIsWritten(String written) throws Exception {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    authority.init(directory.resolve("ca"));
    authority.host(directory.resolve("ca"), directory.resolve("hosta"), "hosta", "fd00::2");
    X509Certificate certificate;
    try (InputStream file =
        Files.newInputStream(TlsFiles.libvirt(directory.resolve("hosta")).serverCertificate())) {
      certificate =
          (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
    }
    ImmutableSet<String> names = CertificateNames.of(certificate);
    assertThat(names).contains("hosta", "fd00::2");
    assertThat(CertificateNames.proveServer(names, written)).isTrue();
    assertThat(names).contains(CertificateNames.canonical(written));
  }

  @ParameterizedTest
  @CsvSource({
    "*.example, hosta.example, true",
    "*.example, HostA.Example, true",
    "*.example, example, false",
    "*.example, a.hosta.example, false",
    "*.example, .example, false",
    "h*.example, hosta.example, false",
    "*.0.0.1, 127.0.0.1, false",
    "hosta.example, hosta.example, true"
  })
  void aStarIsTheWholeLeftMostLabel(String proven, String called, boolean right) {
    assertThat(CertificateNames.proveServer(ImmutableSet.of(proven), called)).isEqualTo(right);
  }

  @Test
  void aNameIsComparedInLowerCase() {
    assertThat(CertificateNames.canonical("HostB")).isEqualTo("hostb");
  }
}
