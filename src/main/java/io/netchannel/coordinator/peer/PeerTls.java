package io.netchannel.coordinator.peer;

import io.grpc.netty.GrpcSslContexts;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netty.handler.ssl.SslContext;
import javax.net.ssl.SSLException;

/** This host's certificates as gRPC wants them: with ALPN for HTTP/2. */
final class PeerTls {
  private PeerTls() {}

  static SslContext forServer(HostTls tls) throws TlsException {
    try {
      return GrpcSslContexts.configure(tls.forServer(), HostTls.provider()).build();
    } catch (SSLException e) {
      throw new TlsException("TLS: the server's certificate: " + e.getMessage(), e);
    }
  }

  static SslContext forClientOf(HostTls tls, PeerAddress peer) throws TlsException {
    try {
      return GrpcSslContexts.configure(
              tls.forClientOf(peer.toString(), peer.names()), HostTls.provider())
          .build();
    } catch (SSLException e) {
      throw new TlsException("TLS: the client's certificate: " + e.getMessage(), e);
    }
  }
}
