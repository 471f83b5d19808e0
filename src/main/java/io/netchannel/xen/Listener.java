package io.netchannel.xen;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * For the implementations of the contracts: a listener that is certainly silent once {@link #close}
 * has returned: a call under way on another thread is waited for. A listener may close itself.
 */
public final class Listener<T> {
  private final Consumer<? super T> consumer;
  private final ReentrantLock lock = new ReentrantLock();
  private boolean closed;

  public Listener(Consumer<? super T> consumer) {
    this.consumer = consumer;
  }

  public void accept(T value) {
    lock.lock();
    try {
      if (!closed) {
        consumer.accept(value);
      }
    } finally {
      lock.unlock();
    }
  }

  public void close() {
    lock.lock();
    try {
      closed = true;
    } finally {
      lock.unlock();
    }
  }
}
