package io.netchannel.daemon;

import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;

/** A store that cannot say, so many times, whether a domain is there. */
final class FailingStore implements XenStore {
  private final XenStore store;
  private final AtomicInteger failures = new AtomicInteger();

  FailingStore(XenStore store) {
    this.store = store;
  }

  /** So many of the next questions after a domain's directory fail; by turns an error, too. */
  void fail(int times) {
    failures.set(times);
  }

  int failuresLeft() {
    return failures.get();
  }

  @Override
  public boolean exists(String path) {
    if (Guest.domid(path.substring(path.lastIndexOf('/') + 1))
        .filter(domid -> path.equals(Guest.path(domid)))
        .isPresent()) {
      int left = failures.getAndUpdate(times -> Math.max(0, times - 1));
      if (left > 0 && left % 2 == 0) {
        throw new XenStoreException(XenStoreException.Reason.IO, "of a test");
      }
      if (left > 0) {
        throw new StackOverflowError("of a test");
      }
    }
    return store.exists(path);
  }

  @Override
  public <T> T transaction(Function<XenStoreOperations, T> body) {
    return store.transaction(body);
  }

  @Override
  public Watch watch(String path, Consumer<String> listener) {
    return store.watch(path, listener);
  }

  @Override
  public Optional<String> read(String path) {
    return store.read(path);
  }

  @Override
  public List<String> directory(String path) {
    return store.directory(path);
  }

  @Override
  public void write(String path, String value) {
    store.write(path, value);
  }

  @Override
  public void mkdir(String path) {
    store.mkdir(path);
  }

  @Override
  public boolean remove(String path) {
    return store.remove(path);
  }

  @Override
  public List<XenStorePermission> permissions(String path) {
    return store.permissions(path);
  }

  @Override
  public void setPermissions(String path, List<XenStorePermission> permissions) {
    store.setPermissions(path, permissions);
  }

  @Override
  public void close() {
    store.close();
  }
}
