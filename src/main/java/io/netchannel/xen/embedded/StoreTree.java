package io.netchannel.xen.embedded;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.xen.Listener;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import io.netchannel.xen.embedded.StoreNode.Right;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/** The store of one host: nodes, watches and the introduced domains. Its monitor guards it all. */
final class StoreTree implements NodeSpace {
  private final Map<String, StoreNode> nodes = new HashMap<>();
  private final Map<Integer, Integer> ownedByDomain = new HashMap<>();
  private final Set<WatchEntry> watches = new LinkedHashSet<>();
  private final Set<Integer> introduced = new HashSet<>();
  private final Set<SerialQueue> toKick = new LinkedHashSet<>();
  private long lastGeneration;

  StoreTree() {
    put(
        StorePath.ROOT,
        new StoreNode(
            "", ImmutableList.of(new XenStorePermission(0, Access.NONE)), ImmutableSet.of(), 0));
  }

  /** A watch of one connection. */
  record WatchEntry(int domid, String path, SerialQueue queue, Listener<String> listener) {
    private void fire(String changedPath) {
      queue.add(() -> listener.accept(changedPath));
    }
  }

  /** Runs {@code work} alone, then lets the listeners run that it has given something to do. */
  <T> T locked(Supplier<T> work) {
    List<SerialQueue> kicks = List.of();
    try {
      synchronized (this) {
        try {
          return work.get();
        } finally {
          kicks = new ArrayList<>(toKick);
          toKick.clear();
        }
      }
    } finally {
      kicks.forEach(SerialQueue::kick);
    }
  }

  void introduce(int domid) {
    locked(
        () -> {
          if (introduced.add(domid)) {
            fireSpecial(StorePath.INTRODUCE_DOMAIN);
          }
          return null;
        });
  }

  /** A domain has shut itself down, or suspended. */
  void shutDown() {
    locked(
        () -> {
          fireSpecial(StorePath.RELEASE_DOMAIN);
          return null;
        });
  }

  /** A domain is gone: its nodes and watches go, too. */
  void release(int domid) {
    locked(
        () -> {
          watches.removeIf(watch -> watch.domid() == domid);
          List<String> orphans =
              nodes.keySet().stream()
                  .filter(path -> nodes.get(path).owner() == domid)
                  .sorted()
                  .toList();
          StoreAccess domain0 = new StoreAccess(this, 0);
          orphans.forEach(domain0::remove);
          introduced.remove(domid);
          fireSpecial(StorePath.RELEASE_DOMAIN);
          return null;
        });
  }

  void addWatch(WatchEntry watch) {
    watches.add(watch);
    watch.fire(watch.path());
    toKick.add(watch.queue());
  }

  void removeWatch(WatchEntry watch) {
    watches.remove(watch);
  }

  long watchesOf(int domid) {
    return watches.stream().filter(watch -> watch.domid() == domid).count();
  }

  // ---- NodeSpace; the caller holds the monitor

  @Override
  public Optional<StoreNode> get(String path) {
    return Optional.ofNullable(nodes.get(path));
  }

  @Override
  public void put(String path, StoreNode node) {
    count(nodes.put(path, node.withGeneration(++lastGeneration)), -1);
    count(node, 1);
  }

  @Override
  public void remove(String path) {
    count(nodes.remove(path), -1);
  }

  @Override
  public int owned(int domid) {
    return ownedByDomain.getOrDefault(domid, 0);
  }

  @Override
  public void changed(String path, StoreNode node, boolean exact) {
    for (WatchEntry watch : watches) {
      boolean concerned =
          exact ? path.equals(watch.path()) : StorePath.isWithin(path, watch.path());
      if (concerned && maySee(watch.domid(), path, node)) {
        watch.fire(path);
        toKick.add(watch.queue());
      }
    }
  }

  private boolean maySee(int domid, String path, StoreNode node) {
    return node.allows(domid, Right.READ)
        || StorePath.parent(path)
            .flatMap(this::get)
            .map(parent -> parent.allows(domid, Right.READ))
            .orElse(false);
  }

  private void fireSpecial(String name) {
    for (WatchEntry watch : watches) {
      if (watch.domid() == 0 && watch.path().equals(name)) {
        watch.fire(name);
        toKick.add(watch.queue());
      }
    }
  }

  private void count(StoreNode node, int change) {
    if (node != null) {
      ownedByDomain.merge(node.owner(), change, Integer::sum);
    }
  }
}
