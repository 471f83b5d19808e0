package io.netchannel.xen.embedded;

import io.netchannel.xen.Listener;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.embedded.StoreTree.WatchEntry;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;

/** One domain's connection to the store of its host. */
final class EmbeddedXenStore extends LockedOperations implements XenStore {
  /** So many refused commits in a row are no accident but a fight; the caller must know. */
  private static final int MAX_COMMITS = 64;

  private final StoreTree tree;
  private final int domid;
  private final SerialQueue queue;
  private final BooleanSupplier alive;
  private final Set<EmbeddedWatch> watches = ConcurrentHashMap.newKeySet();
  private final AtomicInteger transactions = new AtomicInteger();
  private volatile boolean closed;

  /**
   * @param queue calls the listeners of the watches
   * @param alive false once the domain is destroyed: its connection ends with it
   */
  EmbeddedXenStore(StoreTree tree, int domid, SerialQueue queue, BooleanSupplier alive) {
    super(tree, new StoreAccess(tree, domid));
    this.tree = tree;
    this.domid = domid;
    this.queue = queue;
    this.alive = alive;
  }

  @Override
  public <T> T transaction(Function<XenStoreOperations, T> body) {
    if (transactions.incrementAndGet() > StoreQuota.TRANSACTIONS_PER_CONNECTION && domid != 0) {
      transactions.decrementAndGet();
      throw new XenStoreException(
          Reason.QUOTA,
          "domain %d has %d transactions open, the most it may: end one first"
              .formatted(domid, StoreQuota.TRANSACTIONS_PER_CONNECTION));
    }
    try {
      for (int attempt = 0; attempt < MAX_COMMITS; attempt++) {
        StoreTransaction transaction = new StoreTransaction(tree);
        TransactionOperations operations = new TransactionOperations(transaction);
        T result;
        try {
          result = body.apply(operations);
        } finally {
          operations.ended = true;
        }
        if (locked(transaction::commit)) {
          return result;
        }
      }
    } finally {
      transactions.decrementAndGet();
    }
    throw new XenStoreException(
        Reason.CONFLICT,
        "a transaction was refused %d times: others change the same nodes all the time; find out who"
            .formatted(MAX_COMMITS));
  }

  @Override
  public Watch watch(String path, Consumer<String> listener) {
    StorePath.checkWatchable(path);
    EmbeddedWatch watch = new EmbeddedWatch(path, new Listener<>(listener));
    run(
        () -> {
          if (domid != 0 && tree.watchesOf(domid) >= StoreQuota.WATCHES_PER_DOMAIN) {
            throw new XenStoreException(
                Reason.QUOTA,
                "domain %d cannot watch %s: it has %d watches, the most it may; close some"
                    .formatted(domid, path, StoreQuota.WATCHES_PER_DOMAIN));
          }
          watches.add(watch);
          tree.addWatch(watch.entry);
        });
    return watch;
  }

  @Override
  public void close() {
    closed = true;
    watches.forEach(EmbeddedWatch::close);
  }

  @Override
  void checkOpen() {
    if (closed || !alive.getAsBoolean()) {
      throw new XenStoreException(
          Reason.IO,
          "the connection of domain %d to xenstore is %s"
              .formatted(domid, closed ? "closed: open a new one" : "gone with the domain"));
    }
  }

  private final class TransactionOperations extends LockedOperations {
    private volatile boolean ended;

    TransactionOperations(StoreTransaction transaction) {
      super(tree, new StoreAccess(transaction, domid));
    }

    @Override
    void checkOpen() {
      if (ended) {
        throw new IllegalStateException(
            "the transaction has ended: use its operations inside of its body only");
      }
      EmbeddedXenStore.this.checkOpen();
    }
  }

  private final class EmbeddedWatch implements Watch {
    private final Listener<String> listener;
    private final WatchEntry entry;

    EmbeddedWatch(String path, Listener<String> listener) {
      this.listener = listener;
      entry = new WatchEntry(domid, path, queue, listener);
    }

    @Override
    public void close() {
      watches.remove(this);
      tree.locked(
          () -> {
            tree.removeWatch(entry);
            return null;
          });
      listener.close();
    }
  }
}
