package io.netchannel.rehearsal.host;

import io.netchannel.device.Devices;
import io.netchannel.tls.TlsFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;

/** Two hosts on the loopback interface that are each other's peers. */
public final class HostPair implements AutoCloseable {
  private static final String LOOPBACK = InetAddress.getLoopbackAddress().getHostAddress();

  /**
   * One of the two.
   *
   * @param name what it calls itself
   * @param known what the other calls it: a name that its certificates prove
   */
  public record Member(String name, String known, TlsFiles tls) {}

  private final Path directory;
  private final Member memberA;
  private final Member memberB;
  private final int portA;
  private final int portB;
  private final ModelHost hostA;
  private final ModelHost hostB;

  private HostPair(
      Path directory,
      Member memberA,
      Member memberB,
      int portA,
      int portB,
      UnaryOperator<Devices> wrapDevices) {
    this.directory = directory;
    this.memberA = memberA;
    this.memberB = memberB;
    this.portA = portA;
    this.portB = portB;
    hostA = new ModelHost(memberA.name(), configurationFile(memberA), wrapDevices);
    hostB = new ModelHost(memberB.name(), configurationFile(memberB), wrapDevices);
  }

  /**
   * Two hosts without daemons.
   *
   * @param directory for sockets (its path is short), journals and configuration files
   * @param wrapDevices puts something around every device of both hosts
   */
  public static HostPair of(Path directory, Member a, Member b, UnaryOperator<Devices> wrapDevices)
      throws IOException {
    try (ServerSocket first = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        ServerSocket second = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return new HostPair(
          directory, a, b, first.getLocalPort(), second.getLocalPort(), wrapDevices);
    }
  }

  public ModelHost a() {
    return hostA;
  }

  public ModelHost b() {
    return hostB;
  }

  /**
   * Starts a host's daemon, in place of the one that ran before.
   *
   * @param more what its configuration says beside what a pair needs: whole sections
   */
  public void start(ModelHost host, String more) throws IOException {
    host.stopDaemon();
    if (host == hostA) {
      configure(memberA, portA, memberB, portB, more);
    } else {
      configure(memberB, portB, memberA, portA, more);
    }
    host.startDaemon();
  }

  private void configure(Member member, int port, Member peer, int peerPort, String more)
      throws IOException {
    Path file = configurationFile(member);
    Path home = file.getParent();
    TlsFiles tls = member.tls();
    Files.createDirectories(home);
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

        %s
        """
            .formatted(
                member.name(),
                LOOPBACK,
                port,
                home.resolve("run"),
                home.resolve("state"),
                peer.known(),
                LOOPBACK,
                peerPort,
                tls.authority(),
                tls.serverCertificate(),
                tls.serverKey(),
                tls.clientCertificate(),
                tls.clientKey(),
                more));
  }

  private Path configurationFile(Member member) {
    return directory.resolve(member.name()).resolve("netchannel.toml");
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
