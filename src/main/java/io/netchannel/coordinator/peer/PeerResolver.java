package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableList;
import com.google.common.net.HostAndPort;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.SynchronizationContext;
import io.netchannel.net.HostPorts;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Finds the addresses of a peer, anew after each failure to connect. gRPC's own resolver takes no
 * host with an underscore, and no link-local address whose interface has a hyphen, as {@link URI}
 * takes neither.
 */
final class PeerResolver extends NameResolver {
  private static final String SCHEME = "netchannel-peer";

  static {
    NameResolverRegistry.getDefaultRegistry().register(new Provider());
  }

  private final HostAndPort peer;
  private final Executor executor;
  private final SynchronizationContext context;

  /** These in the context only. */
  private Listener2 listener;

  private boolean resolving;
  private boolean closed;

  private PeerResolver(HostAndPort peer, Args args) {
    this.peer = peer;
    Executor offload = args.getOffloadExecutor();
    executor = offload == null ? command -> new Thread(command, "resolve").start() : offload;
    context = args.getSynchronizationContext();
  }

  /** What a channel to the peer is made for. */
  static String target(PeerAddress address) {
    String text = HostPorts.uriText(HostAndPort.fromParts(address.host(), address.port()));
    try {
      return new URI(SCHEME, "", "/" + text, null, null).toString();
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(address + " is no address of a peer", e);
    }
  }

  /** What the peer is called in requests; its certificate is looked at by ourselves. */
  @Override
  public String getServiceAuthority() {
    return HostAndPort.fromParts(HostPorts.withoutZone(peer.getHost()), peer.getPort()).toString();
  }

  @Override
  public void start(Listener2 told) {
    listener = told;
    resolve();
  }

  @Override
  public void refresh() {
    resolve();
  }

  private void resolve() {
    if (resolving || closed) {
      return;
    }
    resolving = true;
    executor.execute(
        () -> {
          StatusOr<List<EquivalentAddressGroup>> found = find();
          context.execute(
              () -> {
                resolving = false;
                if (!closed) {
                  var unused =
                      listener.onResult2(
                          ResolutionResult.newBuilder().setAddressesOrError(found).build());
                }
              });
        });
  }

  private StatusOr<List<EquivalentAddressGroup>> find() {
    try {
      return StatusOr.fromValue(
          Arrays.stream(InetAddress.getAllByName(peer.getHost()))
              .map(address -> new InetSocketAddress(address, peer.getPort()))
              .map(EquivalentAddressGroup::new)
              .collect(ImmutableList.toImmutableList()));
    } catch (UnknownHostException e) {
      return StatusOr.fromStatus(
          Status.UNAVAILABLE.withDescription("unknown host: " + e.getMessage()).withCause(e));
    }
  }

  @Override
  public void shutdown() {
    closed = true;
  }

  private static final class Provider extends NameResolverProvider {
    /** Below gRPC's own: ours is not to be the scheme of targets without one. */
    private static final int PRIORITY = 1;

    @Override
    public NameResolver newNameResolver(URI target, Args args) {
      return SCHEME.equals(target.getScheme())
          ? new PeerResolver(
              HostPorts.parse(target.getPath().substring(1), PeerAddress.DEFAULT_PORT), args)
          : null;
    }

    @Override
    public String getDefaultScheme() {
      return SCHEME;
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return PRIORITY;
    }

    @Override
    public Collection<Class<? extends SocketAddress>> getProducedSocketAddressTypes() {
      return ImmutableList.of(InetSocketAddress.class);
    }
  }
}
