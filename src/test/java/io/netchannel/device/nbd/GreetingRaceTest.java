package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A server with several addresses is reached at the first one where it is, in a small time. */
@Timeout(120)
final class GreetingRaceTest {
  /** Far more than a server on this host needs; a test that uses it up fails. */
  private static final Duration BOUND = Duration.ofSeconds(30);

  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open) {
      each.close();
    }
  }

  /** Takes connections, which the kernel does, and says nothing. */
  private SocketAddress silent() throws IOException {
    ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    open.add(listener);
    return listener.getLocalSocketAddress();
  }

  /** Packets to it get no answer: its queue of connections is full, and nobody takes from it. */
  private SocketAddress blackHole() throws IOException {
    ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    open.add(listener);
    for (int i = 0; i < 8; i++) {
      SocketChannel channel = SocketChannel.open();
      open.add(channel);
      channel.configureBlocking(false);
      var unused = channel.connect(listener.getLocalSocketAddress());
    }
    return listener.getLocalSocketAddress();
  }

  /** Nobody listens. */
  private static SocketAddress refusing() throws IOException {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return listener.getLocalSocketAddress();
    }
  }

  /** Takes connections and ends them. */
  private SocketAddress ending() throws IOException {
    ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    open.add(listener);
    Thread thread =
        new Thread(
            () -> {
              while (!listener.isClosed()) {
                try {
                  listener.accept().close();
                } catch (IOException e) {
                  // The test has ended.
                }
              }
            });
    thread.setDaemon(true);
    thread.start();
    return listener.getLocalSocketAddress();
  }

  @Test
  void anAddressThatDoesNotServeCostsAMoment() throws Exception {
    try (OldServer server = new OldServer(OldServer.Kind.EXPORT_NAME_ONLY)) {
      for (SocketAddress first : List.of(silent(), blackHole(), refusing(), ending())) {
        long before = System.nanoTime();
        try (NbdSocket socket =
            NbdSocket.connect(List.of(first, server.address()), BOUND, System::nanoTime)) {
          assertThat(((InetSocketAddress) socket.channel().getRemoteAddress()))
              .isEqualTo(server.address());
          assertThat(Handshake.run(socket, NbdUri.tcp("h", 1, OldServer.NAME)).sizeBytes())
              .isEqualTo(OldServer.SIZE_BYTES);
        }
        assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(BOUND.dividedBy(2));
      }
    }
  }

  @Test
  void theFirstAddressIsUsedWhenItServes() throws Exception {
    try (OldServer first = new OldServer(OldServer.Kind.NOT_FIXED);
        OldServer second = new OldServer(OldServer.Kind.NOT_FIXED)) {
      for (List<SocketAddress> order :
          List.of(
              List.of(first.address(), second.address()),
              List.of(second.address(), first.address()))) {
        try (NbdSocket socket = NbdSocket.connect(order, BOUND, System::nanoTime)) {
          assertThat(socket.channel().getRemoteAddress()).isEqualTo(order.get(0));
        }
      }
    }
  }

  @Test
  void withoutAnyServerTheReasonIsTold() throws Exception {
    List<SocketAddress> dead = List.of(refusing(), refusing());
    assertThatThrownBy(() -> NbdSocket.connect(dead, BOUND, System::nanoTime))
        .isInstanceOf(ConnectException.class);
    List<SocketAddress> mute = List.of(silent(), blackHole());
    assertThatThrownBy(() -> NbdSocket.connect(mute, Duration.ofMillis(600), System::nanoTime))
        .isInstanceOf(SocketTimeoutException.class)
        .hasMessageContaining("did not answer in time");
  }
}
