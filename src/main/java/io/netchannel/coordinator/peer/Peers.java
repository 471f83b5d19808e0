package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerException;
import io.netchannel.time.Repeated;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netty.channel.ChannelOption;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The configured peers, each with a channel that is connected ahead and kept so: a TLS handshake
 * must not fall into the time in which a guest stands still.
 */
public final class Peers implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Peers.class);

  /** Finds a dead connection long before a hook's bound; one small packet each. */
  static final int KEEPALIVE_SECONDS = 10;

  /** A live host answers a ping in milliseconds, a busy emulated one in a second. */
  private static final int KEEPALIVE_TIMEOUT_SECONDS = 5;

  /** gRPC takes 30 days and more for "never". */
  private static final int NEVER_IDLE_DAYS = 365;

  /**
   * Of one address of a peer: a lost packet is sent again after one second. Where an address of
   * several swallows packets, the next one has its turn after that.
   */
  private static final int CONNECT_MILLIS = 3000;

  /** A peer that was restarted is connected again this soon. */
  private static final int RECONNECT_SECONDS = 5;

  /**
   * What `netchannel status` shows of a peer.
   *
   * @param connected whether there is a connection, also to one that refuses us
   * @param problem empty when it answers
   */
  public record Health(PeerAddress address, boolean connected, String problem) {}

  private final ImmutableList<PeerAddress> addresses;
  private final ImmutableMap<String, GrpcPeer> peers;
  private final ImmutableList<PeerChannel> channels;
  private final ExecutorService questions =
      Executors.newCachedThreadPool(
          new ThreadFactoryBuilder().setNameFormat("peer-health-%d").setDaemon(true).build());

  /** Connects to none before {@link #start}, or before it is asked for something. */
  public Peers(String host, HostTls tls, Collection<PeerAddress> addresses) {
    this.addresses = ImmutableList.copyOf(addresses);
    ImmutableMap.Builder<String, GrpcPeer> peers = ImmutableMap.builder();
    ImmutableList.Builder<PeerChannel> channels = ImmutableList.builder();
    for (PeerAddress address : addresses) {
      PeerChannel channel = new PeerChannel(() -> build(host, tls, address));
      channels.add(channel);
      peers.put(address.name(), new GrpcPeer(address, host, channel));
    }
    this.peers = peers.buildOrThrow();
    this.channels = channels.build();
  }

  private static ManagedChannel build(String host, HostTls tls, PeerAddress address) {
    try {
      return NettyChannelBuilder.forTarget(PeerResolver.target(address))
          .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS)
          .sslContext(PeerTls.forClientOf(tls, address))
          .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
          .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
          .keepAliveWithoutCalls(true)
          .idleTimeout(NEVER_IDLE_DAYS, TimeUnit.DAYS)
          .intercept(new ProtocolVersion(host, ProtocolVersion.CURRENT))
          .build();
    } catch (TlsException e) {
      // The certificates were read and checked before.
      throw new IllegalStateException(address + ": " + e.getMessage(), e);
    }
  }

  /** For the coordinator. */
  public ImmutableList<Peer> all() {
    return ImmutableList.copyOf(peers.values());
  }

  /**
   * Connects to all, in the background, and keeps them connected from now on, until the scheduler
   * ends.
   */
  public void start(ScheduledExecutorService scheduler) {
    var connecting =
        scheduler.scheduleWithFixedDelay(
            Repeated.of("keeping peers connected", this::connect),
            0,
            RECONNECT_SECONDS,
            TimeUnit.SECONDS);
    log.debug("keeping {} peers connected: {}", peers.size(), !connecting.isDone());
  }

  private void connect() {
    peers.values().forEach(GrpcPeer::connect);
  }

  /** Asks all peers at once whether they are there; for at most the bound. */
  public ImmutableList<Health> health(Duration bound) {
    List<CompletableFuture<Health>> answers =
        addresses.stream()
            .map(
                address ->
                    CompletableFuture.supplyAsync(() -> health(address, bound), questions)
                        .completeOnTimeout(
                            silent(address, bound), bound.toMillis(), TimeUnit.MILLISECONDS))
            .toList();
    return answers.stream().map(CompletableFuture::join).collect(ImmutableList.toImmutableList());
  }

  private Health health(PeerAddress address, Duration bound) {
    GrpcPeer peer = peers.get(address.name());
    String problem = "";
    try {
      log.debug("{} calls itself {}", address, peer.hello(bound));
    } catch (PeerException e) {
      problem = e.getMessage();
    }
    return new Health(address, peer.isConnected(), problem);
  }

  private static Health silent(PeerAddress address, Duration bound) {
    return new Health(
        address, false, address + " did not answer within " + bound.toMillis() + " ms");
  }

  @Override
  public void close() {
    questions.shutdownNow();
    channels.forEach(PeerChannel::close);
  }
}
