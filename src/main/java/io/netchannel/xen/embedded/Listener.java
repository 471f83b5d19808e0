package io.netchannel.xen.embedded;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * A listener that is certainly silent once {@link #close} has returned: a call under way on another
 * thread is waited for. A listener may close itself.
 */
final class Listener<T> {
  private final Consumer<? super T> consumer;
  private final ReentrantLock lock = new ReentrantLock();
  private boolean closed;

  Listener(Consumer<? super T> consumer) {
    this.consumer = consumer;
  }

  void accept(T value) {
    lock.lock();
    try {
      if (!closed) {
        consumer.accept(value);
      }
    } finally {
      lock.unlock();
    }
  }

  void close() {
    lock.lock();
    try {
      closed = true;
    } finally {
      lock.unlock();
    }
  }
}
