package io.netchannel.xen.jna;

import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The operations of xenstore as messages (xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt).
 */
abstract class RingOperations implements XenStoreOperations {
  static final int NO_TRANSACTION = 0;

  /** enum xsd_sockmsg_type. */
  static final class Type {
    static final int DIRECTORY = 1;
    static final int READ = 2;
    static final int GET_PERMS = 3;
    static final int WATCH = 4;
    static final int UNWATCH = 5;
    static final int TRANSACTION_START = 6;
    static final int TRANSACTION_END = 7;
    static final int WRITE = 11;
    static final int MKDIR = 12;
    static final int RM = 13;
    static final int SET_PERMS = 14;
    static final int WATCH_EVENT = 15;
    static final int ERROR = 16;

    private Type() {}
  }

  private final int transaction;

  RingOperations(int transaction) {
    this.transaction = transaction;
  }

  /** Sends a message and returns the payload of the answer. */
  abstract String call(int type, int transactionId, String payload);

  @Override
  public Optional<String> read(String path) {
    return missingIsEmpty(() -> call(Type.READ, transaction, path + '\0'));
  }

  @Override
  public List<String> directory(String path) {
    return missingIsEmpty(() -> call(Type.DIRECTORY, transaction, path + '\0'))
        .map(RingOperations::split)
        .orElse(List.of());
  }

  @Override
  public void write(String path, String value) {
    call(Type.WRITE, transaction, path + '\0' + value);
  }

  @Override
  public void mkdir(String path) {
    call(Type.MKDIR, transaction, path + '\0');
  }

  /** Asks first: xenstored calls the removal of a missing node a success. */
  @Override
  public boolean remove(String path) {
    try {
      if (read(path).isEmpty()) {
        return false;
      }
    } catch (XenStoreException e) {
      if (e.reason() != Reason.DENIED) {
        throw e;
      }
    }
    return missingIsEmpty(() -> call(Type.RM, transaction, path + '\0')).isPresent();
  }

  @Override
  public List<XenStorePermission> permissions(String path) {
    return split(call(Type.GET_PERMS, transaction, path + '\0')).stream()
        .map(text -> new XenStorePermission(Integer.parseInt(text.substring(1)), access(text)))
        .toList();
  }

  @Override
  public void setPermissions(String path, List<XenStorePermission> permissions) {
    StringBuilder text = new StringBuilder(path).append('\0');
    for (XenStorePermission permission : permissions) {
      text.append(letter(permission.access())).append(permission.domid()).append('\0');
    }
    call(Type.SET_PERMS, transaction, text.toString());
  }

  /** The strings of a payload, each ended by a zero. */
  static List<String> split(String payload) {
    List<String> strings = new ArrayList<>();
    int begin = 0;
    for (int end; (end = payload.indexOf('\0', begin)) >= 0; begin = end + 1) {
      strings.add(payload.substring(begin, end));
    }
    return strings;
  }

  private static Optional<String> missingIsEmpty(Supplier<String> answer) {
    try {
      return Optional.of(answer.get());
    } catch (XenStoreException e) {
      if (e.reason() == Reason.NOT_FOUND) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private static char letter(Access access) {
    return switch (access) {
      case NONE -> 'n';
      case READ -> 'r';
      case WRITE -> 'w';
      case BOTH -> 'b';
    };
  }

  private static Access access(String text) {
    return switch (text.charAt(0)) {
      case 'n' -> Access.NONE;
      case 'r' -> Access.READ;
      case 'w' -> Access.WRITE;
      case 'b' -> Access.BOTH;
      default -> throw new AssertionError("not a permission: " + text);
    };
  }
}
