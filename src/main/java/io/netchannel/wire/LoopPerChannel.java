package io.netchannel.wire;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;

/** Gives each channel an event loop, with a thread, of its own, which ends with it. */
final class LoopPerChannel extends MultiThreadIoEventLoopGroup {
  private static final int CLOSE_SECONDS = 2;

  private final ThreadFactory threads;

  LoopPerChannel(ThreadFactory threads) {
    super(1, threads, PollingIo.over(EpollIoHandler.newFactory()));
    this.threads = threads;
  }

  @Override
  public ChannelFuture register(Channel channel) {
    EventLoopGroup own =
        new MultiThreadIoEventLoopGroup(1, threads, PollingIo.over(EpollIoHandler.newFactory()));
    channel
        .closeFuture()
        .addListener(
            closed -> {
              var unused = own.shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS);
            });
    return own.register(channel);
  }
}
