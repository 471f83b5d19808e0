package io.netchannel.coordinator.peer;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerException;
import io.netchannel.coordinator.PeerException.Kind;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepare;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerMessages.Timeline;
import io.netchannel.coordinator.PeerMessages.Volume;
import io.netchannel.coordinator.PeerMessages.WantedVolume;
import io.netchannel.coordinator.peer.v1.AbortRequest;
import io.netchannel.coordinator.peer.v1.CommitRequest;
import io.netchannel.coordinator.peer.v1.DescribeRequest;
import io.netchannel.coordinator.peer.v1.ExportRequest;
import io.netchannel.coordinator.peer.v1.HelloRequest;
import io.netchannel.coordinator.peer.v1.PeerProtocolGrpc;
import io.netchannel.coordinator.peer.v1.PeerProtocolGrpc.PeerProtocolBlockingStub;
import io.netchannel.coordinator.peer.v1.PrepareRequest;
import io.netchannel.coordinator.peer.v1.SealRequest;
import io.netchannel.coordinator.peer.v1.StatusRequest;
import io.netchannel.coordinator.peer.v1.TakeOverRequest;
import io.netchannel.coordinator.peer.v1.TimelineRequest;
import io.netchannel.coordinator.peer.v1.VolumeReply;
import io.netchannel.coordinator.peer.v1.VolumeRequest;
import io.netchannel.tls.TlsProblem;
import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** A peer over gRPC; its channel stays open. */
final class GrpcPeer implements Peer {
  /** A new connection to a live host takes a few round trips. */
  private static final Duration RECONNECT = Duration.ofSeconds(2);

  private final PeerAddress address;
  private final String host;
  private final Supplier<ManagedChannel> channel;

  /**
   * @param channel always the same; not asked for before it is used
   */
  GrpcPeer(PeerAddress address, String host, Supplier<ManagedChannel> channel) {
    this.address = address;
    this.host = host;
    this.channel = channel;
  }

  @Override
  public String name() {
    return address.name();
  }

  private PeerProtocolBlockingStub stub() {
    return PeerProtocolGrpc.newBlockingStub(channel.get());
  }

  /** Whether a call would go out without a new connection. */
  boolean isConnected() {
    return channel.get().getState(false) == ConnectivityState.READY;
  }

  /** Begins to connect when it is not, also when the last attempt was only just now. */
  void connect() {
    if (channel.get().getState(true) == ConnectivityState.TRANSIENT_FAILURE) {
      channel.get().resetConnectBackoff();
    }
  }

  /** Who is there; the name it has for itself. */
  String hello(Duration bound) throws PeerException {
    return now(
            bound,
            s ->
                s.hello(
                    HelloRequest.newBuilder()
                        .setProtocolVersion(ProtocolVersion.CURRENT)
                        .setName(host)
                        .build()))
        .getName();
  }

  @Override
  public List<ServedDomain> describe(String domainName, Duration bound) throws PeerException {
    return describe(DescribeRequest.newBuilder().setName(domainName).build(), bound);
  }

  @Override
  public Optional<ServedDomain> describe(UUID domain, Duration bound) throws PeerException {
    return describe(DescribeRequest.newBuilder().setDomain(domain.toString()).build(), bound)
        .stream()
        .findFirst();
  }

  private List<ServedDomain> describe(DescribeRequest request, Duration bound)
      throws PeerException {
    return now(
        bound,
        s -> s.describe(request).getDomainsList().stream().map(PeerCodec::fromProto).toList());
  }

  @Override
  public Prepared prepare(Prepare request, Duration bound) throws PeerException {
    PrepareRequest message =
        PrepareRequest.newBuilder()
            .setMigration(request.migration().toString())
            .setDomainName(request.domainName())
            .setDomain(request.domain().toString())
            .addAllDevices(request.devices().stream().map(PeerCodec::toProto).toList())
            .setManifestDataBytes(request.manifestDataBytes())
            .setKnowsVerifies(true)
            .build();
    return now(bound, s -> PeerCodec.fromProto(s.prepare(message)));
  }

  @Override
  public Optional<Exported> export(String name, Duration bound) throws PeerException {
    ExportRequest request = ExportRequest.newBuilder().setName(name).build();
    return now(bound, s -> PeerCodec.fromProto(s.export(request)));
  }

  @Override
  public Volume volume(WantedVolume wanted, Duration bound) throws PeerException {
    VolumeRequest request =
        VolumeRequest.newBuilder()
            .setDomain(wanted.domain().toString())
            .setTarget(wanted.target())
            .setName(wanted.name())
            .setPool(wanted.pool())
            .setSizeBytes(wanted.sizeBytes())
            .addAllAllow(wanted.allow())
            .build();
    return now(
        bound,
        s -> {
          VolumeReply reply = s.volume(request);
          return new Volume(reply.getSource(), reply.getIsZero());
        });
  }

  @Override
  public List<SealedDevice> seal(UUID migration, Duration bound) throws PeerException {
    SealRequest request = SealRequest.newBuilder().setMigration(migration.toString()).build();
    return patiently(bound, s -> ManifestParts.join(s.seal(request)));
  }

  @Override
  public CompletableFuture<List<SealedDevice>> sealWhenSuspended(
      UUID migration, Duration bound, Consumer<SealedDevice> known) {
    connect();
    ParkedSeal call = new ParkedSeal(known, e -> failure(e, bound));
    PeerProtocolGrpc.newStub(channel.get())
        .withDeadlineAfter(bound)
        .withExecutor(Runnable::run) // one thread less on the way: what is known is only passed on
        .seal(
            SealRequest.newBuilder()
                .setMigration(migration.toString())
                .setWhenSuspended(true)
                .build(),
            call);
    return call.answer();
  }

