package io.netchannel.tls;

import com.google.common.collect.ImmutableSet;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import javax.naming.InvalidNameException;
import javax.naming.ldap.LdapName;
import javax.naming.ldap.Rdn;

/** The names a certificate proves: subject alternative names (DNS and IP) and the common name. */
public final class CertificateNames {
  // Types of subjectAltName, RFC 5280 section 4.2.1.6.
  private static final int DNS_NAME = 2;
  private static final int IP_ADDRESS = 7;

  private CertificateNames() {}

  /** In lower case. */
  public static ImmutableSet<String> of(X509Certificate certificate) {
    ImmutableSet.Builder<String> names = ImmutableSet.builder();
    try {
      for (Rdn part : new LdapName(certificate.getSubjectX500Principal().getName()).getRdns()) {
        if (part.getType().equalsIgnoreCase("CN")) {
          names.add(part.getValue().toString().toLowerCase(Locale.ROOT));
        }
      }
      Collection<List<?>> alternatives = certificate.getSubjectAlternativeNames();
      if (alternatives != null) {
        for (List<?> alternative : alternatives) {
          int type = (Integer) alternative.get(0);
          if (type == DNS_NAME || type == IP_ADDRESS) {
            names.add(alternative.get(1).toString().toLowerCase(Locale.ROOT));
          }
        }
      }
    } catch (InvalidNameException | CertificateParsingException e) {
      // What cannot be read proves nothing.
      return ImmutableSet.of();
    }
    return names.build();
  }
}
