package io.netchannel.coordinator.peer;

import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.PeerExports;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerService;
import io.netchannel.coordinator.peer.v1.AbortRequest;
import io.netchannel.coordinator.peer.v1.CommitRequest;
import io.netchannel.coordinator.peer.v1.DescribeReply;
import io.netchannel.coordinator.peer.v1.DescribeRequest;
import io.netchannel.coordinator.peer.v1.ExportReply;
import io.netchannel.coordinator.peer.v1.ExportRequest;
import io.netchannel.coordinator.peer.v1.HelloReply;
import io.netchannel.coordinator.peer.v1.HelloRequest;
import io.netchannel.coordinator.peer.v1.PeerProtocolGrpc;
import io.netchannel.coordinator.peer.v1.PhaseReply;
import io.netchannel.coordinator.peer.v1.PrepareReply;
import io.netchannel.coordinator.peer.v1.PrepareRequest;
import io.netchannel.coordinator.peer.v1.SealPart;
import io.netchannel.coordinator.peer.v1.SealRequest;
import io.netchannel.coordinator.peer.v1.StatusRequest;
import io.netchannel.coordinator.peer.v1.TakeOverReply;
import io.netchannel.coordinator.peer.v1.TakeOverRequest;
import io.netchannel.coordinator.peer.v1.TimelineReply;
import io.netchannel.coordinator.peer.v1.TimelineRequest;
import io.netchannel.coordinator.peer.v1.VolumeReply;
import io.netchannel.coordinator.peer.v1.VolumeRequest;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Calls of peers, as they arrive, handed to the {@link PeerService}. */
final class PeerEndpoint extends PeerProtocolGrpc.PeerProtocolImplBase {
  private static final Logger log = LoggerFactory.getLogger(PeerEndpoint.class);

  private final String host;
  private final PeerService service;
  private final PeerExports exports;
  private final Map<StreamObserver<SealPart>, CompletableFuture<?>> parked =
      new ConcurrentHashMap<>();

  PeerEndpoint(String host, PeerService service, PeerExports exports) {
    this.host = host;
    this.service = service;
    this.exports = exports;
  }

  @FunctionalInterface
  private interface Answer<A> {
    List<A> to(String caller) throws MigrationRefusedException;
  }

  private <A> void answer(StreamObserver<A> observer, Answer<A> answer) {
    List<A> parts;
    try {
      parts = answer.to(PeerIdentity.CALLER.get());
    } catch (MigrationRefusedException e) {
      log.info("refused: {}", e.getMessage());
      observer.onError(
          Status.FAILED_PRECONDITION.withDescription(e.getMessage()).asRuntimeException());
      return;
    } catch (RuntimeException e) {
      log.error("a call of {} failed", PeerIdentity.CALLER.get(), e);
      observer.onError(
          Status.INTERNAL
              .withDescription(host + ": " + e + "; see the log of netchanneld there")
              .asRuntimeException());
      return;
    }
    parts.forEach(observer::onNext);
    observer.onCompleted();
  }

  @Override
  public void hello(HelloRequest request, StreamObserver<HelloReply> observer) {
    answer(
        observer,
        caller ->
            List.of(
                HelloReply.newBuilder()
                    .setProtocolVersion(ProtocolVersion.CURRENT)
                    .setName(host)
                    .build()));
  }

  @Override
  public void describe(DescribeRequest request, StreamObserver<DescribeReply> observer) {
    answer(
        observer,
        caller -> {
          List<PeerMessages.ServedDomain> served =
              request.hasDomain()
                  ? service.describe(UUID.fromString(request.getDomain())).stream().toList()
                  : service.describe(request.getName());
          return List.of(
              DescribeReply.newBuilder()
                  .addAllDomains(served.stream().map(PeerCodec::toProto).toList())
                  .build());
        });
  }

  @Override
  public void prepare(PrepareRequest request, StreamObserver<PrepareReply> observer) {
    answer(
        observer,
        caller -> {
          UUID domain = UUID.fromString(request.getDomain());
          PeerMessages.Prepared prepared =
              service.prepare(
                  caller,
                  new PeerMessages.Prepare(
                      UUID.fromString(request.getMigration()),
                      request.getDomainName(),
                      domain,
                      request.getDevicesList().stream()
                          .map(device -> PeerCodec.fromProto(domain, device))
                          .toList(),
                      request.getManifestDataBytes()));
          return List.of(PeerCodec.toProto(prepared, request.getKnowsVerifies()));
        });
  }

