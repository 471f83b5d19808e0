package io.netchannel.tls;

import com.google.common.collect.HashMultiset;
import com.google.common.collect.Multiset;
import io.netty.channel.Channel;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Connections that have not shown yet who they are. They have places of their own, so that they
 * cost none that somebody needs who is known; and who says nothing, or says it slowly, keeps nobody
 * out: when more come than there are places, the oldest one of the address that has the most is
 * closed. So an address can take places away from itself only, as long as there are fewer addresses
 * than places. All of an IPv6 network of 64 bits count as one: a host may have as many of those as
 * it likes.
 *
 * <pre>
 *   accepted --enter--> STRANGER --known--> has a place elsewhere, or needs none
 *                          +------- displaced, closed --> CLOSED
 * </pre>
 */
public final class Strangers {
  private static final Logger log = LoggerFactory.getLogger(Strangers.class);

  /**
   * A thousand at once displace nobody, and of more a handshake has as long as this many take to
   * arrive. Each usually costs about 30 KiB, and at worst 130: of an unfinished record, an
   * unfinished message and the state of its TLS.
   */
  public static final int PLACES = 1024;

  private static final int NETWORK_BYTES = 8;

  private final int places;

  /** Where each comes from, the oldest first. Guarded by this, as all below. */
  private final Map<Channel, ByteBuffer> sources = new LinkedHashMap<>();

  private boolean closed;

  /** Whether it has been logged that there are too many; until half of the places are free. */
  private boolean crowded;

  /**
   * @param places for so many at a time
   */
  public Strangers(int places) {
    this.places = places;
  }

  /** Has a place from now on, until it is known or closed. On any thread. */
  public void enter(Channel channel) {
    Optional<Channel> leaves;
    synchronized (this) {
      sources.put(channel, source(channel.remoteAddress()));
      leaves = closed ? Optional.of(channel) : displaced();
    }
    channel.closeFuture().addListener(ended -> known(channel));
    leaves.ifPresent(Strangers::close);
  }

  private Optional<Channel> displaced() {
    if (sources.size() <= places) {
      return Optional.empty();
    }
    Multiset<ByteBuffer> counts = HashMultiset.create(sources.values());
    int most = counts.entrySet().stream().mapToInt(Multiset.Entry::getCount).max().orElseThrow();
    Channel oldest =
        sources.entrySet().stream()
            .filter(each -> counts.count(each.getValue()) == most)
            .findFirst()
            .orElseThrow()
            .getKey();
    sources.remove(oldest);
    if (!crowded) {
      crowded = true;
      log.warn(
          "{} connections have not shown who they are, {} of them from one address, as {}: the"
              + " oldest are closed as more come",
          places,
          most,
          oldest.remoteAddress() instanceof InetSocketAddress remote
              ? remote
              : "programs of this host");
    }
    return Optional.of(oldest);
  }

  private static ByteBuffer source(SocketAddress address) {
    if (!(address instanceof InetSocketAddress internet)) {
      return ByteBuffer.allocate(0); // programs of this host
    }
    byte[] bytes = internet.getAddress().getAddress();
    int significant = internet.getAddress() instanceof Inet6Address ? NETWORK_BYTES : bytes.length;
    return ByteBuffer.wrap(bytes, 0, significant);
  }

  private static void close(Channel channel) {
    var unused = channel.close();
  }

  /** Gives its place free. On any thread; idempotent. */
  public synchronized void known(Channel channel) {
    sources.remove(channel);
    crowded &= sources.size() > places / 2;
  }

  /** Likewise, for who only has its address. */
  public void known(SocketAddress remote) {
    Optional<Channel> found;
    synchronized (this) {
      found =
          sources.keySet().stream()
              .filter(each -> remote.equals(each.remoteAddress()) && each.isOpen())
              .findFirst();
    }
    found.ifPresent(this::known);
  }

  /** Closes all there are, and who comes from now on. */
  public void close() {
    List<Channel> all;
    synchronized (this) {
      closed = true;
      all = List.copyOf(sources.keySet());
    }
    all.forEach(Strangers::close);
  }
}
