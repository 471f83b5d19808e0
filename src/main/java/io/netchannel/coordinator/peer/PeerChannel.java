package io.netchannel.coordinator.peer;

import io.grpc.ManagedChannel;
import java.util.function.Supplier;

/**
 * A channel that is made when it is needed first: a daemon that starts has guests to serve before,
 * and what gRPC and TLS need to begin would keep them waiting.
 */
final class PeerChannel implements Supplier<ManagedChannel>, AutoCloseable {
  private final Supplier<ManagedChannel> maker;
  private ManagedChannel made;
  private boolean closed;

  PeerChannel(Supplier<ManagedChannel> maker) {
    this.maker = maker;
  }

  /** Always the same one; calls fail on it once this is closed. */
  @Override
  public synchronized ManagedChannel get() {
    if (made == null) {
      made = maker.get();
      if (closed) {
        made = made.shutdownNow();
      }
    }
    return made;
  }

  /** Ends it at once, with the calls on it. Idempotent. */
  @Override
  public synchronized void close() {
    closed = true;
    if (made != null) {
      made = made.shutdownNow();
    }
  }
}
