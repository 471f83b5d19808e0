package io.netchannel.coordinator.peer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerException;
import io.netchannel.coordinator.PeerException.Kind;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepare;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.Volume;
import io.netchannel.coordinator.Phase;
import io.netchannel.coordinator.peer.v1.PeerProtocolGrpc;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.Strangers;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsException;
import io.netchannel.tls.TlsFiles;
import io.netchannel.xen.Waiting;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Over loopback, with real certificates. */
final class PeersTest {
  private static final Duration BOUND = Duration.ofSeconds(20);
  private static final UUID MIGRATION = new UUID(3, 4);

  /** Places for strangers, where they are filled before one of them is closed for being slow. */
  private static final int FEW = 8;

  private static final int CROWD = 1000;

  /** For a call that is parked meanwhile. */
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  @TempDir static Path pki;

  private final ScriptedService service = new ScriptedService();
  private PeerServer server;
  private Peers peers;

  @BeforeAll
  static void certificates() throws IOException {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    authority.init(pki.resolve("ca"));
    authority.init(pki.resolve("otherca"));
    authority.host(pki.resolve("ca"), pki.resolve("hosta"), "hosta", "10.0.0.1");
    authority.host(pki.resolve("ca"), pki.resolve("hostb"), "hostb", "127.0.0.1");
    authority.host(pki.resolve("ca"), pki.resolve("byaddress"), "b.example", "127.0.0.1");
    authority.host(pki.resolve("ca"), pki.resolve("stranger"), "stranger");
    authority.host(pki.resolve("otherca"), pki.resolve("foreign"), "hosta", "127.0.0.1");
    authority.host(
        pki.resolve("ca"), pki.resolve("expired"), Duration.ofHours(-2), "hosta", "hostb");
  }

  @AfterEach
  void close() {
    service.released.countDown();
    if (peers != null) {
      peers.close();
    }
    if (server != null) {
      server.close();
    }
  }

  private static HostTls tls(String host) throws TlsException {
    return new HostTls(TlsFiles.libvirt(pki.resolve(host)));
  }

  private int serve(String certificates, int port, int version) throws Exception {
    return serve(certificates, port, version, Strangers.PLACES);
  }

  private int serve(String certificates, int port, int version, int strangers) throws Exception {
    server =
        new PeerServer(
            "hostb",
            new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
            tls(certificates),
            List.of(new PeerAddress("hosta", "hosta.example", 1)),
            service,
            ScriptedService.EXPORTS,
            version,
            strangers);
    return server.port();
  }

  private Peer connect(String certificates, int port) throws TlsException {
    peers =
        new Peers("hosta", tls(certificates), List.of(new PeerAddress("hostb", "127.0.0.1", port)));
    return peers.all().get(0);
  }

  private Peer connected(String clientCertificates, String serverCertificates) throws Exception {
    return connect(clientCertificates, serve(serverCertificates, 0, ProtocolVersion.CURRENT));
  }

  private static PeerException failure(Peer peer) {
    PeerException failure =
        catchThrowableOfType(PeerException.class, () -> peer.describe("db", BOUND));
    assertThat(failure).as("the call fails").isNotNull();
    return failure;
  }

