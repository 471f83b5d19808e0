package io.netchannel.xen.embedded;

import io.netchannel.xen.EventChannels;
import io.netchannel.xen.XenException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The event channels of a backend's process; closing it unbinds all, as closing /dev/xen/evtchn
 * does.
 */
final class EmbeddedEventChannels implements EventChannels {
  private final EventPorts ports;
  private final int domid;
  private final SerialQueue queue;
  private final Set<EmbeddedChannel> channels = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  EmbeddedEventChannels(EventPorts ports, int domid, SerialQueue queue) {
    this.ports = ports;
    this.domid = domid;
    this.queue = queue;
  }

  @Override
  public EventChannel bindInterdomain(int remoteDomid, int remotePort, Runnable onEvent) {
    if (closed) {
      throw new XenException("the event channels of domain %d are closed".formatted(domid));
    }
    EmbeddedChannel channel =
        new EmbeddedChannel(ports.bind(domid, remoteDomid, remotePort, queue, onEvent).number());
    channels.add(channel);
    return channel;
  }

  @Override
  public void close() {
    closed = true;
    channels.forEach(EmbeddedChannel::close);
  }

  private final class EmbeddedChannel implements EventChannel {
    private final int port;

    EmbeddedChannel(int port) {
      this.port = port;
    }

    @Override
    public void notifyPeer() {
      ports.notifyPeer(domid, port);
    }

    @Override
    public void close() {
      channels.remove(this);
      ports.close(domid, port);
    }
  }
}
