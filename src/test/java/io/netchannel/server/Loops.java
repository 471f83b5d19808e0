package io.netchannel.server;

import io.netchannel.device.usb.DescriptorLoop;
import io.netty.channel.IoEventLoop;

/** Connections' event loops, for tests of other packages. */
public final class Loops {
  private Loops() {}

  public static DescriptorLoop of(IoEventLoop loop) {
    return new ChannelLoop(loop);
  }
}