  @Test
  void everyCallArrives() throws Exception {
    Peer peer = connected("hosta", "hostb");
    var served = peer.describe("db", BOUND);
    assertThat(served).hasSize(1);
    assertThat(served.get(0).devices()).isEqualTo(ScriptedService.DEVICES);
    assertThat(served.get(0).stock()).containsExactly(ScriptedService.STOCK);
    assertThat(served.get(0).copies()).containsExactly(ScriptedService.COPY);
    assertThat(peer.describe(ScriptedService.DOMAIN, BOUND)).isPresent();
    assertThat(peer.describe(new UUID(0, 0), BOUND)).isEmpty();
    assertThat(
            peer.prepare(
                new Prepare(MIGRATION, "db", ScriptedService.DOMAIN, ScriptedService.DEVICES, 123),
                BOUND))
        .isEqualTo(ScriptedService.PREPARED);
    assertThat(peer.export("disk", BOUND)).contains(ScriptedService.EXPORTED);
    assertThat(peer.export("none", BOUND)).isEmpty();
    assertThat(peer.seal(MIGRATION, BOUND)).isEqualTo(ScriptedService.SEALED);
    assertThat(
            peer.takeOver(
                MIGRATION,
                List.of(new Claim("xvda", 42, -5, ScriptedService.COPY.source(), true)),
                BOUND))
        .containsExactly("xvda");
    assertThat(peer.volume(ScriptedService.WANTED, BOUND))
        .isEqualTo(new Volume("netchannel://hostb/hosta", true));
    assertThat(peer.abort(MIGRATION, "why", BOUND)).isEqualTo(new PhaseReport(Phase.ABORT, "why"));
    assertThat(peer.status(MIGRATION, ScriptedService.DOMAIN, Direction.INCOMING, BOUND))
        .isEqualTo(new PhaseReport(Phase.RESUME, "INCOMING"));
    assertThat(peer.timeline(MIGRATION, BOUND)).isEqualTo(ScriptedService.TIMELINE);
    assertThat(service.callers).containsOnly("hosta");
    assertThat(peers.health(BOUND).get(0).problem()).isEmpty();
    assertThat(peers.health(BOUND).get(0).connected()).isTrue();
  }

  @Test
  void aParkedSealIsAnsweredWhenTheSourceHasSealed() throws Exception {
    BlockingQueue<SealedDevice> known = new LinkedBlockingQueue<>();
    Peer peer = connected("hosta", "hostb");
    CompletableFuture<List<SealedDevice>> call =
        peer.sealWhenSuspended(ScriptedService.PARKED, BOUND, known::add);
    awaitParked();
    assertThat(call).isNotDone();
    service.known.accept(ScriptedService.SEALED.get(1));
    assertThat(known.poll(BOUND.toSeconds(), TimeUnit.SECONDS))
        .as("one disk, before the answer")
        .isEqualTo(ScriptedService.SEALED.get(1));
    assertThat(call).isNotDone();
    // No thread of the server waits with it: others are answered.
    assertThat(peer.describe("db", BOUND)).hasSize(1);
    service.parked.complete(ScriptedService.SEALED);
    assertThat(call.get(BOUND.toSeconds(), TimeUnit.SECONDS))
        .as("in the order in which they became known")
        .containsExactly(ScriptedService.SEALED.get(1), ScriptedService.SEALED.get(0));
  }

  @Test
  void aParkedSealIsForgottenOnBothHostsWhenItIsCancelled() throws Exception {
    Peer peer = connected("hosta", "hostb");
    CompletableFuture<List<SealedDevice>> call =
        peer.sealWhenSuspended(ScriptedService.PARKED, BOUND, disk -> {});
    awaitParked();
    call.cancel(false);
    assertThatThrownBy(() -> service.parked.get(BOUND.toSeconds(), TimeUnit.SECONDS))
        .isInstanceOf(CancellationException.class);
  }

  @Test
  void aParkedSealFailsInWords() throws Exception {
    Peer peer = connected("hosta", "hostb");
    assertThat(parkedFailure(peer.sealWhenSuspended(MIGRATION, BOUND, disk -> {})))
        .hasMessage("no migration " + MIGRATION)
        .returns(Kind.REFUSED, PeerException::kind);
    CompletableFuture<List<SealedDevice>> refused =
        peer.sealWhenSuspended(ScriptedService.PARKED, BOUND, disk -> {});
    awaitParked();
    service.parked.completeExceptionally(new MigrationRefusedException("16 requests unanswered"));
    assertThat(parkedFailure(refused)).hasMessage("16 requests unanswered");
  }

