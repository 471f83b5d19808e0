package io.netchannel.coordinator.peer;

import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.peer.v1.SealPart;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The answer of a call of Seal that waits: disks as they become known, from whatever threads, and
 * its end.
 */
final class SealStream {
  private static final Logger log = LoggerFactory.getLogger(SealStream.class);

  private final ServerCallStreamObserver<SealPart> observer;

  /** By target. */
  private final Set<String> sent = new HashSet<>();

  private boolean ended;

  SealStream(ServerCallStreamObserver<SealPart> observer) {
    this.observer = observer;
  }

  /** Does not wait for the network, and does not throw: it has the thread of a mid-point. */
  synchronized void send(SealedDevice disk) {
    if (isOver() || !sent.add(disk.target())) {
      return;
    }
    try {
      ManifestParts.of(disk).forEach(observer::onNext);
    } catch (RuntimeException e) {
      ended = true; // the call ended at this moment; its caller asks again
      log.debug("{} is not sent: {}", disk.target(), e.toString());
    }
  }

  /** All disks; those that were not sent yet go first. */
  synchronized void end(List<SealedDevice> disks) {
    if (!isOver()) {
      disks.forEach(this::send);
      ended = true;
      observer.onCompleted();
    }
  }

  synchronized void fail(Status status) {
    if (!isOver()) {
      ended = true;
      observer.onError(status.asRuntimeException());
    }
  }

  private boolean isOver() {
    return ended || observer.isCancelled();
  }
}
