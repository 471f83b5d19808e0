package io.netchannel.coordinator;

import com.google.common.util.concurrent.Striped;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;

/**
 * One thread at a time carries a migration on. Reading its state needs no lock. A source asks its
 * peer nothing while it holds one, so two hosts cannot wait for each other.
 */
final class MigrationLocks {
  /**
   * One for each that is held, by all bits of the hash: a hung disk keeps no other guest waiting.
   */
  private final Striped<Lock> locks = Striped.lazyWeakLock(Integer.MAX_VALUE);

  private final MigrationStore store;

  MigrationLocks(MigrationStore store) {
    this.store = store;
  }

  /**
   * The right to change a migration, until closed.
   *
   * @param migration its newest state
   */
  record Held(Migration migration, Lock lock) implements AutoCloseable {
    @Override
    public void close() {
      lock.unlock();
    }
  }

  /** Fails when another call has it for all of the bound. */
  Held lock(Migration migration, Duration bound) throws MigrationRefusedException {
    Lock lock = locks.get(migration.id());
    try {
      if (lock.tryLock(bound.toMillis(), TimeUnit.MILLISECONDS)) {
        return new Held(store.get(migration.id()), lock);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MigrationRefusedException(migration.label() + ": interrupted", e);
    }
    throw new MigrationRefusedException(
        migration.label() + " is busy in another call for more than " + bound.toSeconds() + " s");
  }

  /** Does the work unless the migration is busy or over: for work that comes back by itself. */
  void ifFree(UUID id, Consumer<Migration> work) {
    Lock lock = locks.get(id);
    if (lock.tryLock()) {
      try {
        store.find(id).filter(Migration::isActive).ifPresent(work);
      } finally {
        lock.unlock();
      }
    }
  }
}
