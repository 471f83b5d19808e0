package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import java.net.SocketAddress;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Which addresses of a server to try last: those that took a connection and then did not serve. A
 * race to connect cannot tell them, and they would win it again and again.
 */
final class AddressOrder {
  /** Guarded by this. */
  private final Set<SocketAddress> mute = new HashSet<>();

  /** A connection is over. */
  synchronized void note(SocketAddress address, boolean served) {
    if (served) {
      mute.remove(address);
    } else {
      mute.add(address);
    }
  }

  /** In the order to try them. */
  synchronized ImmutableList<SocketAddress> sorted(List<SocketAddress> addresses) {
    mute.retainAll(addresses);
    return addresses.stream()
        .sorted(Comparator.comparing(mute::contains))
        .collect(ImmutableList.toImmutableList());
  }
}
