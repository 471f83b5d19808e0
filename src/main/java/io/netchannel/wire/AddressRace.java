package io.netchannel.wire;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import java.net.ConnectException;
import java.net.SocketAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/**
 * Connects to the first of a server's addresses that takes the connection. They are tried in their
 * order, each a moment after the one before and at once when that has failed (RFC 8305 section 5):
 * one that swallows packets costs that moment and not all the time there is. On one event loop.
 */
public final class AddressRace {
  /** The "Connection Attempt Delay" that RFC 8305 recommends. */
  private static final long STAGGER_MILLIS = 250;

  private final EventLoop loop;
  private final int timeoutMillis;
  private final BiFunction<Channel, SocketAddress, ChannelHandler> handlers;
  private final Consumer<Throwable> failed;
  private final Deque<SocketAddress> waiting;
  private final List<Channel> running = new ArrayList<>();
  private ScheduledFuture<?> next;
  private Throwable failure = new ConnectException("no address");
  private boolean over;

  private AddressRace(
      EventLoop loop,
      Collection<? extends SocketAddress> addresses,
      int timeoutMillis,
      BiFunction<Channel, SocketAddress, ChannelHandler> handlers,
      Consumer<Throwable> failed) {
    this.loop = loop;
    this.timeoutMillis = timeoutMillis;
    this.handlers = handlers;
    this.failed = failed;
    waiting = new ArrayDeque<>(addresses);
  }

  /**
   * Begins to connect; to be called on the loop.
   *
   * @param timeoutMillis of each address
   * @param handlers makes the handler of the one connection, which then becomes active
   * @param failed told once when no address has taken it, with the last one's reason
   */
  public static AddressRace start(
      EventLoop loop,
      Collection<? extends SocketAddress> addresses,
      int timeoutMillis,
      BiFunction<Channel, SocketAddress, ChannelHandler> handlers,
      Consumer<Throwable> failed) {
    AddressRace race = new AddressRace(loop, addresses, timeoutMillis, handlers, failed);
    race.goOn();
    return race;
  }

  /** Nobody wants a connection any more, and nobody is told. One that is made stays. */
  public void abandon() {
    finish(null);
  }

  private void goOn() {
    if (over) {
      return;
    }
    if (next != null) {
      next.cancel(false);
    }
    if (waiting.isEmpty()) {
      if (running.isEmpty()) {
        over = true;
        failed.accept(failure);
      }
      return;
    }
    SocketAddress address = waiting.remove();
    ChannelFuture connecting =
        Transport.connect(loop, address, timeoutMillis, new Candidate(address));
    running.add(connecting.channel());
    connecting.addListener(
        done -> {
          if (!done.isSuccess()) {
            running.remove(connecting.channel());
            failure = done.cause();
            goOn();
          }
        });
    if (!waiting.isEmpty()) {
      next = loop.schedule(this::goOn, STAGGER_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /** Ends all attempts but one. */
  private void finish(Channel winner) {
    over = true;
    if (next != null) {
      next.cancel(false);
    }
    for (Channel each : List.copyOf(running)) {
      if (!each.equals(winner)) {
        var unused = each.close();
      }
    }
    running.clear();
  }

  /** Of a connection that is not made yet; then its real handler takes its place. */
  private final class Candidate extends ChannelInboundHandlerAdapter {
    private final SocketAddress address;

    Candidate(SocketAddress address) {
      this.address = address;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
      if (over) {
        var unused = context.close();
        return;
      }
      finish(context.channel());
      context.pipeline().addLast(handlers.apply(context.channel(), address));
      context.fireChannelActive();
      context.pipeline().remove(this);
    }
  }
}
