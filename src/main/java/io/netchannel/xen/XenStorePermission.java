package io.netchannel.xen;

/**
 * What one domain may do with a xenstore node.
 *
 * @param domid the domain; in the first entry of a node the owner
 * @param access what it may do; in the first entry what every domain not listed may do
 */
public record XenStorePermission(int domid, Access access) {

  /** The letters of xenstore-chmod: n, r, w, b. */
  public enum Access {
    NONE,
    READ,
    WRITE,
    BOTH
  }
}
