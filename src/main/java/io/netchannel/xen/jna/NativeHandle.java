package io.netchannel.xen.jna;

import com.sun.jna.Pointer;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A handle of a C library that is never used once it is freed: that would end the JVM. Uses may run
 * side by side, not one within another; freeing waits for them.
 */
final class NativeHandle {
  /** Unlike a ReentrantReadWriteLock it keeps no count per thread, which would be an object. */
  private final StampedLock lock = new StampedLock();

  private final Lock using = lock.asReadLock();
  private final Lock freeing = lock.asWriteLock();
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
    Pointer open = enter();
    try {
      return use.apply(open);
    } finally {
      leave();
    }
  }

  /**
   * The handle, not freed before {@link #leave}: {@link #use} without a lambda, for what is done
   * for each request.
   */
  Pointer enter() {
    using.lock();
    if (handle == null) {
      using.unlock();
      throw whenClosed.get();
    }
    return handle;
  }

  void leave() {
    using.unlock();
  }

  /**
   * For cleaning up: what belongs to a handle goes with it, so nothing is to do once it is closed.
   */
  void useIfOpen(Consumer<Pointer> use) {
    using.lock();
    try {
      if (handle != null) {
        use.accept(handle);
      }
    } finally {
      using.unlock();
    }
  }

  /** Idempotent. */
  void close() {
    freeing.lock();
    try {
      if (handle != null) {
        free.accept(handle);
        handle = null;
      }
    } finally {
      freeing.unlock();
    }
  }
}
