package io.netchannel.xen;

import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A connection to xenstore in three verbs: immediate operations, {@link #transaction} and {@link
 * #watch}. All methods may be called from any thread.
 */
public interface XenStore extends XenStoreOperations, AutoCloseable {

  /**
   * Runs {@code body} in a transaction and commits it. When another connection changed what the
   * body read, xenstored refuses the commit (EAGAIN) and the body is run again on a fresh
   * transaction, so it must have no other effects. A body that throws aborts the transaction.
   *
   * @throws XenStoreException with reason CONFLICT after a bounded number of refused commits
   */
  <T> T transaction(Function<XenStoreOperations, T> body);

  /**
   * Watches {@code path} and everything below it; also "@introduceDomain" and "@releaseDomain". The
   * listener gets the path that changed; it is called once right after registration with {@code
   * path} itself, and afterwards for every change, in order, on the connection's own watch thread:
   * it must return soon and must not throw. A listener may use the connection.
   */
  Watch watch(String path, Consumer<String> listener);

  /** Ends all watches and the connection. Idempotent. */
  @Override
  void close();

  /** A registered watch. */
  interface Watch extends AutoCloseable {
    /** Ends the watch; after the return the listener is not called any more. Idempotent. */
    @Override
    void close();
  }
}
