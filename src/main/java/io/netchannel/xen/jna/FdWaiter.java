package io.netchannel.xen.jna;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import io.netchannel.xen.XenException;

/**
 * Waits until a file descriptor is readable or somebody stops the waiting: poll(2) on the
 * descriptor and an eventfd.
 */
final class FdWaiter implements AutoCloseable {
  /** struct pollfd { int fd; short events; short revents; }. */
  private static final int POLLFD_BYTES = 8;

  private static final int EVENTS_OFFSET = 4;
  private static final int REVENTS_OFFSET = 6;

  private static final int FOREVER = -1;

  private final Memory pollFds = new Memory(2L * POLLFD_BYTES);
  private final int stopFd;
  private boolean closed;

  FdWaiter(int fd) {
    stopFd = LibC.eventfd(0, LibC.EFD_CLOEXEC);
    if (stopFd < 0) {
      throw new XenException(
          "cannot make an eventfd: %s; raise the limit of open files (ulimit -n)"
              .formatted(LibC.describe(Native.getLastError())));
    }
    watchFor(0, fd);
    watchFor(1, stopFd);
  }

  /** True when the descriptor is readable (or broken: the next read tells), false when stopped. */
  boolean await() {
    while (true) {
      int ready = poll(FOREVER);
      if (ready > 0) {
        return !isStopped();
      }
    }
  }

  /** Likewise; true also when so much time has passed. */
  boolean await(int boundMillis) {
    return poll(boundMillis) <= 0 || !isStopped();
  }

  /** How many are readable; none after the time, and maybe before it. */
  private int poll(int boundMillis) {
    int ready = LibC.poll(pollFds, 2, boundMillis);
    int errno = Native.getLastError();
    if (ready < 0 && errno != LibC.EINTR) {
      throw new XenException("poll failed: " + LibC.describe(errno));
    }
    return ready;
  }

  private boolean isStopped() {
    return pollFds.getShort(POLLFD_BYTES + REVENTS_OFFSET) != 0;
  }

  /** Ends this and all later waits; from any thread. Does nothing after {@link #close}. */
  synchronized void stop() {
    if (closed) {
      return;
    }
    byte[] one = {1, 0, 0, 0, 0, 0, 0, 0};
    if (LibC.write(stopFd, one, one.length) != one.length) {
      throw new XenException("cannot stop a wait: " + LibC.describe(Native.getLastError()));
    }
  }

  /** Frees the eventfd; by the waiting thread once it waits no more. */
  @Override
  public synchronized void close() {
    closed = true;
    LibC.close(stopFd);
    pollFds.close();
  }

  private void watchFor(int slot, int fd) {
    long offset = (long) slot * POLLFD_BYTES;
    pollFds.setInt(offset, fd);
    pollFds.setShort(offset + EVENTS_OFFSET, LibC.POLLIN);
    pollFds.setShort(offset + REVENTS_OFFSET, (short) 0);
  }
}
