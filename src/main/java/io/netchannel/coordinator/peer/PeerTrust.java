package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableSet;
import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Optional;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.net.ssl.X509TrustManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trusts what the certificate authority has signed, and says in plain words what it does not trust:
 * by itself a failed handshake tells neither side why.
 */
final class PeerTrust extends X509ExtendedTrustManager {
  private static final Logger log = LoggerFactory.getLogger(PeerTrust.class);

  private final X509TrustManager authority;
  private final String authorityFile;
  private final Optional<PeerAddress> expected;

  /**
   * @param expected whose certificate it must be; empty at the server, where {@link PeerIdentity}
   *     finds out
   */
  PeerTrust(X509TrustManager authority, String authorityFile, Optional<PeerAddress> expected) {
    super();
    this.authority = authority;
    this.authorityFile = authorityFile;
    this.expected = expected;
  }

  private interface Check {
    void run() throws CertificateException;
  }

  private void check(X509Certificate[] chain, Check check) throws CertificateException {
    String who =
        expected.map(PeerAddress::toString).orElse("a caller")
            + ", certificate of "
            + chain[0].getSubjectX500Principal();
    try {
      chain[0].checkValidity();
      check.run();
    } catch (CertificateException e) {
      throw distrust(
          who
              + ", is not trusted: expected one signed by "
              + authorityFile
              + " and valid now, found one issued by "
              + chain[0].getIssuerX500Principal()
              + ", valid "
              + chain[0].getNotBefore().toInstant()
              + " to "
              + chain[0].getNotAfter().toInstant()
              + " ("
              + e.getMessage()
              + ")",
          e);
    }
    if (expected.isPresent()) {
      ImmutableSet<String> names = CertificateNames.of(chain[0]);
      if (!CertificateNames.match(names, expected.get())) {
        throw distrust(
            who
                + ", is not trusted: expected a certificate for "
                + expected.get().name()
                + " or "
                + expected.get().host()
                + ", found one for "
                + names,
            null);
      }
    }
  }

  private static CertificateException distrust(String message, CertificateException cause) {
    log.warn("TLS: {}", message);
    return new CertificateException(message, cause);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    check(chain, () -> authority.checkServerTrusted(chain, authType));
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    checkServerTrusted(chain, authType);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    checkServerTrusted(chain, authType);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    check(chain, () -> authority.checkClientTrusted(chain, authType));
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    checkClientTrusted(chain, authType);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    checkClientTrusted(chain, authType);
  }

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return authority.getAcceptedIssuers();
  }
}
