package io.netchannel.coordinator.peer;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.netchannel.coordinator.PeerException;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.peer.v1.SealPart;
import io.netchannel.coordinator.peer.v1.SealRequest;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The answer of a call of Seal that waits at the source, with the disks that are known before it.
 * Cancelling it ends the call.
 */
final class ParkedSeal implements ClientResponseObserver<SealRequest, SealPart> {
  private final Consumer<SealedDevice> known;
  private final Function<StatusRuntimeException, PeerException> failures;
  private final ManifestParts parts = new ManifestParts();
  private final CompletableFuture<List<SealedDevice>> answer = new CompletableFuture<>();

  ParkedSeal(
      Consumer<SealedDevice> known, Function<StatusRuntimeException, PeerException> failures) {
    this.known = known;
    this.failures = failures;
  }

  CompletableFuture<List<SealedDevice>> answer() {
    return answer;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<SealRequest> call) {
    CompletableFuture<List<SealedDevice>> unused =
        answer.whenComplete(
            (disks, failure) -> {
              if (answer.isCancelled()) {
                call.cancel("nobody waits for it any more", null);
              }
            });
  }

  @Override
  public void onNext(SealPart part) {
    try {
      parts.add(part).ifPresent(known);
    } catch (IOException e) {
      fail(notUnderstood(e));
    }
  }

  @Override
  public void onError(Throwable failure) {
    fail(Status.fromThrowable(failure).asRuntimeException());
  }

  @Override
  public void onCompleted() {
    try {
      answer.complete(parts.finish());
    } catch (IOException e) {
      fail(notUnderstood(e));
    }
  }

  private void fail(StatusRuntimeException failure) {
    answer.completeExceptionally(failures.apply(failure));
  }

  private static StatusRuntimeException notUnderstood(IOException e) {
    return Status.DATA_LOSS.withDescription(e.getMessage()).withCause(e).asRuntimeException();
  }
}
