package io.netchannel.device.usb.soft;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What a port has to tell others: completions and what was plugged, in order and one after the
 * other, never under the port's lock and never on the thread that submits.
 */
final class Outbox {
  private final Executor executor;
  private final Queue<Runnable> words = new ConcurrentLinkedQueue<>();
  private final ReentrantLock telling = new ReentrantLock();

  Outbox(Executor executor) {
    this.executor = executor;
  }

  /** Comes after all that was added before. */
  void add(Runnable word) {
    words.add(word);
  }

  /** Has it told by the executor; not under the port's lock. */
  void tellSoon() {
    if (!words.isEmpty()) {
      executor.execute(this::tell);
    }
  }

  /** Tells all on this thread, after what another one is telling. */
  void tellNow() {
    telling.lock();
    try {
      tellAll();
    } finally {
      telling.unlock();
    }
  }

  private void tell() {
    // Whoever is telling looks again: a thread of the executor waits for nobody's completions.
    while (!words.isEmpty() && telling.tryLock()) {
      try {
        tellAll();
      } finally {
        telling.unlock();
      }
    }
  }

  private void tellAll() {
    for (Runnable word = words.poll(); word != null; word = words.poll()) {
      word.run();
    }
  }
}
