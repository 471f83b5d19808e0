package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.containers.ContainerHost.Xen;
import io.netchannel.containers.tool.VerifiedLoad;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Disk "vol" that hostb's netchanneld exports to hosta and hostb, with these hosts, and loads on
 * it.
 *
 * <pre>
 *   &#64;RegisterExtension static final RemoteDisk disk = new RemoteDisk();
 * </pre>
 */
final class RemoteDisk implements BeforeAllCallback, AfterEachCallback, AfterAllCallback {
  static final String SOURCE = "netchannel://hostb/vol";

  /** What messages call it. */
  static final String ADDRESS = "netchannel://hostb:16516/vol";

  /** A host's own. */
  static final Path CERTIFICATES = Path.of("/etc/pki");

  /** More than a load needs to write each block once: then it is well in the middle of it. */
  static final long BUSY_REQUESTS = 1500;

  /** Longer than a busy machine takes for a request. */
  static final long SHORT_MILLIS = 2000;

  private static final String EXPORT =
      """
      [[export]]
      name = "vol"
      path = "/srv/vol.raw"
      allow = ["hosta", "hostb"]
      """;

  private final Hosts hosts =
      new Hosts().with("hosta", Xen.FAKED, "").with("hostb", Xen.FAKED, EXPORT);
  private long lastGeneration;

  Hosts hosts() {
    return hosts;
  }

  ContainerHost hosta() {
    return hosts.host("hosta");
  }

  ContainerHost hostb() {
    return hosts.host("hostb");
  }

  @Override
  public void beforeAll(ExtensionContext context) throws IOException {
    hosts.beforeAll(context);
    hostb().run("truncate -s %d /srv/vol.raw /srv/guest.raw".formatted(VerifiedLoad.SIZE_BYTES));
  }

  /** A load at hosta, in the middle of its work. Each is another life of the same disk. */
  VerifiedLoadRun busy() {
    return busyAt(hosta());
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
              VerifiedLoadRun.start(hosta(), SOURCE, generation, certificates).awaitRefusal();
          // A machine may be too busy for an answer in time.
          assertThat(words[0]).doesNotContain("expected an answer within");
        });
    return words[0];
  }

  /** Whatever has become of the test's loads. */
  @Override
  public void afterEach(ExtensionContext context) {
    try {
      hosts.all().forEach(VerifiedLoadRun::killAll);
    } finally {
      hosts.afterEach(context);
    }
  }

  @Override
  public void afterAll(ExtensionContext context) throws IOException {
    hosts.afterAll(context);
  }
}
