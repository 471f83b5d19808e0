package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.containers.ContainerHost.Xen;
import io.netchannel.containers.tool.VerifiedLoad;
import java.nio.file.Path;

/** Disk "vol" that hostb's netchanneld exports to hosta and hostb, and loads on it. */
final class RemoteDisk {
  static final String SOURCE = "netchannel://hostb/vol";

  /** What messages call it. */
  static final String ADDRESS = "netchannel://hostb:16516/vol";

  /** A host's own. */
  static final Path CERTIFICATES = Path.of("/etc/pki");

  /** More than a load needs to write each block once: then it is well in the middle of it. */
  static final long BUSY_REQUESTS = 1500;

  private static final String EXPORT =
      """
      [[export]]
      name = "vol"
      path = "/srv/vol.raw"
      allow = ["hosta", "hostb"]
      """;

  private final Hosts hosts;
  private long lastGeneration;

  /**
   * @param hosts made by {@link #hosts}
   */
  RemoteDisk(Hosts hosts) {
    this.hosts = hosts;
  }

  static Hosts hosts() {
    return new Hosts().with("hosta", Xen.FAKED, "").with("hostb", Xen.FAKED, EXPORT);
  }

  /** Before the first load. */
  void make() {
    hosts
        .host("hostb")
        .run("truncate -s %d /srv/vol.raw /srv/guest.raw".formatted(VerifiedLoad.SIZE_BYTES));
  }

  /** A load at hosta, in the middle of its work. Each is another life of the same disk. */
  VerifiedLoadRun busy() {
    return busyAt(hosts.host("hosta"));
  }

  /** A load of the next generation, in the middle of its work. */
  VerifiedLoadRun busyAt(ContainerHost host) {
    return VerifiedLoadRun.start(host, SOURCE, nextGeneration(), CERTIFICATES)
        .awaitAnswers(BUSY_REQUESTS);
  }

  /** Higher than all before. */
  long nextGeneration() {
    return ++lastGeneration;
  }

  /** What a client at hosta is told that comes with this generation and these certificates. */
  String refusal(long generation, Path certificates) {
    String[] words = new String[1];
    Eventually.holds(
        () -> {
          words[0] =
              VerifiedLoadRun.start(hosts.host("hosta"), SOURCE, generation, certificates)
                  .awaitRefusal();
          // A machine may be too busy for an answer in time.
          assertThat(words[0]).doesNotContain("expected an answer within");
        });
    return words[0];
  }

  /** After each test, whatever has become of its loads. */
  void endLoads() {
    hosts.all().forEach(VerifiedLoadRun::killAll);
  }
}
