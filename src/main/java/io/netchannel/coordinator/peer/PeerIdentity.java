package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.netchannel.tls.CertificateNames;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.Optional;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Lets configured peers through, each known by its certificate, and nobody else. */
final class PeerIdentity implements ServerInterceptor {
  private static final Logger log = LoggerFactory.getLogger(PeerIdentity.class);

  /** Configured name of the peer that calls. */
  static final Context.Key<String> CALLER = Context.key("peer");

  private final String host;
  private final ImmutableList<PeerAddress> peers;

  PeerIdentity(String host, Collection<PeerAddress> peers) {
    this.host = host;
    this.peers = ImmutableList.copyOf(peers);
  }

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    Optional<X509Certificate> certificate =
        certificate(call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION));
    if (certificate.isEmpty()) {
      return refuse(
          call,
          Status.UNAUTHENTICATED,
          "expected a client certificate, found none; give the caller one in libvirt's layout, or"
              + " name it in [tls]");
    }
    ImmutableSet<String> names = CertificateNames.of(certificate.get());
    Optional<PeerAddress> peer =
        peers.stream()
            .filter(known -> known.names().stream().anyMatch(names::contains))
            .findFirst();
    if (peer.isEmpty()) {
      return refuse(
          call,
          Status.PERMISSION_DENIED,
          "expected a certificate of one of the peers "
              + peers.stream().map(PeerAddress::name).toList()
              + ", found one for "
              + names
              + "; add the caller as a [[peer]] on "
              + host);
    }
    return Contexts.interceptCall(
        Context.current().withValue(CALLER, peer.get().name()), call, headers, next);
  }

  private <Q, A> ServerCall.Listener<Q> refuse(ServerCall<Q, A> call, Status status, String why) {
    log.warn(
        "refused {} from {}: {}",
        call.getMethodDescriptor().getBareMethodName(),
        call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR),
        why);
    call.close(status.withDescription(host + ": " + why), new Metadata());
    return new ServerCall.Listener<>() {};
  }

  private static Optional<X509Certificate> certificate(SSLSession session) {
    if (session == null) {
      return Optional.empty();
    }
    try {
      Certificate[] chain = session.getPeerCertificates();
      return chain.length > 0 && chain[0] instanceof X509Certificate first
          ? Optional.of(first)
          : Optional.empty();
    } catch (SSLPeerUnverifiedException e) {
      return Optional.empty();
    }
  }
}
