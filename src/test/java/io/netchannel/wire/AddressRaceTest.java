package io.netchannel.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.SocketAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A server with several addresses is reached at the first that takes the connection. */
@Timeout(120)
final class AddressRaceTest {
  /** Of one address: longer than the test may take, so that it does not decide. */
  private static final int TIMEOUT_MILLIS = 100_000;

  private final List<AutoCloseable> open = new ArrayList<>();
  private final Transport transport = new Transport("race", 1);

  @AfterEach
  void close() throws Exception {
    transport.close();
    for (AutoCloseable each : open) {
      each.close();
    }
  }

  private SocketAddress serving() throws IOException {
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

  private static SocketAddress refusing() throws IOException {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return listener.getLocalSocketAddress();
    }
  }

  /** The address of the connection that became active. */
  private CompletableFuture<SocketAddress> race(List<SocketAddress> addresses) {
    CompletableFuture<SocketAddress> active = new CompletableFuture<>();
    var loop = transport.next();
    loop.execute(
        () -> {
          var unused =
              AddressRace.start(
                  loop,
                  addresses,
                  TIMEOUT_MILLIS,
                  (channel, address) ->
                      new ChannelInboundHandlerAdapter() {
                        @Override
                        public void channelActive(ChannelHandlerContext context) {
                          active.complete(context.channel().remoteAddress());
                        }
                      },
                  active::completeExceptionally);
        });
    return active;
  }

  @Test
  void anAddressThatSwallowsPacketsCostsAMoment() throws Exception {
    SocketAddress good = serving();
    assertThat(race(List.of(blackHole(), blackHole(), good)).get(30, TimeUnit.SECONDS))
        .isEqualTo(good);
  }

  @Test
  void theFirstThatAnswersIsUsed() throws Exception {
    SocketAddress good = serving();
    assertThat(race(List.of(good, serving())).get(30, TimeUnit.SECONDS)).isEqualTo(good);
    assertThat(race(List.of(refusing(), good, serving())).get(30, TimeUnit.SECONDS))
        .isEqualTo(good);
  }

  @Test
  void withoutAnyTheReasonIsTold() throws Exception {
    CompletableFuture<SocketAddress> none = race(List.of(refusing(), refusing()));
    Assertions.assertThatThrownBy(() -> none.get(30, TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class)
        .hasCauseInstanceOf(ConnectException.class);
  }
}
