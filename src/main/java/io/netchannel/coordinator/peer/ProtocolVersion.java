package io.netchannel.coordinator.peer;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;

/** The version of peer.proto, on every call: both hosts must have the same. */
final class ProtocolVersion implements ClientInterceptor, ServerInterceptor {
  /** Raised when a message changes its meaning. */
  static final int CURRENT = 3;

  static final Metadata.Key<String> KEY =
      Metadata.Key.of("netchannel-protocol", Metadata.ASCII_STRING_MARSHALLER);

  private final String host;
  private final int version;

  ProtocolVersion(String host, int version) {
    this.host = host;
    this.version = version;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        headers.put(KEY, Integer.toString(version));
        super.start(listener, headers);
      }
    };
  }

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    String found = headers.get(KEY);
    if (Integer.toString(version).equals(found)) {
      return next.startCall(call, headers);
    }
    call.close(
        Status.FAILED_PRECONDITION.withDescription(
            host
                + " expected peer protocol "
                + version
                + ", found "
                + (found == null ? "none" : found)
                + "; install the same version of Netchannel on both hosts"),
        new Metadata());
    return new ServerCall.Listener<>() {};
  }
}
