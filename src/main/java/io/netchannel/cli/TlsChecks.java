package io.netchannel.cli;

import com.google.common.net.HostAndPort;
import io.netchannel.coordinator.peer.PeerAddress;
import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.tls.TlsFiles;
import io.netty.handler.ssl.JdkSslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** Checks of certificates and of the way to the peers. */
final class TlsChecks {
  /** Time to renew a certificate before migrations stop. */
  private static final Duration EXPIRY_WARNING = Duration.ofDays(30);

  private static final Duration PEER_BOUND = Duration.ofSeconds(5);

  /** GeneralName of RFC 5280, 4.2.1.6. */
  private static final int DNS_NAME = 2;

  private final DaemonConfiguration configuration;
  private final Instant now;
  private final Consumer<Finding> report;

  TlsChecks(DaemonConfiguration configuration, Instant now, Consumer<Finding> report) {
    this.configuration = configuration;
    this.now = now;
    this.report = report;
  }

  void run() {
    if (configuration.peers().isEmpty()) {
      report.accept(
          Finding.warn(
              "peers",
              "none configured: domains with Netchannel disks cannot migrate; add [[peer]]"));
    }
    TlsFiles tls = configuration.tls();
    X509Certificate ca = certificate("CA certificate", tls.authority(), null);
    X509Certificate server = certificate("server certificate", tls.serverCertificate(), ca);
    X509Certificate client = certificate("client certificate", tls.clientCertificate(), ca);
    boolean serverKey = key(tls.serverKey());
    boolean clientKey = key(tls.clientKey());
    if (server != null) {
      name(server);
    }
    if (ca != null && client != null && serverKey && clientKey) {
      configuration.peers().forEach(this::peer);
    }
  }

  private X509Certificate certificate(String what, Path file, X509Certificate ca) {
    try (InputStream in = Files.newInputStream(file)) {
      X509Certificate found =
          (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
      if (ca != null) {
        found.verify(ca.getPublicKey());
      }
      Instant end = found.getNotAfter().toInstant();
      String subject = file + " (" + found.getSubjectX500Principal().getName() + ")";
      if (now.isBefore(found.getNotBefore().toInstant())) {
        report.accept(
            Finding.fail(
                what,
                "%s is valid only from %s: is this host's clock right?"
                    .formatted(subject, found.getNotBefore().toInstant())));
      } else if (now.isAfter(end)) {
        report.accept(Finding.fail(what, subject + " expired at " + end + ": renew it"));
      } else if (now.plus(EXPIRY_WARNING).isAfter(end)) {
        report.accept(Finding.warn(what, subject + " expires at " + end + ": renew it"));
      } else {
        report.accept(Finding.ok(what, subject + ", until " + end));
      }
      return found;
    } catch (IOException e) {
      report.accept(
          Finding.fail(
              what,
              "cannot read " + file + ": make one with 'netchannel pki', or set it in [tls]"));
    } catch (GeneralSecurityException e) {
      report.accept(
          Finding.fail(what, "%s is not signed by the CA: %s".formatted(file, e.getMessage())));
    }
    return null;
  }

  private boolean key(Path file) {
    if (Files.isReadable(file)) {
      report.accept(Finding.ok("key", file.toString()));
      return true;
    }
    report.accept(Finding.fail("key", "cannot read " + file + ": it must be there, for root only"));
    return false;
  }

  /** Peers know us by our name: it must be in the certificate. */
  private void name(X509Certificate server) {
    try {
      Collection<List<?>> names = server.getSubjectAlternativeNames();
      boolean named =
          names != null
              && names.stream()
                  .anyMatch(
                      name ->
                          Integer.valueOf(DNS_NAME).equals(name.get(0))
                              && String.valueOf(name.get(1))
                                  .split("\\.", 2)[0]
                                  .equalsIgnoreCase(configuration.name().split("\\.", 2)[0]));
      report.accept(
          named
              ? Finding.ok("certificate's name", configuration.name())
              : Finding.warn(
                  "certificate's name",
                  "%s is not among its names %s: peers must use one of those as address"
                      .formatted(configuration.name(), names)));
    } catch (GeneralSecurityException e) {
      report.accept(Finding.warn("certificate's name", "cannot be read: " + e.getMessage()));
    }
  }

  /**
   * Shakes hands as the daemon would and waits for the peer's first byte: with TLS 1.3 that is when
   * a server has accepted our certificate.
   */
  private void peer(PeerAddress peer) {
    HostAndPort address = HostAndPort.fromParts(peer.host(), peer.port());
    String check = "peer " + peer.name();
    try (Socket plain = new Socket()) {
      int boundMillis = Math.toIntExact(PEER_BOUND.toMillis());
      plain.connect(new InetSocketAddress(address.getHost(), address.getPort()), boundMillis);
      plain.setSoTimeout(boundMillis);
      try (SSLSocket socket =
          (SSLSocket)
              context()
                  .getSocketFactory()
                  .createSocket(plain, address.getHost(), address.getPort(), false)) {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        parameters.setApplicationProtocols(new String[] {"h2"});
        socket.setSSLParameters(parameters);
        socket.startHandshake();
        if (socket.getInputStream().read() < 0) {
          throw new IOException("it closed the connection: does it trust our client certificate?");
        }
        report.accept(Finding.ok(check, address + ", " + socket.getSession().getProtocol()));
      }
    } catch (IOException e) {
      report.accept(
          Finding.fail(
              check,
              "%s: %s: is its daemon running, the port open, and its certificate from our CA for that name?"
                  .formatted(address, e.getMessage() == null ? e.toString() : e.getMessage())));
    }
  }

  /** Netty reads the keys: it knows all their PEM forms. */
  private SSLContext context() throws IOException {
    TlsFiles tls = configuration.tls();
    JdkSslContext context =
        (JdkSslContext)
            SslContextBuilder.forClient()
                .sslProvider(SslProvider.JDK)
                .trustManager(tls.authority().toFile())
                .keyManager(tls.clientCertificate().toFile(), tls.clientKey().toFile())
                .build();
    return context.context();
  }
}
