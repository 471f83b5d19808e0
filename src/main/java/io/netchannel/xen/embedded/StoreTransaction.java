package io.netchannel.xen.embedded;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A transaction: keeps every node as it was first seen, and its own changes, apart from the store.
 * It may be committed when none of the nodes it has seen has changed since.
 */
final class StoreTransaction implements NodeSpace {
  /** Stands for the generation of a node that is not there. */
  private static final long MISSING = -1;

  private final StoreTree tree;
  private final Map<String, Optional<StoreNode>> view = new HashMap<>();
  private final Map<String, Long> seenGenerations = new HashMap<>();
  private final Set<String> modified = new LinkedHashSet<>();
  private final List<Change> changes = new ArrayList<>();

  private record Change(String path, StoreNode node, boolean exact) {}

  StoreTransaction(StoreTree tree) {
    this.tree = tree;
  }

  @Override
  public Optional<StoreNode> get(String path) {
    return view.computeIfAbsent(
        path,
        first -> {
          Optional<StoreNode> node = tree.get(first);
          seenGenerations.put(first, generation(node));
          return node;
        });
  }

  @Override
  public void put(String path, StoreNode node) {
    set(path, Optional.of(node));
  }

  @Override
  public void remove(String path) {
    set(path, Optional.empty());
  }

  @Override
  public int owned(int domid) {
    int count = tree.owned(domid);
    for (String path : modified) {
      count += ownedBy(domid, view.get(path)) - ownedBy(domid, tree.get(path));
    }
    return count;
  }

  @Override
  public void changed(String path, StoreNode node, boolean exact) {
    changes.add(new Change(path, node, exact));
  }

  /**
   * Applies the changes to the store.
   *
   * @return false when a node the transaction has seen was changed by others; nothing is applied
   *     then
   */
  boolean commit() {
    for (Map.Entry<String, Long> seen : seenGenerations.entrySet()) {
      if (generation(tree.get(seen.getKey())) != seen.getValue()) {
        return false;
      }
    }
    for (String path : modified) {
      view.get(path).ifPresentOrElse(node -> tree.put(path, node), () -> tree.remove(path));
    }
    changes.forEach(change -> tree.changed(change.path, change.node, change.exact));
    return true;
  }

  private void set(String path, Optional<StoreNode> node) {
    get(path);
    view.put(path, node);
    modified.add(path);
  }

  private static long generation(Optional<StoreNode> node) {
    return node.map(StoreNode::generation).orElse(MISSING);
  }

  private static int ownedBy(int domid, Optional<StoreNode> node) {
    return node.isPresent() && node.get().owner() == domid ? 1 : 0;
  }
}
