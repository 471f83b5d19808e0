package io.netchannel.containers;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.netchannel.containers.ContainerHost.Xen;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.testcontainers.containers.Network;

/**
 * Hosts of a test class, a network and a certificate authority, from before its first test until
 * after its last. Each host is a peer of all others.
 *
 * <pre>
 *   &#64;RegisterExtension static final Hosts hosts = new Hosts().with("hosta", Xen.FAKED, "");
 * </pre>
 */
public final class Hosts implements BeforeAllCallback, AfterEachCallback, AfterAllCallback {
  private record Plan(Xen xen, String configuration) {}

  /** A directory for each test class. */
  private static final Path LOGS = Path.of("target/containers");

  private final Map<String, Plan> plans = new LinkedHashMap<>();
  private final Map<String, ContainerHost> hosts = new LinkedHashMap<>();
  private final TestCertificateAuthority authority =
      new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
  private Network network;
  private Path pki;

  /** hosta and hostb, on Xen. */
  static Hosts two() {
    return new Hosts().with("hosta", Xen.FAKED, "").with("hostb", Xen.FAKED, "");
  }

  /**
   * One more host.
   *
   * @param configuration what its configuration says besides its name and peers; begins in [daemon]
   */
  Hosts with(String name, Xen xen, String configuration) {
    plans.put(name, new Plan(xen, configuration));
    return this;
  }

  public ContainerHost host(String name) {
    return hosts.get(name);
  }

  public List<ContainerHost> all() {
    return List.copyOf(hosts.values());
  }

  /** The certificates of one of the hosts, as they are in its /etc/pki at first. */
  Path certificates(String host) {
    return pki.resolve(host);
  }

  /** New certificates of this authority for other names. */
  Path certificatesFor(String... names) {
    return make(pki.resolve("ca"), names);
  }

  /** New certificates of an authority that no host trusts. */
  Path foreignCertificatesFor(String... names) {
    Path other = pki.resolve("foreign");
    if (!Files.exists(other)) {
      init(other);
    }
    return make(other, names);
  }

  /** As {@link #foreignCertificatesFor}, for a host that trusts this authority all the same. */
  Path distrustedCertificatesFor(String... names) {
    Path directory = foreignCertificatesFor(names);
    try {
      Files.copy(
          TlsFiles.libvirt(pki.resolve("ca")).authority(),
          TlsFiles.libvirt(directory).authority(),
          StandardCopyOption.REPLACE_EXISTING);
      return directory;
    } catch (IOException e) {
      throw new AssertionError("cannot make certificates", e);
    }
  }

  private Path make(Path ca, String... names) {
    try {
      Path directory = Files.createTempDirectory(pki, names[0]);
      authority.host(ca, directory, names);
      return directory;
    } catch (IOException e) {
      throw new AssertionError("cannot make certificates", e);
    }
  }

  private void init(Path ca) {
    try {
      authority.init(ca);
    } catch (IOException e) {
      throw new AssertionError("cannot make an authority", e);
    }
  }

  /** Nothing gets from one host to another any more, and nobody is told. */
  void cut() {
    onAll(ContainerHost::cut);
  }

  void heal() {
    onAll(ContainerHost::heal);
  }

  /** On all hosts at the same time; throws what went wrong first, with the others. */
  private void onAll(Consumer<ContainerHost> action) {
    ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, hosts.size()));
    List<Future<?>> doing = new ArrayList<>();
    for (ContainerHost host : hosts.values()) {
      doing.add(threads.submit(() -> action.accept(host)));
    }
    AssertionError failed = null;
    for (Future<?> each : doing) {
      try {
        each.get();
      } catch (ExecutionException e) {
        if (failed == null) {
          failed = new AssertionError(e.getCause().getMessage(), e.getCause());
        } else {
          failed.addSuppressed(e.getCause());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        failed = new AssertionError("interrupted", e);
      }
    }
    threads.shutdownNow();
    if (failed != null) {
      throw failed;
    }
  }

  @Override
  public void beforeAll(ExtensionContext context) throws IOException {
    HostImage.docker();
    pki = Files.createTempDirectory("netchannel-pki");
    init(pki.resolve("ca"));
    network =
        Network.builder()
            .createNetworkCmdModifier(
                command -> command.withLabels(Map.of(HostImage.LABEL, "network")))
            .build();
    Path logs = LOGS.resolve(context.getRequiredTestClass().getSimpleName());
    for (Map.Entry<String, Plan> entry : plans.entrySet()) {
      String name = entry.getKey();
      Plan plan = entry.getValue();
      authority.host(pki.resolve("ca"), certificates(name), name);
      hosts.put(
          name,
          new ContainerHost(
              name,
              network,
              plan.xen(),
              configuration(name, plan),
              certificates(name),
              logs.resolve(name + ".log")));
    }
    onAll(ContainerHost::boot);
  }

  private String configuration(String name, Plan plan) {
    StringBuilder text =
        new StringBuilder(
            """
            [daemon]
            name = "%s"
            rehearse = false
            %s
            """
                .formatted(name, plan.configuration()));
    for (String peer : plans.keySet()) {
      if (!peer.equals(name)) {
        text.append("[[peer]]\nname = \"%s\"\n".formatted(peer));
      }
    }
    return text.toString();
  }

  /** The next test finds the hosts as this one did. */
  @Override
  public void afterEach(ExtensionContext context) {
    onAll(ContainerHost::restore);
  }

  @Override
  public void afterAll(ExtensionContext context) throws IOException {
    onAll(ContainerHost::close);
    hosts.clear();
    if (network != null) {
      network.close();
    }
    if (pki != null) {
      MoreFiles.deleteRecursively(pki, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }
}
