package io.netchannel.xen;

import java.util.List;
import java.util.Optional;

/**
 * The immediate operations of xenstore, the same inside and outside a transaction
 * (docs/misc/xenstore.txt).
 *
 * <p>Paths are absolute ("/local/domain/0") without a trailing slash. Values are text in UTF-8; a
 * value of more than about 4 KiB is refused with {@link XenStoreException.Reason#TOO_LARGE}.
 */
public interface XenStoreOperations {

  /** The value of {@code path}, or empty when there is no such node. */
  Optional<String> read(String path);

  /** The names (not paths) of the children of {@code path}; empty when the node is missing. */
  List<String> directory(String path);

  /** Whether a node exists at {@code path}; an empty value is a node, too. */
  default boolean exists(String path) {
    return read(path).isPresent();
  }

  /** Writes {@code value}, creating the node and its missing parents. */
  void write(String path, String value);

  /** Creates an empty node with its missing parents; does nothing when it is there. */
  void mkdir(String path);

  /**
   * Removes {@code path} and all below it.
   *
   * @return false when there was no such node
   */
  boolean remove(String path);

  /**
   * The permissions of a node: the first entry names the owner and what everybody else may do, the
   * others what single domains may do.
   */
  List<XenStorePermission> permissions(String path);

  /** Sets the permissions of an existing node; nodes created below it inherit them. */
  void setPermissions(String path, List<XenStorePermission> permissions);
}
