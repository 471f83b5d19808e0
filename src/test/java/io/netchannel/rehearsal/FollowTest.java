package io.netchannel.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.google.common.collect.ImmutableMap;
import io.netchannel.daemon.DiskDefinitions;
import io.netchannel.libvirt.DomainMetadata.Definition;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two whole hosts, and a guest with verified I/O whose disk comes after it, or whose disk is being
 * swapped while it migrates. A disk that was left gets noise: whoever still reads from it is found
 * out.
 */
@Timeout(240)
final class FollowTest {
  private static final Duration BOUND = Duration.ofSeconds(90);
  private static final long DISK_BYTES = 4 << 20;
  private static final String TARGET = "xvdb";

  /** What each calls itself, and what the name service knows it as. */
  private static final String A = "localhost";

  private static final String B = "127.0.0.1";

  /** Slow enough that a copy of the disk takes a moment. */
  private static final String FILTERS = "delay:read=4ms,write=4ms,flush=2ms,jitter=4ms,seed=1!";

  private static final String POOL =
      """
      [[pool]]
      name = "fast"
      directory = "%s"
      """;

  @TempDir private Path directory;
  private final long seed = ThreadLocalRandom.current().nextLong();
  private final Random random = new Random(seed);
  private final LinuxGuest guest = new LinuxGuest();
  private final DiskModel model = new DiskModel(DISK_BYTES);
  private final Libvirt libvirt = new Libvirt();
  private HostPair hosts;
  private int portA;
  private int portB;
  private Virsh virsh;
  private Workload workload;

  /** Both hosts' libvirts, of one domain: where it runs the definition is. */
  private final class Libvirt implements DiskDefinitions {
    private DomainDefinition definition;

    /** How often it was asked what follows. */
    private final AtomicInteger asked = new AtomicInteger();

    private synchronized DomainDefinition definition() {
      return definition;
    }

    private synchronized void define(DomainDefinition changed) {
      definition = changed;
      if (virsh != null) {
        virsh.define(changed);
      }
    }

