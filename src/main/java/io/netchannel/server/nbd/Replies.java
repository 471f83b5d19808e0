package io.netchannel.server.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The slots of one connection: bounded in memory, handed out to requests, sent as replies when they
 * are done. Two threads send: the connection's reader what was done on it, before it waits for the
 * client, and a writer of its own what the device's threads have done, so that no device waits for
 * a client that does not take its replies.
 */
final class Replies {
  /** One system call sends so many: the most that Linux takes (IOV_MAX) is far more. */
  private static final int MAX_BATCH = 64;

  /** So much is sent before more requests are looked at: the client can go on meanwhile. */
  private static final int BATCH_BYTES = 128 * 1024;

  private final SocketChannel channel;
  private final Thread reader;
  private final ReentrantLock sending = new ReentrantLock();

  /** The sender's. */
  private final Slot[] batch = new Slot[MAX_BATCH];

  private final ByteBuffer[] buffers = new ByteBuffer[MAX_BATCH];

  /** The connection is over: what is long and not done yet need not be done. */
  private volatile boolean stopped;

  /** All below guarded by this. */
  private final SlotPool pool = new SlotPool(this::done, () -> stopped);

  private final Deque<Slot> done = new ArrayDeque<>(SlotPool.MAX_REQUESTS);
  private long doneBytes;
  private boolean readerWaits;
  private boolean writerWaits;
  private boolean broken;
  private boolean ended;

  /** For the reader thread that makes it. */
  Replies(SocketChannel channel) {
    this.channel = channel;
    reader = Thread.currentThread();
  }

  /** By the reader: a slot for this much data; waits until the window has room. */
  Slot obtain(int dataBytes) throws IOException, InterruptedException {
    synchronized (this) {
      Slot found = pool.obtain(dataBytes);
      if (found != null) {
        return found;
      }
    }
    send(); // what waits for being sent may be what fills the window
    synchronized (this) {
      while (true) {
        Slot found = pool.obtain(dataBytes);
        if (found != null) {
          return found;
        }
        if (broken) {
          throw new IOException("the client takes no replies any more");
        }
        readerWaits = true;
        try {
          wait();
        } finally {
          readerWaits = false;
        }
      }
    }
  }

  /** By the reader: a slot that no request will use, as its data has not come. */
  synchronized void abandon() {
    pool.abandon();
  }

  /** Nothing can be sent any more: the reader does not wait for room. */
  synchronized void fail() {
    broken = true;
    notifyAll();
  }

  /** Whether only one request is under way: that of the caller. */
  synchronized boolean isAlone() {
    return pool.inUse() == 1;
  }

  private synchronized void done(Slot slot) {
    done.add(slot);
    doneBytes += slot.capacityBytes;
    if (ended || (writerWaits && Thread.currentThread() != reader)) {
      notifyAll();
    }
  }

  /** By the reader: whether so much is done that it should be sent first. */
  synchronized boolean isMuch() {
    return doneBytes >= BATCH_BYTES || done.size() >= MAX_BATCH;
  }

  /** Sends all that is done. */
  void send() throws IOException {
    sending.lock();
    try {
      while (true) {
        int count = takeBatch();
        if (count == 0) {
          return;
        }
        try {
          write(count);
        } finally {
          giveBack(count);
        }
      }
    } finally {
      sending.unlock();
    }
  }

  private synchronized int takeBatch() {
    int count = 0;
    while (count < MAX_BATCH && !done.isEmpty()) {
      Slot slot = done.remove();
      doneBytes -= slot.capacityBytes;
      batch[count] = slot;
      buffers[count++] = slot.encodeReply();
    }
    return count;
  }

  private void write(int count) throws IOException {
    int first = 0;
    while (first < count) {
      var unused =
          count - first == 1
              ? channel.write(buffers[first])
              : channel.write(buffers, first, count - first);
      while (first < count && !buffers[first].hasRemaining()) {
        first++;
      }
    }
  }

  private synchronized void giveBack(int count) {
    for (int i = 0; i < count; i++) {
      Slot slot = batch[i];
      batch[i] = null;
      buffers[i] = null;
      pool.giveBack(slot);
    }
    if (readerWaits || ended) {
      notifyAll();
    }
  }

  /** The writer's loop: sends what is done elsewhere than on the reader, until the end. */
  void sendUntilEnded() throws IOException {
    while (awaitDone()) {
      send();
    }
  }

  private synchronized boolean awaitDone() {
    while (done.isEmpty() && !ended) {
      writerWaits = true;
      try {
        wait();
      } catch (InterruptedException e) {
        throw new IllegalStateException("nobody interrupts this thread", e);
      } finally {
        writerWaits = false;
      }
    }
    return !ended;
  }

  /** Requests that go to the device piece by piece end with the piece that is under way. */
  void stop() {
    stopped = true;
  }

  /** Nothing is sent any more; waits until the device has done all it was given. */
  synchronized void end() throws InterruptedException {
    ended = true;
    notifyAll();
    while (done.size() < pool.inUse()) {
      wait();
    }
  }
}
