package io.netchannel.xen.jna;

import static io.netchannel.xen.jna.XenStoreCalls.cString;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.util.concurrent.Uninterruptibles;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.threads.LastResort;
import io.netchannel.xen.Listener;
import io.netchannel.xen.XenStore.Watch;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The watches of a connection, on a handle and a thread of their own, so that a listener may use
 * the store while the requests of others go on.
 *
 * <p>Whatever a listener throws, the next one is called. When xenstored can be read no more, nobody
 * hears of guests that come and go: that is the end of the process ({@link LastResort}), but not
 * before the next one could be started:
 *
 * <pre>
 *   READING --connection lost--> AWAY --xenstored can be reached--> the process ends
 *      |                          |
 *      +----------close-----------+--> over
 * </pre>
 *
 * Away, disks of running guests go on as they are: they need no xenstore.
 */
final class WatchLoop implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WatchLoop.class);

  /**
   * libxenstore does not tell through its pipe that the connection is lost, so it is asked so
   * often; and so often it is tried whether xenstored is there again.
   */
  private static final int LOOK_MILLIS = 1000;

  private final NativeHandle handle;
  private final FdWaiter waiter;
  private final Thread thread;
  private final Map<String, Registration> registrations = new ConcurrentHashMap<>();
  private final AtomicLong lastToken = new AtomicLong();
  private volatile boolean stopped;

  /** Owns {@code handle} from now on. */
  WatchLoop(NativeHandle handle) {
    this.handle = handle;
    // Before the first watch: libxenstore tells of events through this pipe.
    waiter = new FdWaiter(handle.use(LibXenStore::xs_fileno));
    thread = LastResort.vital("xenstore-watch", this::run);
    thread.start();
  }

  Watch watch(String path, Consumer<String> listener) {
    if (!path.startsWith("/") && !path.startsWith("@")) {
      throw Errors.storeFailure("watch", path, LibC.EINVAL);
    }
    Registration registration =
        new Registration(path, Long.toString(lastToken.incrementAndGet()), listener);
    // Known before xenstored fires it for the first time.
    registrations.put(registration.token, registration);
    int errno =
        handle.use(
            h ->
                LibXenStore.xs_watch(h, cString(path), cString(registration.token)) == 0
                    ? Native.getLastError()
                    : 0);
    if (errno != 0) {
      registrations.remove(registration.token);
      if (errno == LibC.E2BIG) { // what xenstored answers when the quota of watches is used up
        throw new XenStoreException(
            Reason.QUOTA,
            "cannot watch %s: this domain has too many watches; close some".formatted(path));
      }
      throw Errors.storeFailure("watch", path, errno);
    }
    return registration;
  }

  @Override
  public void close() {
    if (stopped) {
      return;
    }
    stopped = true;
    registrations.values().forEach(Registration::close);
    waiter.stop();
    if (Thread.currentThread() != thread) {
      Uninterruptibles.joinUninterruptibly(thread);
    }
  }

  private void run() {
    try {
      while (waiter.await(LOOK_MILLIS) && !stopped) {
        drain();
      }
    } catch (XenStoreException e) {
      LOG.error(
          "{}: disks of running guests go on, guests that come and go are not seen; netchanneld"
              + " starts anew when xenstored can be reached",
          e.getMessage());
      if (comesBack()) {
        throw e;
      }
    }
    // Not after an error: the end of the process does not wait for those who use the handle.
    waiter.close();
    handle.close();
  }

  /** False when it is stopped before. */
  private boolean comesBack() {
    while (waiter.await(LOOK_MILLIS) && !stopped) {
      Pointer another = LibXenStore.xs_open(0);
      if (another != null) {
        LibXenStore.xs_close(another);
        return true;
      }
    }
    return false;
  }

  private void drain() {
    while (!stopped) {
      Pointer event = handle.use(LibXenStore::xs_check_watch);
      if (event == null) {
        int errno = Native.getLastError();
        if (errno != LibC.EAGAIN) {
          throw new XenStoreException(
              Reason.IO, "the connection to xenstored is lost: " + LibC.describe(errno));
        }
        return;
      }
      String path;
      String token;
      try {
        path = event.getPointer(0).getString(0, UTF_8.name());
        token = event.getPointer(Native.POINTER_SIZE).getString(0, UTF_8.name());
      } finally {
        LibC.free(event);
      }
      Registration registration = registrations.get(token);
      if (registration != null) {
        registration.fire(path);
      }
    }
  }

  private final class Registration implements Watch {
    private final String path;
    private final String token;
    private final Listener<String> listener;

    Registration(String path, String token, Consumer<String> listener) {
      this.path = path;
      this.token = token;
      this.listener = new Listener<>(listener);
    }

    void fire(String changedPath) {
      try {
        listener.accept(changedPath);
      } catch (RuntimeException | Error e) {
        LOG.error("the listener of {} threw for {}; listeners must not", path, changedPath, e);
      }
    }

    @Override
    public void close() {
      if (registrations.remove(token) != null) {
        unwatch();
      }
      listener.close();
    }

    private void unwatch() {
      handle.useIfOpen(
          h -> {
            if (LibXenStore.xs_unwatch(h, cString(path), cString(token)) == 0) {
              LOG.warn(
                  "xenstored did not end the watch of {}: {}",
                  path,
                  LibC.describe(Native.getLastError()));
            }
          });
    }
  }
}
