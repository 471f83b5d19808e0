package io.netchannel.demo;

import io.netchannel.device.Devices;
import io.netchannel.rehearsal.Rehearsal;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.function.UnaryOperator;

/** The demo's two hosts, with certificates of one authority and traces of all requests. */
final class Cluster implements AutoCloseable {
  static final String A = "hosta";
  static final String B = "hostb";

  private final Path directory;
  private final Path output;
  private final HostPair pair;

  private Cluster(Path directory, Path output, HostPair pair) {
    this.directory = directory;
    this.output = output;
    this.pair = pair;
  }

  /** Warms the code, as a daemon does when it is ready. */
  Rehearsal.Outcome rehearse() throws IOException {
    return new Rehearsal(directory, member(directory, A)).perform(Rehearsal.MIGRATIONS, () -> true);
  }

  /** Makes certificates and configuration files and starts both daemons. */
  static Cluster start(Path directory, Path output, UnaryOperator<Devices> wrapDevices, Clock clock)
      throws IOException {
    TestCertificateAuthority authority = new TestCertificateAuthority(clock, new SecureRandom());
    Path pki = directory.resolve("pki");
    authority.init(pki);
    authority.host(pki, pki(directory, A), A);
    authority.host(pki, pki(directory, B), B);
    Cluster cluster =
        new Cluster(
            directory,
            output,
            HostPair.of(directory, member(directory, A), member(directory, B), wrapDevices));
    try {
      cluster.restart(cluster.a(), "");
      cluster.restart(cluster.b(), "");
      return cluster;
    } catch (IOException | RuntimeException e) {
      cluster.close();
      throw e;
    }
  }

  ModelHost a() {
    return pair.a();
  }

  ModelHost b() {
    return pair.b();
  }

  /**
   * Restarts a host's daemon with another failure to provoke.
   *
   * @param fault a line of the section [faults]; empty for none
   */
  void restart(ModelHost host, String fault) throws IOException {
    pair.start(
        host,
        """
        [trace]
        directory = "%s"

        [faults]
        %s
        """
            .formatted(output.resolve(host.name()).toAbsolutePath(), fault));
  }

  private static HostPair.Member member(Path directory, String host) {
    return new HostPair.Member(host, host, TlsFiles.libvirt(pki(directory, host)));
  }

  private static Path pki(Path directory, String host) {
    return directory.resolve(host).resolve("pki");
  }

  @Override
  public void close() throws IOException {
    pair.close();
  }
}
