package io.netchannel.tls;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

/** This host's certificates, read once, as TLS settings for both ends of a connection. */
public final class HostTls {
  /** Keys are ASCII; what stands before them is a comment, in whatever character set. */
  private static final Charset PEM = StandardCharsets.ISO_8859_1;

  private record Identity(PrivateKey key, List<X509Certificate> chain) {}

  private final X509TrustManager authority;
  private final String authorityFile;
  private final Identity server;
  private final Identity client;

  /**
   * Reads all files.
   *
   * @throws TlsException when one is missing or is not what it should be
   */
  public HostTls(TlsFiles files) throws TlsException {
    this.authorityFile = files.authority().toString();
    this.authority = authority(certificates(files.authority()));
    this.server = new Identity(key(files.serverKey()), certificates(files.serverCertificate()));
    this.client = new Identity(key(files.clientKey()), certificates(files.clientCertificate()));
  }

  /** "OPENSSL" (netty-tcnative) when it can be loaded, else "JDK". */
  public static SslProvider provider() {
    return OpenSsl.isAvailable() ? SslProvider.OPENSSL : SslProvider.JDK;
  }

  /**
   * A name that both of this host's certificates prove: the preferred one, if they do.
   *
   * @return empty when they have none in common
   */
  public Optional<String> name(String preferred) {
    Set<String> both =
        Sets.intersection(
            CertificateNames.of(server.chain.get(0)), CertificateNames.of(client.chain.get(0)));
    return both.contains(preferred.toLowerCase(Locale.ROOT))
        ? Optional.of(preferred)
        : both.stream().findFirst();
  }

  /**
   * For the end that listens. A caller without a certificate gets through: plain words from who
   * looks at its names are better than a handshake that only closes the connection.
   */
  public SslContextBuilder forServer() {
    return SslContextBuilder.forServer(server.key, server.chain)
        .sslProvider(provider())
        .trustManager(new Trust(authority, authorityFile, "a caller", ImmutableSet.of()))
        .clientAuth(ClientAuth.OPTIONAL);
  }

  /**
   * For the end that connects.
   *
   * @param who whom it connects to, for messages
   * @param names of which the other end's certificate must prove one
   */
  public SslContextBuilder forClientOf(String who, Set<String> names) {
    return SslContextBuilder.forClient()
        .sslProvider(provider())
        .keyManager(client.key, client.chain)
        .trustManager(new Trust(authority, authorityFile, who, names))
        // Trust compares names: a host may be meant by its name or by its address.
        .endpointIdentificationAlgorithm(null);
  }

  private static X509TrustManager authority(List<X509Certificate> certificates)
      throws TlsException {
    try {
      KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null, null);
      for (int i = 0; i < certificates.size(); i++) {
        store.setCertificateEntry("authority-" + i, certificates.get(i));
      }
      TrustManagerFactory factory =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init(store);
      for (TrustManager manager : factory.getTrustManagers()) {
        if (manager instanceof X509TrustManager found) {
          return found;
        }
      }
      throw new GeneralSecurityException("no X.509 trust manager in this JVM");
    } catch (GeneralSecurityException | IOException e) {
      throw new TlsException("TLS: the certificate authority: " + e.getMessage(), e);
    }
  }

  private static List<X509Certificate> certificates(Path file) throws TlsException {
    try (InputStream in = Files.newInputStream(file)) {
      List<X509Certificate> found = new ArrayList<>();
      for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
        found.add((X509Certificate) each);
      }
      if (found.isEmpty()) {
        throw new GeneralSecurityException("no certificate in it");
      }
      return found;
    } catch (IOException | GeneralSecurityException e) {
      throw unusable("certificate", file, e);
    }
  }

  /** Reads PKCS#8 and, as certtool writes for libvirt, PKCS#1 and SEC 1. */
  private static PrivateKey key(Path file) throws TlsException {
    try (Reader reader = Files.newBufferedReader(file, PEM);
        PEMParser parser = new PEMParser(reader)) {
      JcaPEMKeyConverter converter = new JcaPEMKeyConverter();
      for (Object entry = parser.readObject(); entry != null; entry = parser.readObject()) {
        if (entry instanceof PrivateKeyInfo key) {
          return converter.getPrivateKey(key);
        }
        if (entry instanceof PEMKeyPair pair) {
          return converter.getPrivateKey(pair.getPrivateKeyInfo());
        }
      }
      throw new GeneralSecurityException("no unencrypted private key in it");
    } catch (IOException | GeneralSecurityException e) {
      throw unusable("private key", file, e);
    }
  }

  private static TlsException unusable(String what, Path file, Exception e) {
    String found = e instanceof NoSuchFileException ? "no such file" : e.getMessage();
    return new TlsException(
        "TLS: expected a PEM "
            + what
            + " in "
            + file
            + ", found: "
            + found
            + "; use libvirt's certificates, name others in [tls], or make some for tests with"
            + " `netchannel pki`",
        e);
  }
}
