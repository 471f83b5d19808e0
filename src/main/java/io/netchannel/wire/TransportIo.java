package io.netchannel.wire;

import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.local.LocalIoHandle;
import io.netty.channel.local.LocalIoHandler;
import io.netty.util.concurrent.ThreadAwareExecutor;

/**
 * Sockets and channels within the process on the same threads. A thread waits for its sockets; the
 * other channels only need to be known, so that they end with it.
 */
final class TransportIo implements IoHandler {
  private final IoHandler sockets;
  private final IoHandler local;

  private TransportIo(IoHandler sockets, IoHandler local) {
    this.sockets = sockets;
    this.local = local;
  }

  static IoHandlerFactory newFactory() {
    IoHandlerFactory sockets = EpollIoHandler.newFactory();
    IoHandlerFactory local = LocalIoHandler.newFactory();
    return (ThreadAwareExecutor executor) ->
        new TransportIo(sockets.newHandler(executor), local.newHandler(executor));
  }

  @Override
  public void initialize() {
    sockets.initialize();
    local.initialize();
  }

  @Override
  public int run(IoHandlerContext context) {
    return sockets.run(context);
  }

  @Override
  public void wakeup() {
    sockets.wakeup();
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    return handle instanceof LocalIoHandle ? local.register(handle) : sockets.register(handle);
  }

  @Override
  public boolean isCompatible(Class<? extends IoHandle> type) {
    return sockets.isCompatible(type) || local.isCompatible(type);
  }

  @Override
  public void prepareToDestroy() {
    local.prepareToDestroy();
    sockets.prepareToDestroy();
  }

  @Override
  public void destroy() {
    local.destroy();
    sockets.destroy();
  }
}
