package io.netchannel.coordinator.peer;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

final class PeerChannelTest {
  private final AtomicInteger made = new AtomicInteger();
  private final PeerChannel channel = new PeerChannel(this::make);

  private ManagedChannel make() {
    made.incrementAndGet();
    return NettyChannelBuilder.forAddress("127.0.0.1", 1).usePlaintext().build();
  }

  @Test
  void itIsMadeOnceAndNotBeforeItIsUsed() {
    GrpcPeer peer = new GrpcPeer(new PeerAddress("hostb", "127.0.0.1", 1), "hosta", channel);
    assertThat(peer.name()).isEqualTo("hostb");
    assertThat(made).hasValue(0);
    ManagedChannel first = channel.get();
    assertThat(channel.get()).isSameAs(first);
    assertThat(peer.isConnected()).isFalse();
    assertThat(made).hasValue(1);
    channel.close();
    assertThat(first.isShutdown()).isTrue();
  }

  @Test
  void oneThatIsClosedMakesNoConnection() {
    channel.close();
    assertThat(made).hasValue(0);
    assertThat(channel.get().isShutdown()).isTrue();
  }
}
