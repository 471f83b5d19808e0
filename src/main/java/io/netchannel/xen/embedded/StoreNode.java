package io.netchannel.xen.embedded;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import java.nio.charset.StandardCharsets;

/**
 * A node of the store; immutable.
 *
 * @param permissions never empty; the first names the owner and what everybody else may do
 * @param children names in the order of creation
 * @param generation changes with every change of the node, its list of children included
 */
record StoreNode(
    String value,
    ImmutableList<XenStorePermission> permissions,
    ImmutableSet<String> children,
    long generation) {

  /** Bytes of xenstored's record of a node: a header, and each of its permissions. */
  private static final int HEADER_BYTES = 24;

  private static final int PERMISSION_BYTES = 8;

  int owner() {
    return permissions.get(0).domid();
  }

  /** Domain 0 and the owner may do everything; the first entry for the others is the default. */
  boolean allows(int domid, Right right) {
    if (domid == 0 || domid == owner()) {
      return true;
    }
    Access access =
        permissions.stream()
            .skip(1)
            .filter(permission -> permission.domid() == domid)
            .findFirst()
            .orElse(permissions.get(0))
            .access();
    return switch (right) {
      case READ -> access == Access.READ || access == Access.BOTH;
      case WRITE -> access == Access.WRITE || access == Access.BOTH;
      case OWN -> false;
    };
  }

  StoreNode withValue(String newValue) {
    return new StoreNode(newValue, permissions, children, generation);
  }

  StoreNode withPermissions(ImmutableList<XenStorePermission> newPermissions) {
    return new StoreNode(value, newPermissions, children, generation);
  }

  StoreNode withChild(String name) {
    return new StoreNode(
        value,
        permissions,
        ImmutableSet.<String>builder().addAll(children).add(name).build(),
        generation);
  }

  StoreNode withoutChild(String name) {
    return new StoreNode(
        value,
        permissions,
        children.stream()
            .filter(child -> !child.equals(name))
            .collect(ImmutableSet.toImmutableSet()),
        generation);
  }

  StoreNode withGeneration(long newGeneration) {
    return new StoreNode(value, permissions, children, newGeneration);
  }

  /** What xenstored counts against the quota of a node's size. */
  int recordBytes() {
    return HEADER_BYTES
        + PERMISSION_BYTES * permissions.size()
        + value.getBytes(StandardCharsets.UTF_8).length
        + children.stream().mapToInt(name -> name.length() + 1).sum();
  }

  /** What an operation needs. */
  enum Right {
    READ,
    WRITE,
    OWN
  }
}
