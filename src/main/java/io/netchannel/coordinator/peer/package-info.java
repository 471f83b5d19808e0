/**
 * The coordinator's peers over gRPC with mutual TLS.
 *
 * <pre>
 *   coordinator -> Peers -> GrpcPeer  == TLS, peer.proto ==>  PeerServer -> PeerEndpoint -> coordinator
 *                            tls.Trust                          tls.Trust
 *                            (is it that peer?)                 PeerIdentity (is it one of ours?)
 *                            ProtocolVersion                    ProtocolVersion
 * </pre>
 *
 * Channels are connected when the daemon starts and kept so: no handshake falls into the time in
 * which a guest stands still. A call while nothing stands still reports at once why a peer cannot
 * be reached; a call while the guest stands still waits for the connection to come back, within its
 * bound. A call of Seal that waits for the suspend is parked: no thread on either host waits with
 * it, and it ends with its connection, its bound, or when its caller cancels it.
 *
 * <p>A connection to the server is a stranger's until it has shown a trusted certificate, and has
 * one of the places for strangers ({@link io.netchannel.tls.Strangers}): however many of those
 * come, they take neither descriptors nor memory without a bound. A call without a certificate is
 * refused in words.
 */
package io.netchannel.coordinator.peer;
