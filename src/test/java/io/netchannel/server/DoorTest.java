package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.tls.Strangers;
import io.netchannel.wire.Transport;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.embedded.EmbeddedChannel;
import org.junit.jupiter.api.Test;

final class DoorTest {

  /** TLS goes on with what it has of a connection that was refused meanwhile. */
  @Test
  void whatIsDecodedAfterTheEndIsReleased() {
    try (Transport transport = new Transport("door", 1)) {
      Door door = new Door(new Strangers(1), new Places(1), transport, null);
      EmbeddedChannel channel = new EmbeddedChannel(door);
      ChannelHandlerContext context = channel.pipeline().context(door);
      ByteBuf before = Unpooled.directBuffer(16);
      ByteBuf after = Unpooled.directBuffer(16);
      channel.writeInbound(before);
      assertThat(before.refCnt()).as("kept until it is let in").isEqualTo(1);
      channel.close().syncUninterruptibly();
      door.channelRead(context, after);
      assertThat(before.refCnt()).isZero();
      assertThat(after.refCnt()).isZero();
    }
  }
}
