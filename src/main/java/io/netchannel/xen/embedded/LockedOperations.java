package io.netchannel.xen.embedded;

import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** {@link StoreAccess} under the lock of the store, while its connection or transaction is open. */
abstract class LockedOperations implements XenStoreOperations {
  private final StoreTree tree;
  private final StoreAccess access;

  LockedOperations(StoreTree tree, StoreAccess access) {
    this.tree = tree;
    this.access = access;
  }

  /** Throws when the connection or transaction has ended. */
  abstract void checkOpen();

  @Override
  public Optional<String> read(String path) {
    return locked(() -> access.read(path));
  }

  @Override
  public List<String> directory(String path) {
    return locked(() -> access.directory(path));
  }

  @Override
  public void write(String path, String value) {
    run(() -> access.write(path, value));
  }

  @Override
  public void mkdir(String path) {
    run(() -> access.mkdir(path));
  }

  @Override
  public boolean remove(String path) {
    return locked(() -> access.remove(path));
  }

  @Override
  public List<XenStorePermission> permissions(String path) {
    return locked(() -> access.permissions(path));
  }

  @Override
  public void setPermissions(String path, List<XenStorePermission> permissions) {
    run(() -> access.setPermissions(path, permissions));
  }

  final <T> T locked(Supplier<T> work) {
    return tree.locked(
        () -> {
          checkOpen();
          return work.get();
        });
  }

  final void run(Runnable work) {
    tree.locked(
        () -> {
          checkOpen();
          work.run();
          return null;
        });
  }
}
