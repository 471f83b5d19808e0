package io.netchannel.tls;

import java.security.cert.CertificateException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;

/** Why TLS kept two ends apart, in plain words: by itself a failed handshake only says that. */
public final class TlsProblem {
  /**
   * The other end's verdict on our certificate, the alerts of RFC 8446 section 6.2, as the JDK
   * writes them ("Received fatal alert: unknown_ca") and as BoringSSL does
   * ("SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_CERTIFICATE_REQUIRED").
   */
  private static final Pattern DISTRUSTED =
      Pattern.compile(
          "(?:alert: |ALERT_|TLSV1_)(bad_certificate|unsupported_certificate|certificate_revoked"
              + "|certificate_expired|certificate_unknown|unknown_ca|access_denied"
              + "|certificate_required)",
          Pattern.CASE_INSENSITIVE);

  private TlsProblem() {}

  /**
   * What a connection's failure says of TLS.
   *
   * @return empty when TLS is not among its causes
   */
  public static Optional<String> words(Throwable failure) {
    Optional<String> found = Optional.empty();
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof CertificateException) {
        // By Trust: it knows best.
        return Optional.of(cause.getMessage());
      }
      if (cause instanceof SSLException) {
        found = Optional.of(words(String.valueOf(cause.getMessage())));
      }
    }
    return found;
  }

  private static String words(String message) {
    Matcher alert = DISTRUSTED.matcher(message);
    if (alert.find()) {
      return ("the other end does not trust this host's certificate (TLS: %s): expected one signed"
              + " by its authority and valid by its clock; see the log of netchanneld there")
          .formatted(alert.group(1).toLowerCase(Locale.ROOT));
    }
    return "TLS failed: " + message + "; see the log of netchanneld there";
  }
}