    @Override
    public synchronized boolean changeSource(
        UUID domain, Definition which, String target, String oldSource, String newSource) {
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

  private HostPair.Member member(TestCertificateAuthority authority, String host)
      throws IOException {
    authority.host(directory.resolve("pki"), directory.resolve("etc-" + host), host);
    return new HostPair.Member(host, host, TlsFiles.libvirt(directory.resolve("etc-" + host)));
  }

  /** The first one exports the disk; both are servers. */
  private void start(ModelHost host, String more) throws IOException {
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

  private void startWithPool(ModelHost host) throws IOException {
    start(host, POOL.formatted(pool()));
  }

  @AfterEach
  void end() throws Exception {
    guest.close();
    hosts.close();
  }

  private Path disk() {
    return directory.resolve("disk.raw");
  }

  private Path pool() {
    return directory.resolve("pool");
  }

  private String atA() {
    return "netchannel://%s:%d/vol7".formatted(A, portA);
  }

  private String atB() {
    return "netchannel://%s:%d/vol7".formatted(B, portB);
  }

  private void runGuest(Optional<String> follow) throws Exception {
    libvirt.define(new DomainDefinition("web1", UUID.randomUUID(), TARGET, atA(), follow));
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

  private void until(String what, BooleanSupplier condition) {
    Await.until(
        what + ", seed " + seed,
        BOUND,
        () -> {
          guest.check();
          return condition.getAsBoolean();
        });
  }

  private void progress() {
    long goal = workload.progress().completed() + 100;
    until("the guest's requests", () -> workload.progress().completed() >= goal);
    assertThat(workload.progress().violations()).as("seed %d", seed).isEmpty();
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

  private static JsonNode ask(ModelHost host, String request) {
    return unchecked(() -> host.command(request.replace('\'', '"')));
  }

  private static String source(ModelHost host) {
    return unchecked(host::devices).path(0).path("source").asText();
  }

  /** The newest job of that host; a missing node without one. */
  private static JsonNode job(ModelHost host) {
    JsonNode jobs = ask(host, "{'command':'jobs'}");
    return jobs.isEmpty() ? MissingNode.getInstance() : jobs.get(0);
  }

  private static String state(ModelHost host) {
    return job(host).path("state").asText();
  }

  private static void tell(ModelHost host, String action) {
    ask(host, "{'command':'job','domain':'web1','target':'xvdb','action':%s}".formatted(action));
  }

  private static JsonNode export(ModelHost host) {
    for (JsonNode export : ask(host, "{'command':'exports'}")) {
      if (export.path("name").asText().equals("vol7")) {
        return export;
      }
    }
    return MissingNode.getInstance();
  }

  /** As its server tells, which may take its time when storage is busy. */
  private void isLeft(ModelHost host, String to) {
    until(
        "the word that the disk is " + to,
        () -> export(host).path("moved").path(0).path("to").asText().equals(to));
  }

  /** Storage that is busy may take longer to open than a device server is waited for. */
  private void swap(ModelHost host, String request) {
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

  private void noise(Path file) throws IOException {
    byte[] noise = new byte[(int) DISK_BYTES];
    random.nextBytes(noise);
    try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
      raw.write(noise);
    }
  }

  private void migrate(ModelHost from, ModelHost to) throws Exception {
    migrate(from, to, this::progress);
    until(
        "the end of the migration at both hosts",
        () -> !from.lastMigration().get().isActive() && !to.lastMigration().get().isActive());
  }

  private void migrate(ModelHost from, ModelHost to, Runnable precopy) throws Exception {
    Virsh.Outcome outcome = virsh.migrate(from, to, guest, workload, precopy);
    assertThat(outcome.moved()).as(outcome.message()).isTrue();
    progress();
  }

  private void awaitDone(ModelHost host, String source) {
    until(
        "the switch to " + source, () -> state(host).equals("done") && source(host).equals(source));
    assertThat(libvirt.definition().source()).isEqualTo(source);
  }

  /** The guest ends, and all that it wrote is in that file. */
  private void endsWith(ModelHost at, Path file) throws Exception {
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
  private void isSwitchedFromA(ModelHost at, Path file) throws Exception {
    awaitDone(at, atB());
    noise(disk());
    progress();
    endsWith(at, file);
  }

  @Test
  void theDiskFollowsItsGuestThereAndBack() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    awaitDone(hosts.b(), atB());
    assertThat(libvirt.definition().follow()).contains("fast");
    noise(disk());
    progress();
    isLeft(hosts.a(), atB());
    assertThat(export(hosts.b()).path("source").asText())
        .isEqualTo("file:" + pool().resolve("vol7"));
    assertThat(export(hosts.b()).path("allow").toString())
        .isEqualTo("[\"%s\",\"%s\"]".formatted(B, A));
    migrate(hosts.b(), hosts.a());
    awaitDone(hosts.a(), atA());
    noise(pool().resolve("vol7"));
    progress();
    isLeft(hosts.b(), atA());
    assertThat(ask(hosts.a(), "{'command':'status'}").path("waiting")).isEmpty();
    endsWith(hosts.a(), disk());
  }

  @Test
  void aRestartInTheMiddleGoesOnWithIt() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until("the job", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'bandwidth','bandwidth':262144");
    until("some copies", () -> job(hosts.b()).path("copiedBytes").asLong() > 0);
    startWithPool(hosts.b());
    start(hosts.a(), "");
    progress();
    assertThat(source(hosts.b())).isEqualTo(atA());
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    isSwitchedFromA(hosts.b(), pool().resolve("vol7"));
  }

  @Test
  void withoutAPoolTheDiskStaysBehindAndComesWhenThereIsOne() throws Exception {
    start(hosts.b(), "");
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until(
        "the reason", () -> waiting(hosts.b()).contains("this host has no pool fast: it has none"));
    assertThat(waiting(hosts.b())).contains("stays at " + atA());
    progress();
    Files.delete(pool());
    startWithPool(hosts.b());
    until("the reason", () -> waiting(hosts.b()).contains(pool() + " cannot be examined"));
    assertThat(state(hosts.b())).isEqualTo("behind");
    assertThat(job(hosts.b()).path("reason").asText()).contains(pool() + " cannot be examined");
    Files.createDirectory(pool());
    awaitDone(hosts.b(), atB());
    assertThat(waiting(hosts.b())).isEqualTo("[]");
    noise(disk());
    progress();
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  /** As by attach-disk --follow. */
  @Test
  void aDiskThatIsToFollowFromNowOnComes() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
    migrate(hosts.a(), hosts.b());
    DomainDefinition stays = libvirt.definition();
    libvirt.define(
        new DomainDefinition(
            stays.name(), stays.uuid(), TARGET, stays.source(), Optional.of("fast")));
    ask(hosts.b(), "{'command':'follow','domain':'web1'}");
    isSwitchedFromA(hosts.b(), pool().resolve("vol7"));
  }

  private static String waiting(ModelHost host) {
    return ask(host, "{'command':'status'}").path("waiting").toString();
  }

  /** Who gives it up means it: it is not begun again before the guest comes again. */
  @Test
  void aPersonCanKeepItWhereItIs() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until("the job", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'abort'");
    until("its end", () -> state(hosts.b()).equals("aborted"));
    int asked = libvirt.asked.get();
    startWithPool(hosts.b());
    until("the next daemon's look", () -> libvirt.asked.get() > asked);
    progress();
    assertThat(state(hosts.b())).isEqualTo("aborted");
    migrate(hosts.b(), hosts.a());
    assertThat(job(hosts.a()).isMissingNode()).as("it is at home").isTrue();
    migrate(hosts.a(), hosts.b());
    awaitDone(hosts.b(), atB());
    assertThat(ask(hosts.b(), "{'command':'jobs'}")).as("one of each arrival").hasSize(2);
    noise(disk());
    progress();
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  /** To leave again while the disk is still on its way is what ends that. */
  @Test
  void aGuestThatGoesHomeFindsItsDiskThere() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until("the job", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'bandwidth','bandwidth':262144");
    migrate(hosts.b(), hosts.a());
    until("its end", () -> state(hosts.b()).equals("aborted"));
    assertThat(job(hosts.b()).path("reason").asText()).isEqualTo("its guest has gone to " + A);
    assertThat(job(hosts.a()).isMissingNode()).isTrue();
    noise(pool().resolve("vol7"));
    progress();
    endsWith(hosts.a(), disk());
  }

  // ---- Jobs of people that go where the guest goes

  private void swapToB() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
    Path target = pool().resolve("target.raw");
    noise(target);
    ask(
        hosts.b(),
        "{'command':'export','name':'vol7','source':'file:%s','allow':['%s']}"
            .formatted(target, A));
    swap(
        hosts.a(),
        "{'command':'swap','domain':'web1','target':'xvdb','source':'%s','bandwidth':262144}"
            .formatted(atB()));
    until("some copies", () -> job(hosts.a()).path("copiedBytes").asLong() > 0);
  }

  private void restsAtA() {
    until("that it rests", () -> state(hosts.a()).equals("paused"));
    assertThat(job(hosts.a()).path("reason").asText()).isEqualTo("its guest migrates");
  }

  @Test
  void aJobGoesWhereItsGuestGoes() throws Exception {
    swapToB();
    migrate(
        hosts.a(),
        hosts.b(),
        () -> {
          restsAtA();
          progress();
        });
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    assertThat(job(hosts.a()).path("reason").asText())
        .isEqualTo("its guest has gone to %s, and the job with it".formatted(B));
    until("that it goes on", () -> state(hosts.b()).equals("copying"));
    assertThat(job(hosts.b()).path("bandwidth").asLong())
        .as("as a person has said")
        .isEqualTo(262144);
    assertThat(job(hosts.b()).path("old").asText()).isEqualTo(atA());
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    isSwitchedFromA(hosts.b(), pool().resolve("target.raw"));
  }

  @Test
  void itSoDoesOverRestartsOfBothDaemons() throws Exception {
    swapToB();
    migrate(
        hosts.a(),
        hosts.b(),
        () -> {
          unchecked(
              () -> {
                start(hosts.a(), "");
                startWithPool(hosts.b());
                return null;
              });
          progress();
          restsAtA();
        });
    startWithPool(hosts.b());
    start(hosts.a(), "");
    progress();
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    until("that it goes on", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    isSwitchedFromA(hosts.b(), pool().resolve("target.raw"));
  }

  @Test
  void whereTheGuestStaysAfterAllItsJobDoesToo() throws Exception {
    swapToB();
    start(hosts.b(), POOL.formatted(pool()) + "[faults]\n\"destination.sealed\" = \"fail\"\n");
    Virsh.Outcome outcome =
        virsh.migrate(
            hosts.a(),
            hosts.b(),
            guest,
            workload,
            () -> {
              restsAtA();
              progress();
            });
    assertThat(outcome.moved()).isFalse();
    until("the end of the migration", () -> !hosts.a().lastMigration().get().isActive());
    until("that it goes on", () -> state(hosts.a()).equals("copying"));
    start(hosts.a(), "");
    progress();
    tell(hosts.a(), "'bandwidth','bandwidth':0");
    awaitDone(hosts.a(), atB());
    assertThat(job(hosts.b()).isMissingNode()).isTrue();
    noise(disk());
    progress();
    endsWith(hosts.a(), pool().resolve("target.raw"));
  }

  /** A path may lead to something else there: nobody writes to it without a person's word. */
  @Test
  void aJobToAPathWaitsForAWordAtTheOtherHost() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
    Path target = directory.resolve("new.raw");
    swap(
        hosts.a(),
        "{'command':'swap','domain':'web1','target':'xvdb','source':'file:%s','create':true,'bandwidth':262144}"
            .formatted(target));
    until("some copies", () -> job(hosts.a()).path("copiedBytes").asLong() > 0);
    migrate(hosts.a(), hosts.b());
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    noise(target);
    byte[] others = Files.readAllBytes(target);
    until("that it waits", () -> state(hosts.b()).equals("paused"));
    assertThat(job(hosts.b()).path("reason").asText()).contains("came from " + A, "--resume");
    startWithPool(hosts.b());
    progress();
    assertThat(state(hosts.b())).isEqualTo("paused");
    assertThat(target).hasBinaryContent(others);
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    tell(hosts.b(), "'resume'");
    awaitDone(hosts.b(), "file:" + target);
    noise(disk());
    progress();
    endsWith(hosts.b(), target);
  }
}
