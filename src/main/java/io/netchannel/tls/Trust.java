package io.netchannel.tls;

import com.google.common.collect.ImmutableSet;
import io.netty.handler.ssl.OpenSslCertificateException;
import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.X509Certificate;
import java.util.Set;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.net.ssl.X509TrustManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trusts what the certificate authority has signed, and says in plain words what it does not trust:
 * by itself a failed handshake tells neither side why.
 */
final class Trust extends X509ExtendedTrustManager {
  private static final Logger log = LoggerFactory.getLogger(Trust.class);

  // Of OpenSSL's x509_vfy.h: what a failed verification becomes as an alert to the other end.
  // Without one of them it is "internal error", which tells nobody anything.
  private static final int NOT_YET_VALID = 9; // certificate_expired
  private static final int EXPIRED = 10; // certificate_expired
  private static final int NO_ISSUER_HERE = 20; // unknown_ca
  private static final int UNTRUSTED = 27; // bad_certificate

  private final X509TrustManager authority;
  private final String authorityFile;
  private final String who;
  private final ImmutableSet<String> expected;

  /**
   * @param who whose certificate it is, for messages
   * @param expected names of which it must prove one; empty at the server, which finds out later
   */
  Trust(X509TrustManager authority, String authorityFile, String who, Set<String> expected) {
    super();
    this.authority = authority;
    this.authorityFile = authorityFile;
    this.who = who;
    this.expected =
        expected.stream().map(CertificateNames::canonical).collect(ImmutableSet.toImmutableSet());
  }

  private interface Check {
    void run() throws CertificateException;
  }

  private void check(X509Certificate[] chain, Check check) throws CertificateException {
    String whose = who + ", certificate of " + chain[0].getSubjectX500Principal();
    try {
      chain[0].checkValidity();
      check.run();
    } catch (CertificateException e) {
      throw distrust(
          whose
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
          e,
          verdict(e));
    }
    if (!expected.isEmpty()) {
      ImmutableSet<String> names = CertificateNames.of(chain[0]);
      if (expected.stream().noneMatch(each -> CertificateNames.proveServer(names, each))) {
        throw distrust(
            whose
                + ", is not trusted: expected a certificate for "
                + String.join(" or ", expected)
                + ", found one for "
                + names,
            null,
            UNTRUSTED);
      }
    }
  }

  private static int verdict(CertificateException e) {
    if (e instanceof CertificateExpiredException) {
      return EXPIRED;
    }
    return e instanceof CertificateNotYetValidException ? NOT_YET_VALID : NO_ISSUER_HERE;
  }

  private static CertificateException distrust(
      String message, CertificateException cause, int verdict) {
    log.warn("TLS: {}", message);
    return new OpenSslCertificateException(message, cause, verdict);
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
