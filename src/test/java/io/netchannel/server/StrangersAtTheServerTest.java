package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.QUICK;
import static io.netchannel.server.ServerHarness.READ_ONLY_EXPORT;
import static io.netchannel.server.ServerHarness.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.xen.Waiting;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A thousand that only want the place, at the address of those that are known. Takes some 2,000
 * descriptors of this process.
 */
@Timeout(180)
final class StrangersAtTheServerTest {
  private static final int CROWD = 1000;

  /** Those that shake hands to the end and have no certificate, or one of another authority. */
  private static final int WITHOUT_CERTIFICATE = 20;

  private static final int UNTRUSTED = 3;
  private static final int FEW = 8;

  /** So none of them is ever closed for being slow: only for others. */
  private static final int HANDSHAKE_SECONDS = 600;

  @TempDir private Path directory;
  private ServerHarness host;

  /** With {@link #FEW} places for strangers. */
  private ServerHarness few;

  @BeforeEach
  void start() throws Exception {
    host = with(ServerLimits.DEFAULT.strangers(), directory);
    few = with(FEW, Files.createDirectory(directory.resolve("few")));
  }

  private static ServerHarness with(int strangers, Path directory) throws Exception {
    ServerLimits usual = ServerLimits.DEFAULT;
    return new ServerHarness(
        directory,
        1,
        new ServerLimits(
            usual.slots(),
            usual.windowBytes(),
            strangers,
            usual.connections(),
            HANDSHAKE_SECONDS,
            usual.silenceSeconds()));
  }

  @AfterEach
  void stop() {
    few.close();
    host.close();
  }

  private InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), host.port());
  }

  private static long threadsOfConnections() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("server-client-"))
        .count();
  }

  @Test
  void aThousandOfThemKeepNobodyOut() throws Exception {
    Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, 1);
        ServerHarness other = new ServerHarness(elsewhere, 1);
        DeviceOpener untrusted = host.opener(other.tls("hosta", host), QUICK)) {
      proxy.heal();
      Device before = host.open(ServerHarness.source(EXPORT, proxy.port()), as(CLIENT, 1));
      assertThat(Requests.write(before, 0, new byte[512])).isEqualTo(Outcome.OK);
      try (Crowd crowd = new Crowd(address(), CROWD)) {
        Waiting.until("all have come", () -> crowd.came.get() >= CROWD);
        List<Socket> nameless = nameless();
        List<CompletableFuture<Void>> refused = new ArrayList<>();
        for (int i = 0; i < UNTRUSTED; i++) {
          refused.add(CompletableFuture.runAsync(() -> isRefused(untrusted), host.executor));
        }

        assertThat(Requests.write(before, 512, new byte[512])).isEqualTo(Outcome.OK);
        int cuts = proxy.cuts.get();
        proxy.cutNow();
        assertThat(proxy.cuts.get()).isGreaterThan(cuts);
        assertThat(Requests.write(before, 1024, new byte[512]))
            .as("over another connection")
            .isEqualTo(Outcome.OK);
        OpenOptions reader = OpenOptions.of(true, new OpenOptions.User("other/xvda", 1));
        try (Device another = host.open(host.source(READ_ONLY_EXPORT), reader)) {
          assertThat(Requests.read(another, 0, 512)).containsOnly(0);
          Waiting.until(
              "threads of connections: those of the two devices only",
              () -> threadsOfConnections() <= 2);
          assertThat(crowd.present()).as("the crowd is still there").isGreaterThan(CROWD / 2);
        }
        for (CompletableFuture<Void> each : refused) {
          each.join();
        }
        for (Socket each : nameless) {
          each.close();
        }
      }
      before.close();
    }
    assertThat(host.disk.open).as("detached").hasValue(0);
  }

  private void isRefused(DeviceOpener untrusted) {
    assertThatThrownBy(() -> untrusted.open(host.source(EXPORT), as("untrusted/xvda", 1)))
        .isInstanceOf(DeviceException.class);
  }

  /** Some may be displaced at once; that they have tried is enough. */
  private List<Socket> nameless() throws Exception {
    SSLContext anybody = SSLContext.getInstance("TLS");
    anybody.init(null, new TrustManager[] {TrustsAll.INSTANCE}, new SecureRandom());
    List<Socket> found = new ArrayList<>();
    for (int i = 0; i < WITHOUT_CERTIFICATE; i++) {
      SSLSocket socket =
          (SSLSocket)
              anybody
                  .getSocketFactory()
                  .createSocket(InetAddress.getLoopbackAddress(), host.port());
      found.add(socket);
      try {
        socket.startHandshake();
      } catch (IOException e) {
        assertThat(socket.isConnected()).isTrue();
      }
    }
    return found;
  }

  /** More than there are places for: the oldest goes, and then a known one gets in. */
  @Test
  void whoSaysNothingIsClosedForWhoComes() throws Exception {
    List<Socket> silent = new ArrayList<>();
    for (int i = 0; i <= FEW; i++) {
      silent.add(new Socket(InetAddress.getLoopbackAddress(), few.port()));
    }
    silent.get(0).setSoTimeout((int) QUICK.open().toMillis());
    assertThat(silent.get(0).getInputStream().readAllBytes()).as("what it was told").isEmpty();
    try (Device device = few.open(few.source(EXPORT), as(CLIENT, 1))) {
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      Optional<String> from = few.from(EXPORT);
      for (int i = 0; i <= FEW; i++) {
        silent.add(new Socket(InetAddress.getLoopbackAddress(), few.port()));
      }
      Socket second = silent.get(FEW + 1);
      second.setSoTimeout((int) QUICK.open().toMillis());
      assertThat(second.getInputStream().readAllBytes()).isEmpty();
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThat(few.from(EXPORT)).as("over the same connection").isEqualTo(from);
    }
    for (Socket each : silent) {
      each.close();
    }
  }

  /** They have a thread of their own from the first byte on, and move there in the middle of it. */
  @Test
  void manyKnownOnesComeAtOnceAndSpeakAtOnce() throws Exception {
    int many = 40;
    for (int round = 0; round < 3; round++) {
      List<CompletableFuture<Device>> opening = new ArrayList<>();
      for (int i = 0; i < many; i++) {
        OpenOptions reader = OpenOptions.of(true, new OpenOptions.User("many/" + i, round + 1));
        opening.add(
            CompletableFuture.supplyAsync(
                () -> {
                  try {
                    return host.open(host.source(READ_ONLY_EXPORT), reader);
                  } catch (Exception e) {
                    throw new IllegalStateException(e);
                  }
                },
                host.executor));
      }
      for (CompletableFuture<Device> each : opening) {
        try (Device device = each.join()) {
          assertThat(Requests.read(device, 4096, 64 << 10)).containsOnly(0);
        }
      }
    }
  }
}