  @Override
  public List<String> takeOver(UUID migration, List<Claim> claims, Duration bound)
      throws PeerException {
    TakeOverRequest.Builder request =
        TakeOverRequest.newBuilder().setMigration(migration.toString());
    claims.forEach(
        claim ->
            request.addClaims(
                TakeOverRequest.Claim.newBuilder()
                    .setTarget(claim.target())
                    .setGeneration(claim.generation())
                    .setManifestCrc32C(claim.manifestCrc32c())
                    .setCopy(claim.copy())
                    .setOnlyCopy(claim.onlyCopy())));
    return patiently(bound, s -> List.copyOf(s.takeOver(request.build()).getCopiedList()));
  }

  @Override
  public PhaseReport abort(UUID migration, String reason, Duration bound) throws PeerException {
    AbortRequest request =
        AbortRequest.newBuilder().setMigration(migration.toString()).setReason(reason).build();
    return now(bound, s -> PeerCodec.fromProto(s.abort(request)));
  }

  @Override
  public PhaseReport commit(UUID migration, Duration bound) throws PeerException {
    CommitRequest request = CommitRequest.newBuilder().setMigration(migration.toString()).build();
    return now(bound, s -> PeerCodec.fromProto(s.commit(request)));
  }

  @Override
  public PhaseReport status(UUID migration, UUID domain, Direction asked, Duration bound)
      throws PeerException {
    StatusRequest request =
        StatusRequest.newBuilder()
            .setMigration(migration.toString())
            .setDomain(domain.toString())
            .setAskedIsDestination(asked == Direction.INCOMING)
            .build();
    return now(bound, s -> PeerCodec.fromProto(s.status(request)));
  }

  @Override
  public Timeline timeline(UUID migration, Duration bound) throws PeerException {
    TimelineRequest request =
        TimelineRequest.newBuilder().setMigration(migration.toString()).build();
    return now(bound, s -> PeerCodec.fromProto(s.timeline(request)));
  }

  @FunctionalInterface
  private interface Call<T> {
    T run(PeerProtocolBlockingStub stub) throws IOException;
  }

  /** For calls of which a failure to connect is an answer: why goes to the user. */
  private <T> T now(Duration bound, Call<T> call) throws PeerException {
    if (!isConnected()) {
      reconnect(bound);
    }
    return run(bound, stub(), call);
  }

  /** For calls while the guest stands still: a connection that comes back in time will do. */
  private <T> T patiently(Duration bound, Call<T> call) throws PeerException {
    connect();
    return run(bound, stub().withWaitForReady(), call);
  }

  private <T> T run(Duration bound, PeerProtocolBlockingStub with, Call<T> call)
      throws PeerException {
    try {
      return call.run(with.withDeadlineAfter(bound));
    } catch (StatusRuntimeException e) {
      throw failure(e, bound);
    } catch (IOException | IllegalArgumentException e) {
      throw new PeerException(
          Kind.NO_ANSWER, address + " sent what is not understood: " + e.getMessage(), e);
    }
  }

  /** Gives an attempt that is due or under way a moment, so that an old failure is not reported. */
  private void reconnect(Duration bound) {
    connect();
    Duration wait = bound.compareTo(RECONNECT) < 0 ? bound : RECONNECT;
    long end = System.nanoTime() + wait.toNanos();
    ConnectivityState state = channel.get().getState(true);
    boolean tried = false;
    while (state != ConnectivityState.READY
        && !(tried && state == ConnectivityState.TRANSIENT_FAILURE)
        && System.nanoTime() < end) {
      tried |= state == ConnectivityState.CONNECTING;
      CountDownLatch changed = new CountDownLatch(1);
      channel.get().notifyWhenStateChanged(state, changed::countDown);
      try {
        if (!changed.await(end - System.nanoTime(), TimeUnit.NANOSECONDS)) {
          return;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
      state = channel.get().getState(true);
    }
  }

  private PeerException failure(StatusRuntimeException e, Duration bound) {
    Status status = e.getStatus();
    return switch (status.getCode()) {
      case FAILED_PRECONDITION, UNAUTHENTICATED, PERMISSION_DENIED ->
          new PeerException(Kind.REFUSED, String.valueOf(status.getDescription()), e);
      case UNIMPLEMENTED ->
          new PeerException(
              Kind.REFUSED,
              address + " does not know this request: its netchannel is of an older version",
              e);
      case DEADLINE_EXCEEDED ->
          new PeerException(
              Kind.NO_ANSWER, address + " did not answer within " + bound.toMillis() + " ms", e);
      case UNAVAILABLE ->
          new PeerException(Kind.NO_ANSWER, address + " cannot be reached: " + reason(status), e);
      case OK,
          CANCELLED,
          UNKNOWN,
          INVALID_ARGUMENT,
          NOT_FOUND,
          ALREADY_EXISTS,
          RESOURCE_EXHAUSTED,
          ABORTED,
          OUT_OF_RANGE,
          INTERNAL,
          DATA_LOSS ->
          new PeerException(
              Kind.NO_ANSWER,
              address + " failed: " + status.getCode() + " " + status.getDescription(),
              e);
    };
  }

  /** The most telling cause, in words. */
  private static String reason(Status status) {
    Optional<String> tls = TlsProblem.words(status.getCause());
    if (tls.isPresent()) {
      return tls.get();
    }
    String found = status.getDescription();
    for (Throwable cause = status.getCause(); cause != null; cause = cause.getCause()) {
      if (cause instanceof UnknownHostException) {
        found = "its name is not known: " + cause.getMessage();
      } else if (cause instanceof ConnectException) {
        found = cause.getMessage() + "; is netchanneld running there?";
      }
    }
    return found;
  }
}
