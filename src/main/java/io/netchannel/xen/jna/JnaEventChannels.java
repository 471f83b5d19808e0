package io.netchannel.xen.jna;

import com.google.common.util.concurrent.Uninterruptibles;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.threads.LastResort;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.Listener;
import io.netchannel.xen.XenException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Event channels through /dev/xen/evtchn: one handle, one thread that waits for events and calls
 * the listeners. Whatever one throws, the next one is called. When events cannot be read no guest
 * is served: that is the end of the process ({@link LastResort}).
 *
 * <p>Xen marks a freshly bound port pending (evtchn_bind_interdomain in
 * xen/common/event_channel.c), so the listener runs right after binding, whatever the other end
 * sent before.
 */
public final class JnaEventChannels implements EventChannels {
  private static final Logger LOG = LoggerFactory.getLogger(JnaEventChannels.class);

  private final NativeHandle handle;
  private final FdWaiter waiter;
  private final Thread thread;

  /**
   * By local port. Its lock is held while a port is bound and unbound, so that no event gets lost.
   */
  private final Map<Integer, Channel> channels = new HashMap<>();

  private volatile boolean stopped;

  /**
   * Opens /dev/xen/evtchn.
   *
   * @throws XenException when that is not possible
   */
  public static JnaEventChannels open() {
    Pointer handle = LibXenEvtchn.xenevtchn_open(Pointer.NULL, 0);
    if (handle == null) {
      throw new XenException(
          "cannot open /dev/xen/evtchn: %s; expected a Xen dom0 with the module xen-evtchn (modprobe xen-evtchn)"
              .formatted(LibC.describe(Native.getLastError())));
    }
    return new JnaEventChannels(
        new NativeHandle(
            handle,
            LibXenEvtchn::xenevtchn_close,
            () -> new XenException("the event channels are closed: open them again")));
  }

  private JnaEventChannels(NativeHandle handle) {
    this.handle = handle;
    waiter = new FdWaiter(handle.use(LibXenEvtchn::xenevtchn_fd));
    thread = LastResort.vital("xen-events", this::run);
    thread.start();
  }

  @Override
  public EventChannel bindInterdomain(int domid, int remotePort, Runnable onEvent) {
    synchronized (channels) {
      int port =
          handle.use(
              h -> {
                int bound = LibXenEvtchn.xenevtchn_bind_interdomain(h, domid, remotePort);
                if (bound < 0) {
                  throw new XenException(
                      "cannot bind to port %d of domain %d: %s; expected a port allocated for us and not bound"
                          .formatted(remotePort, domid, LibC.describe(Native.getLastError())));
                }
                return bound;
              });
      Channel channel =
          new Channel(port, "port %d of domain %d".formatted(remotePort, domid), onEvent);
      channels.put(port, channel);
      return channel;
    }
  }

  @Override
  public void close() {
    if (stopped) {
      return;
    }
    stopped = true;
    List<Channel> open;
    synchronized (channels) {
      open = List.copyOf(channels.values());
    }
    open.forEach(Channel::close);
    waiter.stop();
    if (Thread.currentThread() != thread) {
      Uninterruptibles.joinUninterruptibly(thread);
    }
  }

  private void run() {
    while (waiter.await() && !stopped) {
      handleOneEvent();
    }
    // Not after an error: the end of the process does not wait for those who use the handle.
    waiter.close();
    handle.close();
  }

  private void handleOneEvent() {
    int port = handle.use(LibXenEvtchn::xenevtchn_pending);
    if (port < 0) {
      throw new XenException(
          "cannot read from /dev/xen/evtchn: " + LibC.describe(Native.getLastError()));
    }
    // Reading masked the port. Unmask it before the listener runs: what comes now is a new event.
    Channel channel;
    synchronized (channels) {
      channel = channels.get(port);
      if (channel != null) {
        unmask(port);
      }
    }
    if (channel != null) {
      channel.fire();
    }
  }

  private void unmask(int port) {
    Pointer h = handle.enter();
    try {
      var unused = LibXenEvtchn.xenevtchn_unmask(h, port);
    } finally {
      handle.leave();
    }
  }

  private final class Channel implements EventChannel {
    private final int port;
    private final String remote;
    private final Listener<Channel> listener;

    Channel(int port, String remote, Runnable onEvent) {
      this.port = port;
      this.remote = remote;
      listener = new Listener<>(channel -> onEvent.run());
    }

    @Override
    public void notifyPeer() {
      Pointer h = handle.enter();
      try {
        if (LibXenEvtchn.xenevtchn_notify(h, port) != 0) {
          throw new XenException(
              "cannot notify %s: %s; the channel is closed"
                  .formatted(remote, LibC.describe(Native.getLastError())));
        }
      } finally {
        handle.leave();
      }
    }

    @Override
    public void close() {
      synchronized (channels) {
        if (channels.remove(port, this)) {
          handle.useIfOpen(this::unbind);
        }
      }
      listener.close();
    }

    private void unbind(Pointer h) {
      if (LibXenEvtchn.xenevtchn_unbind(h, port) != 0) {
        LOG.warn("cannot unbind from {}: {}", remote, LibC.describe(Native.getLastError()));
      }
    }

    private void fire() {
      try {
        listener.accept(this);
      } catch (RuntimeException | Error e) {
        LOG.error("the listener of {} threw; listeners must not", remote, e);
      }
    }
  }
}