  @Test
  void aParkedSealEndsWithItsBound() throws Exception {
    Peer peer = connected("hosta", "hostb");
    assertThat(peer.describe("db", BOUND)).as("it has its connection").hasSize(1);
    Duration bound = Duration.ofMillis(100);
    while (service.callers.isEmpty()) { // on a busy machine it may end before it is there
      bound = bound.multipliedBy(2);
      assertThat(bound).as("the call arrives").isLessThan(BOUND);
      assertThat(parkedFailure(peer.sealWhenSuspended(ScriptedService.PARKED, bound, disk -> {})))
          .hasMessageContaining("did not answer within " + bound.toMillis() + " ms");
    }
    assertThatThrownBy(() -> service.parked.get(BOUND.toSeconds(), TimeUnit.SECONDS))
        .isInstanceOf(CancellationException.class);
  }

  @Test
  void aServerThatEndsDoesNotWaitForParkedCalls() throws Exception {
    Peer peer = connected("hosta", "hostb");
    CompletableFuture<List<SealedDevice>> call =
        peer.sealWhenSuspended(ScriptedService.PARKED, BOUND, disk -> {});
    awaitParked();
    server.close();
    assertThat(parkedFailure(call))
        .hasMessageContaining("is shutting down")
        .returns(Kind.NO_ANSWER, PeerException::kind);
  }

  private void awaitParked() {
    long end = System.nanoTime() + BOUND.toNanos();
    while (service.callers.isEmpty()) {
      assertThat(System.nanoTime()).as("the call arrives").isLessThan(end);
      Thread.onSpinWait();
    }
  }

  private static PeerException parkedFailure(CompletableFuture<List<SealedDevice>> call) {
    ExecutionException failure =
        catchThrowableOfType(
            ExecutionException.class, () -> call.get(BOUND.toSeconds(), TimeUnit.SECONDS));
    assertThat(failure).hasCauseInstanceOf(PeerException.class);
    return (PeerException) failure.getCause();
  }

  @Test
  void theNativeTlsIsUsed() {
    assertThat(HostTls.provider()).isEqualTo(SslProvider.OPENSSL);
  }

  @Test
  void aRefusalIsCertainAndABugIsNot() throws Exception {
    Peer peer = connected("hosta", "hostb");
    PeerException refused =
        catchThrowableOfType(
            PeerException.class,
            () -> peer.takeOver(MIGRATION, List.of(new Claim("xvda", 41, -5)), BOUND));
    assertThat(refused.kind()).isEqualTo(Kind.REFUSED);
    assertThat(refused).hasMessageStartingWith("take-over refused: found");
    PeerException bug =
        catchThrowableOfType(PeerException.class, () -> peer.commit(MIGRATION, BOUND));
    assertThat(bug.kind()).isEqualTo(Kind.NO_ANSWER);
    assertThat(bug).hasMessageContaining("see the log of netchanneld there");
  }

  @Test
  void aPeerOfAnOlderVersionIsToldApart() throws Exception {
    Server older =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(new PeerProtocolGrpc.PeerProtocolImplBase() {})
            .build()
            .start();
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("127.0.0.1", older.getPort()).usePlaintext().build();
    try {
      Peer peer =
          new GrpcPeer(
              new PeerAddress("hostb", "127.0.0.1", older.getPort()), "hosta", () -> channel);
      PeerException refused =
          catchThrowableOfType(
              PeerException.class, () -> peer.volume(ScriptedService.WANTED, BOUND));
      assertThat(refused.kind()).isEqualTo(Kind.REFUSED);
      assertThat(refused)
          .hasMessageStartingWith("hostb (127.0.0.1:")
          .hasMessageEndingWith(
              "does not know this request: its netchannel is of an older version");
    } finally {
      channel.shutdownNow();
      older.shutdownNow();
    }
  }

