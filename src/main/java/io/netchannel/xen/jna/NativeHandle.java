package io.netchannel.xen.jna;

import com.sun.jna.Pointer;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A handle of a C library that is never used once it is freed: that would end the JVM. Uses may run
 * side by side; freeing waits for them.
 */
final class NativeHandle {
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private final Consumer<Pointer> free;
  private final Supplier<? extends RuntimeException> whenClosed;
  private Pointer handle;

  NativeHandle(
      Pointer handle, Consumer<Pointer> free, Supplier<? extends RuntimeException> whenClosed) {
    this.handle = handle;
    this.free = free;
    this.whenClosed = whenClosed;
  }

  <T> T use(Function<Pointer, T> use) {
    lock.readLock().lock();
    try {
      return use.apply(open());
    } finally {
      lock.readLock().unlock();
    }
  }

  /**
   * For cleaning up: what belongs to a handle goes with it, so nothing is to do once it is closed.
   */
  void useIfOpen(Consumer<Pointer> use) {
    lock.readLock().lock();
    try {
      if (handle != null) {
        use.accept(handle);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** Idempotent. */
  void close() {
    lock.writeLock().lock();
    try {
      if (handle != null) {
        free.accept(handle);
        handle = null;
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  private Pointer open() {
    if (handle == null) {
      throw whenClosed.get();
    }
    return handle;
  }
}
