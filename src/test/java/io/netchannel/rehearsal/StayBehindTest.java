package io.netchannel.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.netchannel.rehearsal.guest.DiskModel;
import io.netchannel.rehearsal.guest.LinuxGuest;
import io.netchannel.rehearsal.guest.Workload;
import io.netchannel.rehearsal.host.DomainDefinition;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.rehearsal.host.Virsh;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two whole hosts, a guest with verified I/O, and a disk that one of them exports and that stays
 * there: each request is completed exactly once and without an error, whatever moves or is
 * restarted.
 */
@Timeout(240)
final class StayBehindTest {
  private static final Duration BOUND = Duration.ofSeconds(60);

  /** systemd kills what takes longer than 90 s; a guest is not to wait for nearly that long. */
  private static final Duration STOP_BOUND = Duration.ofSeconds(15);

  private static final long DISK_BYTES = 4 << 20;
  private static final String TARGET = "xvdb";
  private static final String HERE = "this host itself";

  /** Slow enough that requests are under way whenever something happens. */
  private static final String FILTERS = "delay:read=2ms,write=4ms,flush=2ms,jitter=4ms,seed=1!";

  @TempDir private Path directory;
  private final long seed = ThreadLocalRandom.current().nextLong();
  private final LinuxGuest guest = new LinuxGuest();
  private final DiskModel model = new DiskModel(DISK_BYTES);
  private HostPair hosts;
  private int portA;
  private int portB;
  private Virsh virsh;
  private Workload workload;

  @BeforeEach
  void startHosts() throws Exception {
    System.out.println("seed " + seed);
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    authority.init(directory.resolve("pki"));
    try (ServerSocket a = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        ServerSocket b = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      portA = a.getLocalPort();
      portB = b.getLocalPort();
      // Meanwhile taken, so that it chooses others for itself.
      hosts =
          HostPair.of(
              directory,
              member(authority, "hosta"),
              member(authority, "hostb"),
              devices -> devices);
    }
    try (RandomAccessFile disk = new RandomAccessFile(disk().toFile(), "rw")) {
      disk.setLength(DISK_BYTES);
    }
    start(hosts.a());
    start(hosts.b());
  }

  private HostPair.Member member(TestCertificateAuthority authority, String host)
      throws IOException {
    authority.host(directory.resolve("pki"), directory.resolve("etc-" + host), host, "localhost");
    return new HostPair.Member(host, host, TlsFiles.libvirt(directory.resolve("etc-" + host)));
  }

  /** It exports to the other host only: what is for itself need not be said. */
  private void start(ModelHost host) throws IOException {
    boolean a = host == hosts.a();
    hosts.start(
        host,
        """
        [server]
        listen = "127.0.0.1:%d"
        [[export]]
        name = "vol7"
        source = "%sfile:%s"
        allow = ["%s"]
        """
            .formatted(a ? portA : portB, FILTERS, disk(), a ? "hostb" : "hosta"));
  }

  @AfterEach
  void end() throws Exception {
    guest.close();
    hosts.close();
  }

  private Path disk() {
    return directory.resolve("disk.raw");
  }

  private void runGuest(ModelHost at, String source) throws Exception {
    DomainDefinition definition = new DomainDefinition("web1", UUID.randomUUID(), TARGET, source);
    virsh = new Virsh(definition, Clock.systemUTC());
    EmbeddedDomain domain = virsh.start(at);
    workload =
        new Workload(
            guest.boot(domain, DiskName.devid(TARGET)),
            model,
            16,
            new Random(seed),
            System::nanoTime);
    guest.run(workload::start);
    progress();
  }

  private void progress() {
    long goal = workload.progress().completed() + 100;
    Await.until(
        "the guest's requests, seed " + seed,
        BOUND,
        () -> {
          guest.check();
          return workload.progress().completed() >= goal;
        });
    assertThat(workload.progress().violations()).as("seed %d", seed).isEmpty();
  }

  private void endGuest(ModelHost at) throws Exception {
    guest.run(workload::stop);
    Await.until("what is outstanding", BOUND, () -> workload.progress().outstanding() == 0);
    assertThat(workload.progress().violations()).as("seed %d", seed).isEmpty();
    virsh.destroy(at, guest.domain());
    Await.until(
        "the disk to be free", BOUND, () -> unchecked(() -> !vol7(hosts.a()).has("client")));
    assertThat(model.compare(disk())).as("seed %d", seed).isEmpty();
  }

