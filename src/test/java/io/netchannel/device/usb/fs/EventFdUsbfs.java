package io.netchannel.device.usb.fs;

import io.netty.channel.epoll.Native;
import io.netty.channel.unix.FileDescriptor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executor;

/**
 * A kernel with a descriptor that a real event loop can wait for: an eventfd, which can be written
 * unless it is full. What is submitted is done by another thread, in any order.
 */
final class EventFdUsbfs extends NoUsbfs {
  private static final long FULL = -2;

  private final FileDescriptor descriptor = Native.newEventFd();
  private final Executor hardware;
  private final Random random;

  // All below is guarded by this.
  private final List<Long> submitted = new ArrayList<>();
  private final ArrayDeque<Long> done = new ArrayDeque<>();
  private boolean woken;

  EventFdUsbfs(Executor hardware, Random random) {
    this.hardware = hardware;
    this.random = random;
    Native.eventFdWrite(descriptor.intValue(), FULL);
  }

  @Override
  public synchronized int submit(long urb) {
    submitted.add(urb);
    hardware.execute(this::doSome);
    return 0;
  }

  private synchronized void doSome() {
    for (int n = Math.min(submitted.size(), 1 + random.nextInt(4)); n > 0; n--) {
      end(submitted.remove(random.nextInt(submitted.size())));
    }
  }

  private void end(long urb) {
    if (done.isEmpty()) {
      Native.eventFdRead(descriptor.intValue());
    }
    done.add(urb);
    notifyAll();
  }

  @Override
  public synchronized long reap() {
    if (done.isEmpty()) {
      return -Errno.EAGAIN;
    }
    long urb = done.remove();
    if (done.isEmpty()) {
      Native.eventFdWrite(descriptor.intValue(), FULL);
    }
    return urb;
  }

  @Override
  public synchronized int discard(long urb) {
    if (!submitted.remove(urb)) {
      return -Errno.EINVAL;
    }
    end(urb);
    return 0;
  }

  @Override
  public int claim(int interfaceNumber) {
    return 0;
  }

  @Override
  public int release(int interfaceNumber) {
    return 0;
  }

  @Override
  public int connect(int interfaceNumber) {
    return 0;
  }

  @Override
  public synchronized int await(int events, int boundMillis) {
    while (!woken && ready(events) == 0 && boundMillis != 0) {
      try {
        wait(Math.max(0, boundMillis));
      } catch (InterruptedException e) {
        throw new AssertionError("interrupted", e);
      }
      if (boundMillis > 0) {
        break;
      }
    }
    woken = false;
    return ready(events);
  }

  private int ready(int events) {
    return done.isEmpty() ? 0 : events & COMPLETED;
  }

  @Override
  public int descriptor() {
    return descriptor.intValue();
  }

  @Override
  public synchronized void wake() {
    woken = true;
    notifyAll();
  }

  @Override
  public void close() {
    try {
      descriptor.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
