package io.netchannel.demo;

import io.netchannel.coordinator.peer.TestCertificateAuthority;
import io.netchannel.demo.host.DemoHost;
import io.netchannel.device.Devices;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.function.UnaryOperator;

/** Two hosts that are each other's peers, with certificates of one authority. */
final class Cluster implements AutoCloseable {
  static final String A = "hosta";
  static final String B = "hostb";

  private static final String LOOPBACK = InetAddress.getLoopbackAddress().getHostAddress();

  private final Path directory;
  private final Path output;
  private final int portA;
  private final int portB;
  private final DemoHost hostA;
  private final DemoHost hostB;

  private Cluster(
      Path directory, Path output, int portA, int portB, UnaryOperator<Devices> wrapDevices) {
    this.directory = directory;
    this.output = output;
    this.portA = portA;
    this.portB = portB;
    hostA = new DemoHost(A, configurationFile(A), wrapDevices);
    hostB = new DemoHost(B, configurationFile(B), wrapDevices);
  }

  /** Makes certificates and configuration files and starts both daemons. */
  static Cluster start(Path directory, Path output, UnaryOperator<Devices> wrapDevices, Clock clock)
      throws IOException {
    TestCertificateAuthority authority = new TestCertificateAuthority(clock, new SecureRandom());
    Path pki = directory.resolve("pki");
    authority.init(pki);
    authority.host(pki, pki(directory, A), A);
    authority.host(pki, pki(directory, B), B);
    Cluster cluster;
    try (ServerSocket first = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        ServerSocket second = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      cluster =
          new Cluster(directory, output, first.getLocalPort(), second.getLocalPort(), wrapDevices);
    }
    try {
      cluster.configure(A, "");
      cluster.configure(B, "");
      cluster.hostA.startDaemon();
      cluster.hostB.startDaemon();
      return cluster;
    } catch (IOException | RuntimeException e) {
      cluster.close();
      throw e;
    }
  }

  DemoHost a() {
    return hostA;
  }

  DemoHost b() {
    return hostB;
  }

  /**
   * Restarts a host's daemon with another failure to provoke.
   *
   * @param fault a line of the section [faults]; empty for none
   */
  void restart(DemoHost host, String fault) throws IOException {
    host.stopDaemon();
    configure(host.name(), fault);
    host.startDaemon();
  }

  private void configure(String host, String fault) throws IOException {
    boolean first = host.equals(A);
    Path pki = pki(directory, host);
    Path file = configurationFile(host);
    Files.createDirectories(file.getParent());
    Files.writeString(
        file,
        """
        [daemon]
        name = "%s"
        listen = "%s:%d"
        run-directory = "%s"
        state-directory = "%s"

        [[peer]]
        name = "%s"
        address = "%s:%d"

        [tls]
        ca = "%s"
        server-certificate = "%s"
        server-key = "%s"
        client-certificate = "%s"
        client-key = "%s"

        [trace]
        directory = "%s"

        [faults]
        %s
        """
            .formatted(
                host,
                LOOPBACK,
                first ? portA : portB,
                directory.resolve(host).resolve("run"),
                directory.resolve(host).resolve("state"),
                first ? B : A,
                LOOPBACK,
                first ? portB : portA,
                pki.resolve("CA/cacert.pem"),
                pki.resolve("libvirt/servercert.pem"),
                pki.resolve("libvirt/private/serverkey.pem"),
                pki.resolve("libvirt/clientcert.pem"),
                pki.resolve("libvirt/private/clientkey.pem"),
                output.resolve(host).toAbsolutePath(),
                fault));
  }

  private Path configurationFile(String host) {
    return directory.resolve(host).resolve("netchannel.toml");
  }

  private static Path pki(Path directory, String host) {
    return directory.resolve(host).resolve("pki");
  }

  @Override
  public void close() throws IOException {
    try {
      hostA.close();
    } finally {
      hostB.close();
    }
  }
}