  @Test
  void theAddressInTheCertificateWillDo() throws Exception {
    assertThat(connected("hosta", "byaddress").describe("db", BOUND)).hasSize(1);
  }

  @Test
  void aServerOfAnotherAuthorityIsNotTrusted() throws Exception {
    assertThat(failure(connected("hosta", "foreign")))
        .hasMessageContaining("hostb (127.0.0.1:")
        .hasMessageContaining("is not trusted: expected one signed by")
        .hasMessageContaining("cacert.pem");
  }

  @Test
  void anExpiredServerIsNotTrusted() throws Exception {
    assertThat(failure(connected("hosta", "expired")))
        .hasMessageContaining("is not trusted")
        .hasMessageContaining("NotAfter");
  }

  @Test
  void aServerWithAnotherNameIsNotTrusted() throws Exception {
    assertThat(failure(connected("hosta", "stranger")))
        .hasMessageContaining("expected a certificate for hostb or 127.0.0.1, found one for")
        .hasMessageContaining("stranger");
  }

  @Test
  void aClientOfAnotherAuthorityGetsNothing() throws Exception {
    // It trusts the server's authority, so that only its own certificate is wrong.
    Files.copy(
        pki.resolve("ca/CA/cacert.pem"),
        pki.resolve("foreign/CA/serverca.pem"),
        StandardCopyOption.REPLACE_EXISTING);
    TlsFiles foreign = TlsFiles.libvirt(pki.resolve("foreign"));
    int port = serve("hostb", 0, ProtocolVersion.CURRENT);
    peers =
        new Peers(
            "hosta",
            new HostTls(
                TlsFiles.of(
                    pki.resolve("foreign/CA/serverca.pem"),
                    foreign.clientCertificate(),
                    foreign.clientKey())),
            List.of(new PeerAddress("hostb", "127.0.0.1", port)));
    assertThat(failure(peers.all().get(0))).hasMessageContaining("hostb (127.0.0.1:");
    assertThat(service.callers).isEmpty();
  }

  /** gRPC's own resolver throws for these; here the name service decides. */
  @ParameterizedTest
  @CsvSource({
    "my_host:5, my_host:5",
    "[fe80::1%25br-lan]:5, [fe80::1]:5",
    "[fd00::2], [fd00::2]:16515",
    "hostb.example, hostb.example:16515",
  })
  void hostsOfAllFormsAreResolved(String text, String authority) throws Exception {
    PeerAddress address = PeerAddress.parse("hostb", text);
    peers = new Peers("hosta", tls("hosta"), List.of(address));
    assertThat(peers.all()).hasSize(1);
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(PeerResolver.target(address)).usePlaintext().build();
    try {
      assertThat(channel.authority()).isEqualTo(authority);
    } finally {
      channel.shutdownNow();
    }
  }

  @Test
  void aPeerWithoutAnAddressIsToldInWords() throws Exception {
    peers =
        new Peers(
            "hosta", tls("hosta"), List.of(new PeerAddress("hostb", "fe80::1%no-such-if", 5)));
    assertThat(failure(peers.all().get(0)))
        .hasMessageContaining("its name is not known: no such interface");
  }

  @Test
  void anExpiredClientGetsNothing() throws Exception {
    assertThat(failure(connected("expired", "hostb"))).hasMessageContaining("hostb (127.0.0.1:");
  }

  @Test
  void aStrangerIsTurnedAwayInWords() throws Exception {
    PeerException refused = failure(connected("stranger", "hostb"));
    assertThat(refused.kind()).isEqualTo(Kind.REFUSED);
    assertThat(refused)
        .hasMessageContaining("expected a certificate of one of the peers [hosta]")
        .hasMessageContaining("add the caller as a [[peer]] on hostb");
  }

