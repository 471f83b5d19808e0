package io.netchannel.server;

import io.netty.channel.Channel;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Places of connections of whom it is known who they are: when all are taken, nobody gets in. */
final class Places {
  private static final Logger log = LoggerFactory.getLogger(Places.class);

  private final int limit;

  /** Guarded by this, as below. */
  private final Set<Channel> taken = new HashSet<>();

  private boolean closed;

  Places(int limit) {
    this.limit = limit;
  }

  /** Until it is closed; false when there is none, and then it is. On any thread. */
  boolean take(Channel channel) {
    if (!add(channel)) {
      var unused = channel.close();
      return false;
    }
    channel.closeFuture().addListener(ended -> leave(channel));
    return true;
  }

  private synchronized boolean add(Channel channel) {
    if (closed) {
      return false;
    }
    if (taken.size() == limit) {
      log.warn("{}: closed, {} connections are enough", channel.remoteAddress(), limit);
      return false;
    }
    return taken.add(channel);
  }

  private synchronized void leave(Channel channel) {
    taken.remove(channel);
  }

  /** Closes all there are, and who comes from now on. */
  void close() {
    List<Channel> all;
    synchronized (this) {
      closed = true;
      all = List.copyOf(taken);
    }
    for (Channel each : all) {
      var unused = each.close();
    }
  }
}
