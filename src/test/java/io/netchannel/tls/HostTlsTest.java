package io.netchannel.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The forms in which certificates and keys come, and words for those that cannot be used. */
final class HostTlsTest {
  @TempDir private Path directory;
  private TlsFiles files;

  @BeforeEach
  void make() throws Exception {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    Path ca = directory.resolve("ca");
    authority.init(ca);
    authority.host(ca, directory.resolve("hosta"), "hosta", "192.0.2.1");
    files = TlsFiles.libvirt(directory.resolve("hosta"));
  }

  @Test
  void aCertificateMayHaveItsChainInTheSameFile() throws Exception {
    String chain =
        Files.readString(files.serverCertificate()) + Files.readString(files.authority());
    Files.writeString(files.serverCertificate(), chain);
    HostTls tls = new HostTls(files);
    assertThat(tls.name("hosta")).hasValue("hosta");
    assertThat(tls.forServer().build().isServer()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        """
        -----BEGIN EC PRIVATE KEY-----
        Proc-Type: 4,ENCRYPTED
        DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF

        MAA=
        -----END EC PRIVATE KEY-----
        """
      })
  void aKeyThatIsEncryptedIsRefusedByItsName(String pem) throws Exception {
    Files.writeString(files.clientKey(), pem);
    assertThatThrownBy(() -> new HostTls(files))
        .isInstanceOf(TlsException.class)
        .hasMessageContaining("expected a PEM private key in " + files.clientKey());
  }

  /** As tools write a certificate's subject, or a person a note. */
  @Test
  void whatStandsBeforeAKeyMayBeInAnyCharacterSet() throws Exception {
    String pem = Files.readString(files.clientKey());
    Files.writeString(files.clientKey(), "Schlüssel\n" + pem, StandardCharsets.ISO_8859_1);
    assertThat(new HostTls(files).name("hosta")).hasValue("hosta");
  }
}
