package io.netchannel.server;

import io.netchannel.device.usb.DescriptorLoop;
import io.netty.channel.IoEvent;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.FutureListener;
import java.io.UncheckedIOException;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A connection's event loop, which waits for devices beside its socket. */
record ChannelLoop(IoEventLoop loop) implements DescriptorLoop {
  private static final Logger log = LoggerFactory.getLogger(ChannelLoop.class);

  /** EPOLLERR and EPOLLHUP, which are told whether asked for or not. */
  private static final int BROKEN = 0x8 | 0x10;

  /** Only sockets tell that. After {@link EpollIoOps#NONE} Netty takes nothing else any more. */
  private static final EpollIoOps NOTHING = EpollIoOps.EPOLLRDHUP;

  @Override
  public Watch watch(int descriptor, Watcher watcher) {
    Watched watched = new Watched(new FileDescriptor(descriptor), watcher);
    var unusedEnd = loop.terminationFuture().addListener(watched.whenTerminated);
    try {
      var unused = loop.register(watched).addListener(watched::begin);
    } catch (RejectedExecutionException e) {
      log.debug("a device's descriptor is not waited for: the event loop has ended");
    }
    return watched;
  }

  /**
   * Everything but {@link #fd} happens on the loop; or after it, when there is no loop any more.
   */
  private final class Watched implements EpollIoHandle, Watch {
    private final FileDescriptor descriptor;
    private final Watcher watcher;

    /**
     * Netty closes the handles of a loop only if that looks at its sockets once more: not if a task
     * of its own has ended it, as when this side closes the connection that it belongs to.
     */
    private final FutureListener<Object> whenTerminated = ended -> tellOver();

    /** Null before the loop has it. */
    private IoRegistration registration;

    private boolean listens = true;
    private boolean cancelled;

    private Watched(FileDescriptor descriptor, Watcher watcher) {
      this.descriptor = descriptor;
      this.watcher = watcher;
    }

    private void begin(Future<? super IoRegistration> registered) {
      if (!registered.isSuccess()) {
        fail(registered.cause());
        return;
      }
      registration = (IoRegistration) registered.getNow();
      if (cancelled) {
        var unused = registration.cancel();
      } else {
        apply();
      }
    }

    private void apply() {
      try {
        var unused = registration.submit(listens ? EpollIoOps.EPOLLOUT : NOTHING);
      } catch (UncheckedIOException e) {
        fail(e); // a file that is always ready, in place of a device
      }
    }

    private void fail(Throwable cause) {
      log.debug("a device's descriptor is not waited for: {}", cause.toString());
      tellOver();
      endNow();
    }

    private void tellOver() {
      if (!cancelled) {
        cancelled = true;
        watcher.over();
      }
    }

    private void endNow() {
      cancelled = true;
      var unusedEnd = loop.terminationFuture().removeListener(whenTerminated);
      if (registration != null) {
        var unused = registration.cancel();
      }
    }

    private void onLoop(Runnable task) {
      if (loop.inEventLoop()) {
        task.run();
        return;
      }
      try {
        loop.execute(task);
      } catch (RejectedExecutionException e) {
        log.debug("a device's descriptor is not waited for: the event loop has ended");
      }
    }

    @Override
    public void listen(boolean on) {
      onLoop(
          () -> {
            listens = on;
            if (registration != null && !cancelled) {
              apply();
            }
          });
    }

    @Override
    public void cancel() {
      onLoop(this::endNow);
    }

    // ---- Netty

    @Override
    public FileDescriptor fd() {
      return descriptor;
    }

    @Override
    public void handle(IoRegistration of, IoEvent event) {
      if (!cancelled) {
        watcher.ready((((EpollIoEvent) event).ops().value() & BROKEN) != 0);
      }
    }

    /** The loop is about to end, and the descriptor is its device's. */
    @Override
    public void close() {}
  }
}