  @Test
  void aCallerWithoutACertificateIsTurnedAwayInWords() throws Exception {
    int port = serve("hostb", 0, ProtocolVersion.CURRENT);
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("127.0.0.1", port)
            .sslContext(
                GrpcSslContexts.forClient()
                    .trustManager(pki.resolve("ca/CA/cacert.pem").toFile())
                    .build())
            .intercept(new ProtocolVersion("hosta", ProtocolVersion.CURRENT))
            .build();
    try {
      PeerException refused =
          failure(
              new GrpcPeer(new PeerAddress("hostb", "127.0.0.1", port), "hosta", () -> channel));
      assertThat(refused).hasMessageContaining("expected a client certificate, found none");
      assertThat(refused.kind()).isEqualTo(Kind.REFUSED);
    } finally {
      channel.shutdownNow();
    }
  }

  /** More of them than there are places for: the oldest go, and no peer. */
  @Test
  void strangersKeepNoPeerOut() throws Exception {
    int port = serve("hostb", 0, ProtocolVersion.CURRENT, FEW);
    List<SocketChannel> strangers = new ArrayList<>();
    try {
      Peer before = connect("hosta", port); // also loads what a busy machine takes long for
      assertThat(before.describe("db", BOUND)).hasSize(1);
      peers.close();
      crowd(port, strangers);
      Peer peer = connect("hosta", port);
      assertThat(peer.describe("db", BOUND)).as("a known one gets in").hasSize(1);
      assertThat(hanging(strangers)).as("while they hang").isBetween(1, FEW);
      CompletableFuture<List<SealedDevice>> call =
          peer.sealWhenSuspended(ScriptedService.PARKED, PATIENCE, disk -> {});
      awaitParked();
      crowd(port, strangers);
      assertThat(peer.describe("db", BOUND)).hasSize(1);
      service.parked.complete(ScriptedService.SEALED);
      assertThat(call.get(BOUND.toSeconds(), TimeUnit.SECONDS))
          .as("over a connection that is older than all of these")
          .isEqualTo(ScriptedService.SEALED);
    } finally {
      close(strangers);
    }
  }

  /** Those that were closed for being slow, on a busy machine, come again. */
  @Test
  void aPeerGetsInWhileAThousandStrangersHang() throws Exception {
    int port = serve("hostb", 0, ProtocolVersion.CURRENT);
    List<SocketChannel> strangers = new ArrayList<>();
    long end = System.nanoTime() + PATIENCE.toNanos();
    try {
      boolean gotInBeside = false;
      while (!gotInBeside) {
        assertThat(System.nanoTime()).as("it gets in").isLessThan(end);
        List<SocketChannel> gone = strangers.stream().filter(each -> !hangs(each)).toList();
        close(gone);
        strangers.removeAll(gone);
        come(CROWD - strangers.size(), port, strangers);
        gotInBeside = answers(connect("hosta", port)) && hanging(strangers) >= CROWD;
        peers.close();
      }
    } finally {
      close(strangers);
    }
  }

  private static boolean answers(Peer peer) {
    try {
      return peer.describe("db", BOUND).size() == 1;
    } catch (PeerException e) {
      return false; // not within the bound of a handshake
    }
  }

  /** Twice as many as there are places for; returns when no more than those are left. */
  private static void crowd(int port, List<SocketChannel> strangers) throws IOException {
    come(2 * FEW, port, strangers);
    Waiting.until("the oldest are closed", () -> hanging(strangers) <= FEW);
  }

  private static void come(int count, int port, List<SocketChannel> strangers) throws IOException {
    for (int i = 0; i < count; i++) {
      SocketChannel stranger =
          SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      strangers.add(stranger);
      stranger.configureBlocking(false);
    }
  }

  private static int hanging(List<SocketChannel> strangers) {
    return (int) strangers.stream().filter(PeersTest::hangs).count();
  }

  private static void close(List<SocketChannel> strangers) throws IOException {
    for (SocketChannel each : strangers) {
      each.close();
    }
  }

