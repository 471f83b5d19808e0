package io.netchannel.wire;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.local.LocalAddress;
import io.netty.channel.local.LocalChannel;
import io.netty.channel.local.LocalServerChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.concurrent.EventExecutor;
import java.io.IOException;
import java.net.SocketAddress;
import java.util.UUID;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Threads and sockets, TCP or Unix, for clients and servers; and connections that a client and a
 * server of the same process have without any socket. A busy thread looks for a moment before it
 * sleeps ({@link PollingIo}). Both ends of such a connection live on one thread: what one sends,
 * the other one has read when the sending call returns.
 */
public final class Transport implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Transport.class);

  /** Where a sender stops: what one connection may have outstanding, and a batch of frames. */
  private static final WriteBufferWaterMark WATER_MARK = new WriteBufferWaterMark(1 << 20, 4 << 20);

  private static final int CLOSE_SECONDS = 2;

  private final EventLoopGroup loops;
  private final EventLoopGroup perChannel;

  /** One thread, which does not look for anything before it sleeps. */
  private final EventLoopGroup door;

  /** Where each thread's clients find the server of this process. */
  private final ImmutableMap<EventLoop, LocalAddress> here;

  /**
   * @param name of its threads
   * @param threads each serves many connections
   */
  public Transport(String name, int threads) {
    if (!Epoll.isAvailable()) {
      throw new IllegalStateException(
          "netty's epoll transport for linux-x86_64 cannot be loaded: "
              + Epoll.unavailabilityCause(),
          Epoll.unavailabilityCause());
    }
    loops =
        new MultiThreadIoEventLoopGroup(
            threads, threads(name), PollingIo.over(TransportIo.newFactory()));
    perChannel = new LoopPerChannel(threads(name + "-client"));
    door = new MultiThreadIoEventLoopGroup(1, threads(name + "-door"), EpollIoHandler.newFactory());
    ImmutableMap.Builder<EventLoop, LocalAddress> addresses = ImmutableMap.builder();
    for (EventExecutor loop : loops) {
      addresses.put((EventLoop) loop, new LocalAddress(name + "-" + UUID.randomUUID()));
    }
    here = addresses.buildOrThrow();
  }

  private static ThreadFactory threads(String name) {
    return new ThreadFactoryBuilder().setNameFormat(name + "-%d").setDaemon(true).build();
  }

  /** One of the threads, for something that stays with it. */
  public EventLoop next() {
    return loops.next();
  }

  /**
   * Where a client on {@code loop}, which is one of these threads, finds the server of this process
   * after {@link #listenHere}.
   */
  public SocketAddress here(EventLoop loop) {
    return here.get(loop);
  }

  private static Class<? extends Channel> channelFor(SocketAddress address) {
    if (address instanceof LocalAddress) {
      return LocalChannel.class;
    }
    return address instanceof DomainSocketAddress
        ? EpollDomainSocketChannel.class
        : EpollSocketChannel.class;
  }

  /** Begins to connect, on {@code loop}. */
  public static ChannelFuture connect(
      EventLoop loop, SocketAddress address, int timeoutMillis, ChannelHandler handler) {
    Class<? extends Channel> channel = channelFor(address);
    Bootstrap bootstrap =
        new Bootstrap()
            .group(loop)
            .channel(channel)
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, timeoutMillis)
            .option(ChannelOption.WRITE_BUFFER_WATER_MARK, WATER_MARK)
            .handler(handler);
    if (channel == EpollSocketChannel.class) {
      bootstrap.option(ChannelOption.TCP_NODELAY, true);
    }
    return bootstrap.connect(address);
  }

  /**
   * Listens from now on. Each connection has a thread of its own: what it waits for holds up no
   * other one.
   *
   * @param handler for each connection
   * @throws IOException when the address cannot be had
   */
  public Channel listen(SocketAddress address, ChannelHandler handler) throws IOException {
    return listen(address, handler, loops, perChannel);
  }

  /** As {@link #listen}; the connections share the threads of this transport. */
  public Channel listenShared(SocketAddress address, ChannelHandler handler) throws IOException {
    return listen(address, handler, loops, loops);
  }

  /**
   * As {@link #listen}, where anybody may connect: all connections share one thread, with nobody
   * else, until they are given one of their own ({@link #giveThread}). It accepts them, too: what
   * it has not come to yet waits in the kernel.
   */
  public Channel listenAtDoor(SocketAddress address, ChannelHandler handler) throws IOException {
    return listen(address, handler, door, door);
  }

  /**
   * Moves a connection from the door's thread to one of its own. Handlers hear {@code
   * channelUnregistered} as the last on the old thread and {@code channelRegistered} as the first
   * on the new one, with nothing in between; or it is closed. What came with what they are handling
   * now they still hear on the old one.
   *
   * @param channel of {@link #listenAtDoor}; on its event loop
   */
  public void giveThread(Channel channel) {
    var unused =
        channel
            .deregister()
            .addListener(
                left -> {
                  if (channel.isOpen()) {
                    register(channel);
                  }
                });
  }

  /** A thread needs descriptors; without them the connection ends, as nobody would hear of it. */
  private void register(Channel channel) {
    try {
      var unused = perChannel.register(channel);
    } catch (RuntimeException | Error e) {
      log.warn("{}: no thread for it: {}", channel.remoteAddress(), e.getMessage());
      var unused = channel.close();
    }
  }

  /** How many may wait to be accepted is the kernel's to say (net.core.somaxconn). */
  private static Channel listen(
      SocketAddress address,
      ChannelHandler handler,
      EventLoopGroup acceptor,
      EventLoopGroup children)
      throws IOException {
    boolean unix = address instanceof DomainSocketAddress;
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(acceptor, children)
            .channel(unix ? EpollServerDomainSocketChannel.class : EpollServerSocketChannel.class)
            .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, WATER_MARK)
            .childHandler(handler);
    if (!unix) {
      bootstrap.option(ChannelOption.SO_REUSEADDR, true);
      bootstrap.childOption(ChannelOption.TCP_NODELAY, true);
    }
    return bind(bootstrap, address);
  }

  /**
   * Listens from now on for clients of this process that are on these threads.
   *
   * @param handler for each connection
   * @throws IOException when somebody listens already
   */
  public ImmutableList<Channel> listenHere(ChannelHandler handler) throws IOException {
    ImmutableList.Builder<Channel> listeners = ImmutableList.builder();
    for (var each : here.entrySet()) {
      // A group of one thread: so the server's end gets on the thread that the client's is on.
      listeners.add(
          bind(
              new ServerBootstrap()
                  .group(each.getKey())
                  .channel(LocalServerChannel.class)
                  .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, WATER_MARK)
                  .childHandler(handler),
              each.getValue()));
    }
    return listeners.build();
  }

  private static Channel bind(ServerBootstrap bootstrap, SocketAddress address) throws IOException {
    ChannelFuture bound = bootstrap.bind(address).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      throw new IOException(
          "cannot listen at %s: %s".formatted(address, bound.cause().getMessage()), bound.cause());
    }
    return bound.channel();
  }

  @Override
  public void close() {
    loops
        .shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS)
        .awaitUninterruptibly(CLOSE_SECONDS, TimeUnit.SECONDS);
    for (EventLoopGroup others : ImmutableList.of(door, perChannel)) {
      var unused = others.shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS);
    }
  }
}
