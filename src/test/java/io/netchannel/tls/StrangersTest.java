package io.netchannel.tls;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.embedded.EmbeddedChannel;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import org.junit.jupiter.api.Test;

/** Who has to go for whom. */
final class StrangersTest {
  private static final int PLACES = 4;

  private final Strangers strangers = new Strangers(PLACES);
  private int port = 1000;

  private static final class From extends EmbeddedChannel {
    private final SocketAddress address;

    private From(SocketAddress address) {
      super();
      this.address = address;
    }

    @Override
    protected SocketAddress remoteAddress0() {
      return isActive() ? address : null;
    }
  }

  private From enter(String host) {
    From channel = new From(new InetSocketAddress(host, port++));
    strangers.enter(channel);
    return channel;
  }

  @Test
  void theOldestGoes() {
    From first = enter("192.0.2.1");
    From second = enter("192.0.2.1");
    for (int i = 2; i < PLACES; i++) {
      enter("192.0.2.1");
    }
    assertThat(first.isOpen()).isTrue();
    From last = enter("192.0.2.1");
    assertThat(first.isOpen()).isFalse();
    assertThat(second.isOpen()).isTrue();
    assertThat(last.isOpen()).isTrue();
  }

  @Test
  void anAddressTakesPlacesFromItselfOnly() {
    From other = enter("192.0.2.1");
    for (int i = 0; i < 10 * PLACES; i++) {
      assertThat(enter("192.0.2.2").isOpen()).isTrue();
    }
    assertThat(other.isOpen()).isTrue();
  }

  /** A host has as many addresses of its network as it likes. */
  @Test
  void aNetworkOfIpv6CountsAsOne() {
    From other = enter("2001:db8:0:1::1");
    for (int i = 0; i < 10 * PLACES; i++) {
      assertThat(enter("2001:db8:0:2::" + Integer.toHexString(i)).isOpen()).isTrue();
    }
    assertThat(other.isOpen()).isTrue();
  }

  @Test
  void whoIsKnownHasNoPlaceToLose() {
    From known = enter("192.0.2.1");
    strangers.known(known);
    From byAddress = enter("192.0.2.1");
    strangers.known(byAddress.remoteAddress());
    for (int i = 0; i < 10 * PLACES; i++) {
      enter("192.0.2.1");
    }
    assertThat(known.isOpen()).isTrue();
    assertThat(byAddress.isOpen()).isTrue();
  }

  @Test
  void whoHasGoneLeavesItsPlace() {
    From stays = enter("192.0.2.1");
    for (int i = 0; i < 10 * PLACES; i++) {
      var unused = enter("192.0.2.1").close();
    }
    assertThat(stays.isOpen()).isTrue();
  }

  @Test
  void nobodyEntersWhenItIsClosed() {
    From before = enter("192.0.2.1");
    strangers.close();
    assertThat(before.isOpen()).isFalse();
    assertThat(enter("192.0.2.1").isOpen()).isFalse();
  }
}