  private interface Call<T> {
    T call() throws IOException;
  }

  private static <T> T unchecked(Call<T> call) {
    try {
      return call.call();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The client of the export of a host; a missing node without one. */
  private static JsonNode vol7(ModelHost host) throws IOException {
    for (JsonNode export : host.command("{\"command\":\"exports\"}")) {
      for (JsonNode client : export.path("clients")) {
        return client;
      }
    }
    return MissingNode.getInstance();
  }

  private void migrate(ModelHost from, ModelHost to) throws Exception {
    Virsh.Outcome outcome = virsh.migrate(from, to, guest, workload, this::progress);
    assertThat(outcome.moved()).as(outcome.message()).isTrue();
    progress();
    Await.until(
        "the end of the migration at both hosts",
        BOUND,
        () -> !from.lastMigration().get().isActive() && !to.lastMigration().get().isActive());
  }

  /** In a time in which an administrator does not wonder. */
  private static void stop(ModelHost host) throws Exception {
    CompletableFuture.runAsync(
            () ->
                unchecked(
                    () -> {
                      host.stopDaemon();
                      return null;
                    }))
        .get(STOP_BOUND.toSeconds(), TimeUnit.SECONDS);
  }

  @Test
  void theGuestMovesAwayAndBackAndItsDiskStays() throws Exception {
    runGuest(hosts.a(), "netchannel://localhost:" + portA + "/vol7");
    assertThat(vol7(hosts.a()).path("address").asText()).isEqualTo(HERE);
    assertThatThrownBy(() -> hosts.a().command("{\"command\":\"unexport\",\"name\":\"vol7\"}"))
        .hasMessageContaining("in use by")
        .hasMessageContaining("/xvdb");
    for (int i = 0; i < 2; i++) {
      migrate(hosts.a(), hosts.b());
      assertThat(vol7(hosts.a()).path("address").asText()).contains("127.0.0.1");
      migrate(hosts.b(), hosts.a());
      assertThat(vol7(hosts.a()).path("address").asText()).isEqualTo(HERE);
    }
    assertThat(vol7(hosts.a()).path("generation").asLong()).isEqualTo(5);
    endGuest(hosts.a());
    Await.until(
        "no zombie", BOUND, () -> hosts.a().zombies().isEmpty() && hosts.b().zombies().isEmpty());
  }

  /** No name service knows "hosta": that it is this host is known without. */
  @Test
  void aHostThatUsesItsOwnExportIsRestartedUnderLoad() throws Exception {
    runGuest(hosts.a(), "netchannel://hosta:" + portA + "/vol7");
    for (int i = 0; i < 3; i++) {
      stop(hosts.a());
      start(hosts.a());
      progress();
      assertThat(vol7(hosts.a()).path("address").asText()).isEqualTo(HERE);
    }
    endGuest(hosts.a());
  }

  @Test
  void aHostEndsAndBeginsWhileTheServerOfItsDiskIsAway() throws Exception {
    runGuest(hosts.b(), "netchannel://localhost:" + portA + "/vol7");
    stop(hosts.a());
    stop(hosts.b());
    start(hosts.b());
    assertThat(hosts.b().devices().get(0).path("problem").asText()).contains("vol7");
    long before = workload.progress().completed();
    start(hosts.a());
    progress();
    assertThat(workload.progress().completed()).isGreaterThan(before);
    assertThat(vol7(hosts.a()).path("address").asText()).contains("127.0.0.1");
    // And the server away only for as long as its own restart takes.
    stop(hosts.a());
    start(hosts.a());
    progress();
    endGuest(hosts.b());
  }

  @Test
  void aDiskWhoseGuestWentWhileNoDaemonRanIsGivenFree() throws Exception {
    runGuest(hosts.b(), "netchannel://localhost:" + portA + "/vol7");
    guest.run(workload::stop);
    Await.until("what is outstanding", BOUND, () -> workload.progress().outstanding() == 0);
    stop(hosts.b());
    assertThat(vol7(hosts.a()).has("client")).as("its place is kept").isTrue();
    guest.close();
    assertThatThrownBy(() -> virsh.destroy(hosts.b(), guest.domain()))
        .as("its hooks find no daemon")
        .isInstanceOf(IOException.class);
    start(hosts.b());
    Await.until(
        "the disk to be free", BOUND, () -> unchecked(() -> !vol7(hosts.a()).has("client")));
  }
}