  /** The server has neither said anything to it nor closed it. */
  private static boolean hangs(SocketChannel stranger) {
    try {
      return stranger.read(ByteBuffer.allocate(1)) == 0;
    } catch (IOException e) {
      return false; // reset
    }
  }

  @Test
  void anotherProtocolVersionIsRefusedInWords() throws Exception {
    Peer peer = connect("hosta", serve("hostb", 0, ProtocolVersion.CURRENT + 1));
    assertThat(failure(peer))
        .hasMessage(
            "hostb expected peer protocol 4, found 3; install the same version of Netchannel on"
                + " both hosts");
  }

  @Test
  void aDeadlineIsKept() throws Exception {
    Peer peer = connected("hosta", "hostb");
    assertThat(peer.describe("db", BOUND)).hasSize(1);
    PeerException late =
        catchThrowableOfType(
            PeerException.class, () -> peer.describe("slow", Duration.ofMillis(200)));
    assertThat(late.kind()).isEqualTo(Kind.NO_ANSWER);
    assertThat(late).hasMessageContaining("did not answer within 200 ms");
  }

  @Test
  void aServerThatIsDownIsReportedAndOneThatComesBackIsFound() throws Exception {
    int port = serve("hostb", 0, ProtocolVersion.CURRENT);
    Peer peer = connect("hosta", port);
    assertThat(peer.describe("db", BOUND)).hasSize(1);
    server.close();
    assertThat(failure(peer))
        .hasMessageContaining("cannot be reached")
        .hasMessageContaining("is netchanneld running there?");
    assertThat(peers.health(BOUND).get(0).problem()).contains("cannot be reached");
    serve("hostb", port, ProtocolVersion.CURRENT);
    assertThat(peer.seal(MIGRATION, BOUND)).hasSize(2);
    assertThat(peer.describe("db", BOUND)).hasSize(1);
  }

  /** They take connections and say nothing. */
  @Test
  void silentPeersAreAskedAtOnceAndNotWaitedFor() throws Exception {
    Duration bound = Duration.ofSeconds(2);
    int silent = 5;
    try (ServerSocket socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      List<PeerAddress> addresses = new ArrayList<>();
      addresses.add(
          new PeerAddress("hostb", "127.0.0.1", serve("hostb", 0, ProtocolVersion.CURRENT)));
      for (int i = 0; i < silent; i++) {
        addresses.add(new PeerAddress("silent" + i, "127.0.0.1", socket.getLocalPort()));
      }
      peers = new Peers("hosta", tls("hosta"), addresses);
      assertThat(peers.all().get(0).describe("db", BOUND)).hasSize(1);
      long begin = System.nanoTime();
      List<Peers.Health> found = peers.health(bound);
      assertThat(Duration.ofNanos(System.nanoTime() - begin))
          .as("one after the other")
          .isLessThan(bound.multipliedBy(silent));
      assertThat(found).extracting(Peers.Health::address).isEqualTo(addresses);
      assertThat(found.get(0).problem()).isEmpty();
      assertThat(found.subList(1, found.size()))
          .allSatisfy(
              health -> {
                assertThat(health.connected()).isFalse();
                assertThat(health.problem()).contains(health.address().name());
              });
    }
  }

  @Test
  void aMissingFileIsNamed() {
    TlsException missing = catchThrowableOfType(TlsException.class, () -> tls("nowhere"));
    assertThat(missing)
        .hasMessageContaining("found: no such file")
        .hasMessageContaining("nowhere")
        .hasMessageContaining("netchannel pki");
  }

  @Test
  void keysAreForTheirOwnerOnly() throws IOException {
    for (String key :
        List.of(
            "ca/CA/private/cakey.pem",
            "hosta/libvirt/private/serverkey.pem",
            "hosta/libvirt/private/clientkey.pem")) {
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(pki.resolve(key))))
          .as(key)
          .isEqualTo("rw-------");
    }
  }
}
