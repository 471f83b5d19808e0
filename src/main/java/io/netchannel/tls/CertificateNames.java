package io.netchannel.tls;

import com.google.common.collect.ImmutableSet;
import com.google.common.net.InetAddresses;
import java.security.cert.Certificate;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import javax.naming.InvalidNameException;
import javax.naming.ldap.LdapName;
import javax.naming.ldap.Rdn;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/** The names a certificate proves: subject alternative names (DNS and IP) and the common name. */
public final class CertificateNames {
  // Types of subjectAltName, RFC 5280 section 4.2.1.6.
  private static final int DNS_NAME = 2;
  private static final int IP_ADDRESS = 7;

  private CertificateNames() {}

  /**
   * The one form in which names are compared: an address as RFC 5952 writes it, however it was
   * written; a name in lower case.
   */
  public static String canonical(String name) {
    return InetAddresses.isInetAddress(name)
        ? InetAddresses.toAddrString(InetAddresses.forString(name))
        : name.toLowerCase(Locale.ROOT);
  }

  /**
   * Whether a server with these names is the one that is called so. "*" may stand for the whole
   * left-most label (RFC 9525 section 6.3). A client's name is never proved that way: it would be
   * everybody's.
   *
   * @param names of {@link #of}
   */
  static boolean proveServer(ImmutableSet<String> names, String called) {
    String name = canonical(called);
    int dot = name.indexOf('.');
    boolean mayBeWild = dot > 0 && !InetAddresses.isInetAddress(name);
    return names.contains(name) || (mayBeWild && names.contains("*" + name.substring(dot)));
  }

  /** Of the other end, which is trusted if it has shown a certificate; empty when it has not. */
  public static ImmutableSet<String> ofPeer(SSLSession session) {
    try {
      Certificate[] chain = session.getPeerCertificates();
      return chain.length > 0 && chain[0] instanceof X509Certificate first
          ? of(first)
          : ImmutableSet.of();
    } catch (SSLPeerUnverifiedException e) {
      return ImmutableSet.of();
    }
  }

  /** Each {@link #canonical}. */
  public static ImmutableSet<String> of(X509Certificate certificate) {
    ImmutableSet.Builder<String> names = ImmutableSet.builder();
    try {
      for (Rdn part : new LdapName(certificate.getSubjectX500Principal().getName()).getRdns()) {
        if (part.getType().equalsIgnoreCase("CN")) {
          names.add(canonical(part.getValue().toString()));
        }
      }
      Collection<List<?>> alternatives = certificate.getSubjectAlternativeNames();
      if (alternatives != null) {
        for (List<?> alternative : alternatives) {
          int type = (Integer) alternative.get(0);
          if (type == DNS_NAME || type == IP_ADDRESS) {
            names.add(canonical(alternative.get(1).toString()));
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
