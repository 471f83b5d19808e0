package io.netchannel.xen.jna;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** The operations of libxenstore outside (transaction 0, XBT_NULL) or inside of one transaction. */
class XenStoreCalls implements XenStoreOperations {
  static final int NO_TRANSACTION = 0;

  private final NativeHandle handle;
  private final int transaction;
  private volatile boolean ended;

  XenStoreCalls(NativeHandle handle, int transaction) {
    this.handle = handle;
    this.transaction = transaction;
  }

  /** From now on every call throws: xenstored would answer as if all nodes were missing. */
  final void endTransaction() {
    ended = true;
  }

  private <T> T use(Function<Pointer, T> call) {
    if (ended) {
      throw new IllegalStateException(
          "the transaction has ended: use its operations inside of its body only");
    }
    return handle.use(call);
  }

  /**
   * A path as the library wants it. Only absolute ones: xenstored would look for others below
   * /local/domain/0.
   */
  private static byte[] absolute(String path) {
    if (!path.startsWith("/")) {
      throw Errors.storeFailure("use the path", path, LibC.EINVAL);
    }
    return cString(path);
  }

  /** A zero-terminated string. */
  static byte[] cString(String text) {
    if (text.indexOf('\0') >= 0) {
      throw Errors.storeFailure("use the path", text.replace('\0', '?'), LibC.EINVAL);
    }
    return (text + '\0').getBytes(UTF_8);
  }

  @Override
  public Optional<String> read(String path) {
    byte[] cPath = absolute(path);
    return use(
        h -> {
          int[] lengthBytes = new int[1];
          Pointer value = LibXenStore.xs_read(h, transaction, cPath, lengthBytes);
          if (value == null) {
            return emptyWhenMissing("read", path);
          }
          try {
            return Optional.of(new String(value.getByteArray(0, lengthBytes[0]), UTF_8));
          } finally {
            LibC.free(value);
          }
        });
  }

  @Override
  public List<String> directory(String path) {
    byte[] cPath = absolute(path);
    return use(
        h -> {
          int[] count = new int[1];
          Pointer names = LibXenStore.xs_directory(h, transaction, cPath, count);
          if (names == null) {
            emptyWhenMissing("list", path);
            return List.of();
          }
          try {
            List<String> result = new ArrayList<>(count[0]);
            for (int i = 0; i < count[0]; i++) {
              result.add(
                  names.getPointer((long) i * Native.POINTER_SIZE).getString(0, UTF_8.name()));
            }
            return List.copyOf(result);
          } finally {
            LibC.free(names); // one block: pointers and names
          }
        });
  }

  @Override
  public void write(String path, String value) {
    byte[] cPath = absolute(path);
    byte[] bytes = value.getBytes(UTF_8);
    check("write", path, h -> LibXenStore.xs_write(h, transaction, cPath, bytes, bytes.length));
  }

  @Override
  public void mkdir(String path) {
    byte[] cPath = absolute(path);
    check("create", path, h -> LibXenStore.xs_mkdir(h, transaction, cPath));
  }

  /**
   * xenstored calls the removal of a missing node a success when the parent exists, so ask first.
   * Of two that remove the same node at the same time both may be told true.
   */
  @Override
  public boolean remove(String path) {
    byte[] cPath = absolute(path);
    return use(
        h -> {
          Pointer value = LibXenStore.xs_read(h, transaction, cPath, new int[1]);
          if (value == null && Native.getLastError() == LibC.ENOENT) {
            return false;
          }
          LibC.free(value);
          if (LibXenStore.xs_rm(h, transaction, cPath) == 0) {
            return emptyWhenMissing("remove", path).isPresent();
          }
          return true;
        });
  }

  @Override
  public List<XenStorePermission> permissions(String path) {
    byte[] cPath = absolute(path);
    return use(
        h -> {
          int[] count = new int[1];
          Pointer permissions = LibXenStore.xs_get_permissions(h, transaction, cPath, count);
          if (permissions == null) {
            throw Errors.storeFailure("get the permissions of", path, Native.getLastError());
          }
          try {
            List<XenStorePermission> result = new ArrayList<>(count[0]);
            for (int i = 0; i < count[0]; i++) {
              long offset = (long) i * LibXenStore.PERMISSION_BYTES;
              result.add(
                  new XenStorePermission(
                      permissions.getInt(offset), access(permissions.getInt(offset + 4))));
            }
            return List.copyOf(result);
          } finally {
            LibC.free(permissions);
          }
        });
  }

  @Override
  public void setPermissions(String path, List<XenStorePermission> permissions) {
    byte[] cPath = absolute(path);
    if (permissions.isEmpty()) {
      throw new XenStoreException(
          Reason.INVALID,
          "cannot set the permissions of %s: expected a first entry that names the owner"
              .formatted(path));
    }
    int[] pairs = new int[2 * permissions.size()];
    for (int i = 0; i < permissions.size(); i++) {
      pairs[2 * i] = permissions.get(i).domid();
      pairs[2 * i + 1] = bits(permissions.get(i).access());
    }
    check(
        "set the permissions of",
        path,
        h -> LibXenStore.xs_set_permissions(h, transaction, cPath, pairs, permissions.size()));
  }

  private interface Call {
    byte on(Pointer handle);
  }

  private void check(String what, String path, Call call) {
    use(
        h -> {
          if (call.on(h) == 0) {
            throw Errors.storeFailure(what, path, Native.getLastError());
          }
          return null;
        });
  }

  private static <T> Optional<T> emptyWhenMissing(String what, String path) {
    int errno = Native.getLastError();
    if (errno == LibC.ENOENT) {
      return Optional.empty();
    }
    throw Errors.storeFailure(what, path, errno);
  }

  private static Access access(int bits) {
    boolean read = (bits & LibXenStore.PERM_READ) != 0;
    boolean write = (bits & LibXenStore.PERM_WRITE) != 0;
    if (read) {
      return write ? Access.BOTH : Access.READ;
    }
    return write ? Access.WRITE : Access.NONE;
  }

  private static int bits(Access access) {
    return switch (access) {
      case NONE -> 0;
      case READ -> LibXenStore.PERM_READ;
      case WRITE -> LibXenStore.PERM_WRITE;
      case BOTH -> LibXenStore.PERM_READ | LibXenStore.PERM_WRITE;
    };
  }
}
