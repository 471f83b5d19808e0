package io.netchannel.xen.embedded;

import java.util.Optional;

/** Nodes by path: the store itself, or what a transaction makes of it. */
interface NodeSpace {
  Optional<StoreNode> get(String path);

  void put(String path, StoreNode node);

  void remove(String path);

  /** How many nodes {@code domid} owns. */
  int owned(int domid);

  /**
   * A change that watches may want to know of.
   *
   * @param node the node after the change, or before its removal: decides who may see it
   * @param exact only for watches of this very path
   */
  void changed(String path, StoreNode node, boolean exact);
}
