package io.netchannel.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.google.common.collect.ImmutableMap;
import io.netchannel.daemon.DiskDefinitions;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
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
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two whole hosts, and a guest with verified I/O whose disk goes where it goes, one way or another.
 * A disk that was left gets noise: whoever still reads from it is found out.
 */
abstract class TravellingGuest {
  static final Duration BOUND = Duration.ofSeconds(90);
  static final long DISK_BYTES = 4 << 20;
  static final String TARGET = "xvdb";

  /** What each calls itself, and what the name service knows it as. */
  static final String A = "localhost";

  static final String B = "127.0.0.1";

  /** Slow enough that a copy of the disk takes a moment. */
  static final String FILTERS = "delay:read=4ms,write=4ms,flush=2ms,jitter=4ms,seed=1!";

  static final String POOL =
      """
      [[pool]]
      name = "fast"
      directory = "%s"
      """;

  @TempDir Path directory;
  final long seed = ThreadLocalRandom.current().nextLong();
  final Random random = new Random(seed);
  final LinuxGuest guest = new LinuxGuest();
  final DiskModel model = new DiskModel(DISK_BYTES);
  final Libvirt libvirt = new Libvirt();
  HostPair hosts;
  int portA;
  int portB;
  Virsh virsh;
  Workload workload;

  /** Both hosts' libvirts, of one domain: where it runs the definition is. */
  final class Libvirt implements DiskDefinitions {
    private DomainDefinition definition;

    /** Whether it answers nothing that changes a definition. */
    volatile boolean away;

    /** How often it was asked what follows. */
    final AtomicInteger asked = new AtomicInteger();

    synchronized DomainDefinition definition() {
      return definition;
    }

    synchronized void define(DomainDefinition changed) {
      definition = changed;
      if (virsh != null) {
        virsh.define(changed);
      }
    }

    @Override
    public synchronized boolean changeSource(
        UUID domain, Definition which, String target, String oldSource, String newSource)
        throws MetadataException {
      if (away) {
        throw new MetadataException("libvirt is away");
      }
      if (which == Definition.CONFIG || !definition.source().equals(oldSource)) {
        return which == Definition.LIVE;
      }
      define(
          new DomainDefinition(definition.name(), domain, target, newSource, definition.follow()));
      return true;
    }

