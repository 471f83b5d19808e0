package io.netchannel.xen.jna;

import com.sun.jna.Pointer;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A handle of a C library that is never used once it is freed: that would end the JVM. Uses may run
 * side by side, not one within another: with somebody who waits to free it in between, both would
 * wait for ever. Freeing waits for uses.
 */
final class NativeHandle {
  /** Unlike a ReentrantReadWriteLock it keeps no count per thread, which would be an object. */
  private final StampedLock lock = new StampedLock();

  private final Lock using = lock.asReadLock();
  private final Lock freeing = lock.asWriteLock();
  private final Consumer<Pointer> free;
  private final Supplier<? extends RuntimeException> whenClosed;
  private Pointer handle;

  /** Whether this thread is in a use; looked at where assertions are on, as in all tests. */
  private final ThreadLocal<Boolean> inUse = ThreadLocal.withInitial(() -> false);

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
    assert begins();
    using.lock();
    if (handle == null) {
      leave();
      throw whenClosed.get();
    }
    return handle;
  }

  void leave() {
    assert ends();
    using.unlock();
  }

  private boolean begins() {
    if (inUse.get()) {
      throw new AssertionError("a use of a native handle within another one: it may wait for ever");
    }
    inUse.set(true);
    return true;
  }

  private boolean ends() {
    inUse.set(false);
    return true;
  }

  /**
   * For cleaning up: what belongs to a handle goes with it, so nothing is to do once it is closed.
   */
  void useIfOpen(Consumer<Pointer> use) {
    assert begins();
    using.lock();
    try {
      if (handle != null) {
        use.accept(handle);
      }
    } finally {
      leave();
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
