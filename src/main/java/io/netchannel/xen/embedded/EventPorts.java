package io.netchannel.xen.embedded;

import io.netchannel.xen.Listener;
import io.netchannel.xen.XenException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * All event channels of a hypervisor. A port is a pending bit: notifications merge until the
 * listener is called, none is lost.
 */
final class EventPorts {
  private final Map<Integer, Map<Integer, Port>> portsByDomain = new HashMap<>();
  private final Map<Integer, Integer> lastPort = new HashMap<>();

  /** One end of a channel. Its fields are guarded by the lock of the {@link EventPorts}. */
  final class Port {
    private final int number;
    private final int remoteDomid;
    private final SerialQueue queue;
    private final Runnable delivery = this::deliver;
    private Port peer;
    private Listener<Port> listener;
    private boolean pending;
    private boolean closed;

    private Port(int number, int remoteDomid, SerialQueue queue) {
      this.number = number;
      this.remoteDomid = remoteDomid;
      this.queue = queue;
    }

    int number() {
      return number;
    }

    private void raise() {
      boolean first = !pending;
      pending = true;
      if (first && listener != null) {
        queue.add(delivery);
      }
    }

    private void deliver() {
      Listener<Port> target;
      synchronized (EventPorts.this) {
        pending = false;
        target = closed ? null : listener;
      }
      if (target != null) {
        target.accept(this);
      }
    }
  }

  synchronized Port allocateUnbound(int domid, int remoteDomid, SerialQueue queue) {
    return newPort(domid, remoteDomid, queue);
  }

  Port bind(int domid, int remoteDomid, int remotePort, SerialQueue queue, Runnable onEvent) {
    Port local;
    synchronized (this) {
      Port remote = portsByDomain.getOrDefault(remoteDomid, Map.of()).get(remotePort);
      if (remote == null || remote.remoteDomid != domid) {
        throw new XenException(
            "domain %d cannot bind to port %d of domain %d: expected a port allocated for it, found %s"
                .formatted(
                    domid,
                    remotePort,
                    remoteDomid,
                    remote == null ? "none" : "one for domain " + remote.remoteDomid));
      }
      if (remote.peer != null) {
        throw new XenException(
            "domain %d cannot bind to port %d of domain %d: it is bound already; close the other end first"
                .formatted(domid, remotePort, remoteDomid));
      }
      local = newPort(domid, remoteDomid, queue);
      local.peer = remote;
      remote.peer = local;
      local.listener = new Listener<>(port -> onEvent.run());
      local.raise();
    }
    queue.kick();
    return local;
  }

  void listen(int domid, int number, Runnable onEvent) {
    Port port;
    Listener<Port> old;
    synchronized (this) {
      port = require(domid, number);
      old = port.listener;
      port.listener = new Listener<>(ignored -> onEvent.run());
      if (old == null && port.pending) {
        port.queue.add(port.delivery);
      }
    }
    if (old != null) {
      old.close();
    }
    port.queue.kick();
  }

  void notifyPeer(int domid, int number) {
    Port peer;
    synchronized (this) {
      peer = require(domid, number).peer;
      if (peer == null) {
        return; // Xen drops what is sent on an unbound port
      }
      peer.raise();
    }
    peer.queue.kick();
  }

  void close(int domid, int number) {
    Listener<Port> listener;
    synchronized (this) {
      Port port = portsByDomain.getOrDefault(domid, Map.of()).get(number);
      if (port == null) {
        return;
      }
      portsByDomain.get(domid).remove(number);
      port.closed = true;
      if (port.peer != null) {
        port.peer.peer = null;
        port.peer = null;
      }
      listener = port.listener;
    }
    if (listener != null) {
      listener.close();
    }
  }

  void closeAll(int domid) {
    List<Integer> numbers;
    synchronized (this) {
      numbers = List.copyOf(portsByDomain.getOrDefault(domid, Map.of()).keySet());
    }
    numbers.forEach(number -> close(domid, number));
  }

  private Port newPort(int domid, int remoteDomid, SerialQueue queue) {
    int number = lastPort.merge(domid, 1, Integer::sum);
    Port port = new Port(number, remoteDomid, queue);
    portsByDomain.computeIfAbsent(domid, id -> new HashMap<>()).put(number, port);
    return port;
  }

  private Port require(int domid, int number) {
    Port port = portsByDomain.getOrDefault(domid, Map.of()).get(number);
    if (port == null) {
      throw new XenException(
          "domain %d has no port %d: it was never allocated or is closed".formatted(domid, number));
    }
    return port;
  }
}