  @Override
  public void seal(SealRequest request, StreamObserver<SealPart> observer) {
    if (request.getWhenSuspended()) {
      park(UUID.fromString(request.getMigration()), (ServerCallStreamObserver<SealPart>) observer);
      return;
    }
    answer(
        observer,
        caller ->
            service.seal(caller, UUID.fromString(request.getMigration())).stream()
                .flatMap(disk -> ManifestParts.of(disk).stream())
                .toList());
  }

  /** No thread waits with it: those that seal send what they know, and the answer. */
  private void park(UUID migration, ServerCallStreamObserver<SealPart> observer) {
    String caller = PeerIdentity.CALLER.get();
    SealStream stream = new SealStream(observer);
    CompletableFuture<List<PeerMessages.SealedDevice>> sealed;
    try {
      sealed = service.sealWhenSuspended(caller, migration, stream::send);
    } catch (MigrationRefusedException e) {
      sealed = CompletableFuture.failedFuture(e);
    }
    CompletableFuture<List<PeerMessages.SealedDevice>> call = sealed;
    parked.put(observer, call);
    observer.setOnCancelHandler(() -> call.cancel(false));
    CompletableFuture<List<PeerMessages.SealedDevice>> answered =
        call.whenComplete(
            (disks, failure) -> {
              parked.remove(observer);
              if (failure == null) {
                stream.end(disks);
              } else {
                stream.fail(parkedFailure(caller, failure));
              }
            });
    log.debug("{}: parked for {}: {}", migration, caller, !answered.isDone());
  }

  private Status parkedFailure(String caller, Throwable failure) {
    if (failure instanceof MigrationRefusedException) {
      return Status.FAILED_PRECONDITION.withDescription(failure.getMessage());
    }
    if (failure instanceof CancellationException) {
      return Status.UNAVAILABLE.withDescription(host + " is shutting down");
    }
    log.error("a parked call of {} failed", caller, failure);
    return Status.INTERNAL.withDescription(
        host + ": " + failure + "; see the log of netchanneld there");
  }

  /** Calls that wait would keep the server from ending. */
  void endParked() {
    parked.values().forEach(call -> call.cancel(false));
  }

  @Override
  public void takeOver(TakeOverRequest request, StreamObserver<TakeOverReply> observer) {
    answer(
        observer,
        caller -> {
          List<String> copied =
              service.takeOver(
                  caller,
                  UUID.fromString(request.getMigration()),
                  request.getClaimsList().stream()
                      .map(
                          claim ->
                              new Claim(
                                  claim.getTarget(),
                                  claim.getGeneration(),
                                  claim.getManifestCrc32C(),
                                  claim.getCopy(),
                                  claim.getOnlyCopy()))
                      .toList());
          return List.of(TakeOverReply.newBuilder().addAllCopied(copied).build());
        });
  }

  @Override
  public void abort(AbortRequest request, StreamObserver<PhaseReply> observer) {
    answer(
        observer,
        caller ->
            List.of(
                PeerCodec.toProto(
                    service.abort(
                        caller, UUID.fromString(request.getMigration()), request.getReason()))));
  }

  @Override
  public void commit(CommitRequest request, StreamObserver<PhaseReply> observer) {
    answer(
        observer,
        caller ->
            List.of(
                PeerCodec.toProto(
                    service.commit(caller, UUID.fromString(request.getMigration())))));
  }

  @Override
  public void status(StatusRequest request, StreamObserver<PhaseReply> observer) {
    answer(
        observer,
        caller ->
            List.of(
                PeerCodec.toProto(
                    service.status(
                        caller,
                        UUID.fromString(request.getMigration()),
                        UUID.fromString(request.getDomain()),
                        request.getAskedIsDestination()
                            ? Direction.INCOMING
                            : Direction.OUTGOING))));
  }

  @Override
  public void export(ExportRequest request, StreamObserver<ExportReply> observer) {
    answer(observer, caller -> List.of(PeerCodec.toProto(exports.export(request.getName()))));
  }

  @Override
  public void volume(VolumeRequest request, StreamObserver<VolumeReply> observer) {
    answer(
        observer,
        caller -> {
          PeerMessages.Volume made =
              exports.volume(
                  caller,
                  new PeerMessages.WantedVolume(
                      UUID.fromString(request.getDomain()),
                      request.getTarget(),
                      request.getName(),
                      request.getPool(),
                      request.getSizeBytes(),
                      request.getAllowList()));
          return List.of(
              VolumeReply.newBuilder().setSource(made.source()).setIsZero(made.isZero()).build());
        });
  }

  @Override
  public void timeline(TimelineRequest request, StreamObserver<TimelineReply> observer) {
    answer(
        observer,
        caller ->
            List.of(
                PeerCodec.toProto(
                    service.timeline(caller, UUID.fromString(request.getMigration())))));
  }
}
