package io.netchannel.xen.jna;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreOperations;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A connection to xenstored. The library finds it by itself: the environment variables
 * XENSTORED_PATH and XENSTORED_RUNDIR, /run/xenstored/socket, then /dev/xen/xenbus.
 */
public final class JnaXenStore extends XenStoreCalls implements XenStore {
  /** So many refused commits in a row are no accident but a fight; the caller must know. */
  private static final int MAX_COMMITS = 64;

  private static final byte COMMIT = 0;
  private static final byte ABORT = 1;

  private final NativeHandle requests;
  private final WatchLoop watches;

  /**
   * Opens two connections: one for requests, one for watches.
   *
   * @throws XenException when xenstored cannot be reached
   */
  public static JnaXenStore open() {
    NativeHandle requests = openHandle();
    try {
      return new JnaXenStore(requests, new WatchLoop(openHandle()));
    } catch (RuntimeException e) {
      requests.close();
      throw e;
    }
  }

  private JnaXenStore(NativeHandle requests, WatchLoop watches) {
    super(requests, NO_TRANSACTION);
    this.requests = requests;
    this.watches = watches;
  }

  private static NativeHandle openHandle() {
    Pointer handle = LibXenStore.xs_open(0);
    if (handle == null) {
      throw new XenException(
          "cannot connect to xenstored: %s; expected /run/xenstored/socket or /dev/xen/xenbus, see that xenstored runs (systemctl status xenstored)"
              .formatted(LibC.describe(Native.getLastError())));
    }
    return new NativeHandle(
        handle,
        LibXenStore::xs_close,
        () ->
            new XenStoreException(
                Reason.IO, "the connection to xenstored is closed: open a new one"));
  }

  @Override
  public <T> T transaction(Function<XenStoreOperations, T> body) {
    for (int attempt = 0; attempt < MAX_COMMITS; attempt++) {
      int transaction = start();
      XenStoreCalls operations = new XenStoreCalls(requests, transaction);
      T result;
      try {
        result = body.apply(operations);
      } catch (Throwable e) {
        end(transaction, ABORT);
        throw e;
      } finally {
        operations.endTransaction();
      }
      int errno = end(transaction, COMMIT);
      if (errno == 0) {
        return result;
      }
      if (errno != LibC.EAGAIN) {
        throw Errors.storeFailure("commit a transaction in", "xenstore", errno);
      }
    }
    throw new XenStoreException(
        Reason.CONFLICT,
        "a transaction was refused %d times: others change the same nodes all the time; find out who"
            .formatted(MAX_COMMITS));
  }

  @Override
  public Watch watch(String path, Consumer<String> listener) {
    return watches.watch(path, listener);
  }

  @Override
  public void close() {
    watches.close();
    requests.close();
  }

  private int start() {
    return requests.use(
        h -> {
          int transaction = LibXenStore.xs_transaction_start(h);
          if (transaction == NO_TRANSACTION) {
            throw Errors.storeFailure("start a transaction in", "xenstore", Native.getLastError());
          }
          return transaction;
        });
  }

  /** Returns 0 or the errno. */
  private int end(int transaction, byte abort) {
    return requests.use(
        h ->
            LibXenStore.xs_transaction_end(h, transaction, abort) == 0 ? Native.getLastError() : 0);
  }
}
