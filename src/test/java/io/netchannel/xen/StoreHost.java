package io.netchannel.xen;

/** A host with a xenstore that a contract test can ask as domain 0 and as its guests. */
public interface StoreHost extends AutoCloseable {
  /** Connects as {@code domid}; a guest once, after it was introduced. */
  XenStore connect(int domid);

  /** A new domain, not yet introduced to xenstored. */
  int createDomain();

  /** Tells xenstored of the domain. */
  void introduce(int domid);

  /** Ends the domain; xenstored learns of it. */
  void destroyDomain(int domid);

  @Override
  void close();
}