    @Override
    public synchronized ImmutableMap<String, String> follows(UUID domain) {
      asked.incrementAndGet();
      return definition
          .follow()
          .map(pool -> ImmutableMap.of(TARGET, pool))
          .orElse(ImmutableMap.of());
    }
  }

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
      hosts =
          HostPair.of(directory, member(authority, A), member(authority, B), devices -> devices);
    }
    hosts.a().definitions(libvirt);
    hosts.b().definitions(libvirt);
    try (RandomAccessFile disk = new RandomAccessFile(disk().toFile(), "rw")) {
      disk.setLength(DISK_BYTES);
    }
    Files.createDirectory(pool());
    start(hosts.a(), "");
  }

  HostPair.Member member(TestCertificateAuthority authority, String host) throws IOException {
    authority.host(directory.resolve("pki"), directory.resolve("etc-" + host), host);
    return new HostPair.Member(host, host, TlsFiles.libvirt(directory.resolve("etc-" + host)));
  }

  /** The first one exports the disk; both are servers. */
  void start(ModelHost host, String more) throws IOException {
    boolean a = host == hosts.a();
    String export =
        """
        [[export]]
        name = "vol7"
        source = "%sfile:%s"
        allow = ["%s"]
        """
            .formatted(FILTERS, disk(), B);
    hosts.start(
        host,
        """
        [server]
        listen = "127.0.0.1:%d"
        %s
        """
            .formatted(a ? portA : portB, (a ? export : "") + more));
  }

  void startWithPool(ModelHost host) throws IOException {
    start(host, POOL.formatted(pool()));
  }

  @AfterEach
  void end() throws Exception {
    guest.close();
    hosts.close();
  }

  Path disk() {
    return directory.resolve("disk.raw");
  }

  /** The same domain with its disk elsewhere. */
  DomainDefinition definedAs(String source) {
    DomainDefinition known = libvirt.definition();
    return new DomainDefinition(known.name(), known.uuid(), TARGET, source, known.follow());
  }

  Path pool() {
    return directory.resolve("pool");
  }

  String atA() {
    return "netchannel://%s:%d/vol7".formatted(A, portA);
  }

  String atB() {
    return "netchannel://%s:%d/vol7".formatted(B, portB);
  }

  void runGuest(Optional<String> follow) throws Exception {
    runGuest(atA(), follow);
  }

  void runGuest(String source, Optional<String> follow) throws Exception {
    libvirt.define(new DomainDefinition("web1", UUID.randomUUID(), TARGET, source, follow));
    virsh = new Virsh(libvirt.definition(), Clock.systemUTC());
    workload =
        new Workload(
            guest.boot(virsh.start(hosts.a()), DiskName.devid(TARGET)),
            model,
            16,
            new Random(seed),
            System::nanoTime);
    guest.run(workload::start);
    progress();
  }

  void until(String what, BooleanSupplier condition) {
    Await.until(
        what + ", seed " + seed,
        BOUND,
        () -> {
          guest.check();
          return condition.getAsBoolean();
        });
  }

  void progress() {
    long goal = workload.progress().completed() + 100;
    until("the guest's requests", () -> workload.progress().completed() >= goal);
    assertThat(workload.progress().violations()).as("seed %d", seed).isEmpty();
  }

  interface Call<T> {
    T call() throws IOException;
  }

  static <T> T unchecked(Call<T> call) {
    try {
      return call.call();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  static JsonNode ask(ModelHost host, String request) {
    return unchecked(() -> host.command(request.replace('\'', '"')));
  }

  static String source(ModelHost host) {
    return unchecked(host::devices).path(0).path("source").asText();
  }

  /** The newest job of that host; a missing node without one. */
  static JsonNode job(ModelHost host) {
    JsonNode jobs = ask(host, "{'command':'jobs'}");
    return jobs.isEmpty() ? MissingNode.getInstance() : jobs.get(0);
  }

  static String state(ModelHost host) {
    return job(host).path("state").asText();
  }

  static void tell(ModelHost host, String action) {
    ask(host, "{'command':'job','domain':'web1','target':'xvdb','action':%s}".formatted(action));
  }

  static JsonNode export(ModelHost host) {
    for (JsonNode export : ask(host, "{'command':'exports'}")) {
      if (export.path("name").asText().equals("vol7")) {
        return export;
      }
    }
    return MissingNode.getInstance();
  }

  /** As its server tells, which may take its time when storage is busy. */
  void isLeft(ModelHost host, String to) {
    until(
        "the word that the disk is " + to,
        () -> export(host).path("moved").path(0).path("to").asText().equals(to));
  }

  /** Storage that is busy may take longer to open than a device server is waited for. */
  void swap(ModelHost host, String request) {
    until(
        "that the job begins",
        () -> {
          try {
            return !host.command(request.replace('\'', '"')).isMissingNode();
          } catch (IOException e) {
            assertThat(e).hasMessageContaining("expected an answer within");
            return false;
          }
        });
  }

  void noise(Path file) throws IOException {
    byte[] noise = new byte[(int) DISK_BYTES];
    random.nextBytes(noise);
    try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
      raw.write(noise);
    }
  }

  void migrate(ModelHost from, ModelHost to) throws Exception {
    migrate(from, to, this::progress);
    until(
        "the end of the migration at both hosts",
        () -> !from.lastMigration().get().isActive() && !to.lastMigration().get().isActive());
  }

  void migrate(ModelHost from, ModelHost to, Runnable precopy) throws Exception {
    Virsh.Outcome outcome = virsh.migrate(from, to, guest, workload, precopy);
    assertThat(outcome.moved()).as(outcome.message()).isTrue();
    progress();
  }

  void awaitDone(ModelHost host, String source) {
    until(
        "the switch to " + source, () -> state(host).equals("done") && source(host).equals(source));
    assertThat(libvirt.definition().source()).isEqualTo(source);
  }

  /** The guest ends, and all that it wrote is in that file. */
  void endsWith(ModelHost at, Path file) throws Exception {
    guest.run(workload::stop);
    until("what is outstanding", () -> workload.progress().outstanding() == 0);
    assertThat(workload.progress().violations()).as("seed %d", seed).isEmpty();
    virsh.destroy(at, guest.domain());
    until(
        "the disks to be free",
        () ->
            export(hosts.a()).path("clients").isEmpty()
                && export(hosts.b()).path("clients").isEmpty());
    assertThat(model.compare(file)).as("seed %d", seed).isEmpty();
  }

  /** The disk at A is nobody's any more; the guest ends with its new one. */
  void isSwitchedFromA(ModelHost at, Path file) throws Exception {
    awaitDone(at, atB());
    noise(disk());
    progress();
    endsWith(at, file);
  }
}
