package io.netchannel.xen.embedded;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.embedded.StoreNode.Right;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;

/**
 * The operations of one domain on a {@link NodeSpace}, with xenstored's rules of permission and
 * quota (tools/xenstore/xenstored_core.c, 4.17). The caller holds the store's lock.
 */
final class StoreAccess implements XenStoreOperations {
  /** XENSTORE_PAYLOAD_MAX of xen/include/public/io/xs_wire.h: path, a zero byte and the value. */
  private static final int MAX_PAYLOAD_BYTES = 4096;

  private final NodeSpace nodes;
  private final int domid;

  StoreAccess(NodeSpace nodes, int domid) {
    this.nodes = nodes;
    this.domid = domid;
  }

  @Override
  public Optional<String> read(String path) {
    return find(path, Right.READ).map(StoreNode::value);
  }

  @Override
  public List<String> directory(String path) {
    return find(path, Right.READ)
        .map(node -> (List<String>) node.children().asList())
        .orElse(List.of());
  }

  @Override
  public void write(String path, String value) {
    int bytes = path.length() + 1 + value.getBytes(StandardCharsets.UTF_8).length;
    if (bytes > MAX_PAYLOAD_BYTES) {
      throw new XenStoreException(
          Reason.TOO_LARGE,
          "cannot write %s: path and value have %d bytes, expected at most %d; store less"
              .formatted(path, bytes, MAX_PAYLOAD_BYTES));
    }
    Optional<StoreNode> old = find(path, Right.WRITE);
    if (old.isPresent()) {
      store(path, old.get().withValue(value));
    } else {
      create(path, value);
    }
    changed(path);
  }

  @Override
  public void mkdir(String path) {
    if (find(path, Right.WRITE).isEmpty()) {
      create(path, "");
      changed(path);
    }
  }

  @Override
  public boolean remove(String path) {
    Optional<StoreNode> found = find(path, Right.WRITE);
    Optional<String> parent = StorePath.parent(path);
    if (found.isEmpty()) {
      return false;
    }
    if (parent.isEmpty()) {
      throw new XenStoreException(Reason.INVALID, "cannot remove the root of the store");
    }
    nodes.put(
        parent.get(), nodes.get(parent.get()).orElseThrow().withoutChild(StorePath.name(path)));
    removeTree(path, found.get(), true);
    return true;
  }

  @Override
  public List<XenStorePermission> permissions(String path) {
    return require(path, Right.READ).permissions();
  }

  @Override
  public void setPermissions(String path, List<XenStorePermission> permissions) {
    if (permissions.isEmpty()) {
      throw new XenStoreException(
          Reason.INVALID,
          "cannot set the permissions of %s: expected a first entry that names the owner"
              .formatted(path));
    }
    StoreNode node = require(path, Right.OWN);
    if (domid != 0 && permissions.get(0).domid() != node.owner()) {
      throw new XenStoreException(
          Reason.DENIED,
          "domain %d cannot give %s away to domain %d: only domain 0 changes owners"
              .formatted(domid, path, permissions.get(0).domid()));
    }
    if (domid != 0 && permissions.size() > StoreQuota.PERMISSIONS_PER_NODE) {
      throw quota(path, "permissions of a node", StoreQuota.PERMISSIONS_PER_NODE);
    }
    store(path, node.withPermissions(ImmutableList.copyOf(permissions)));
    changed(path);
  }

  /** The node; empty when it is missing and the domain may know that. */
  private Optional<StoreNode> find(String path, Right right) {
    StorePath.check(path);
    Optional<StoreNode> node = nodes.get(path);
    // Whether a node is missing is told by the nearest ancestor that is there.
    String decidesPath = path;
    Optional<StoreNode> decides = node;
    while (decides.isEmpty()) {
      decidesPath = StorePath.parent(decidesPath).orElseThrow();
      decides = nodes.get(decidesPath);
    }
    if (!decides.get().allows(domid, right)) {
      throw new XenStoreException(
          Reason.DENIED,
          "domain %d may not %s %s: the permissions of %s are %s"
              .formatted(
                  domid,
                  switch (right) {
                    case READ -> "read";
                    case WRITE -> "write";
                    case OWN -> "change the permissions of";
                  },
                  path,
                  decidesPath,
                  decides.get().permissions()));
    }
    return node;
  }

  private StoreNode require(String path, Right right) {
    return find(path, right)
        .orElseThrow(
            () ->
                new XenStoreException(
                    Reason.NOT_FOUND, "no node %s: create it first".formatted(path)));
  }

  private void create(String path, String value) {
    Deque<String> missing = new ArrayDeque<>();
    String ancestor = path;
    while (nodes.get(ancestor).isEmpty()) {
      missing.push(ancestor);
      ancestor = StorePath.parent(ancestor).orElseThrow();
    }
    if (domid != 0 && nodes.owned(domid) + missing.size() > StoreQuota.NODES_PER_DOMAIN) {
      throw quota(path, "nodes", StoreQuota.NODES_PER_DOMAIN);
    }
    while (!missing.isEmpty()) {
      String created = missing.pop();
      StoreNode parent = nodes.get(ancestor).orElseThrow();
      StoreNode node =
          new StoreNode(missing.isEmpty() ? value : "", inherited(parent), ImmutableSet.of(), 0);
      store(created, node);
      store(ancestor, parent.withChild(StorePath.name(created)));
      ancestor = created;
    }
  }

  /** The parent's permissions; what a guest creates is its own. */
  private ImmutableList<XenStorePermission> inherited(StoreNode parent) {
    if (domid == 0) {
      return parent.permissions();
    }
    XenStorePermission first = parent.permissions().get(0);
    return ImmutableList.<XenStorePermission>builder()
        .add(new XenStorePermission(domid, first.access()))
        .addAll(parent.permissions().subList(1, parent.permissions().size()))
        .build();
  }

  private void store(String path, StoreNode node) {
    if (domid != 0 && node.recordBytes() >= StoreQuota.NODE_BYTES) {
      throw quota(
          path,
          "bytes of a node with its permissions and names of children",
          StoreQuota.NODE_BYTES);
    }
    nodes.put(path, node);
  }

  private void removeTree(String path, StoreNode node, boolean top) {
    for (String name : node.children()) {
      String child = StorePath.child(path, name);
      nodes.get(child).ifPresent(found -> removeTree(child, found, false));
    }
    nodes.remove(path);
    nodes.changed(path, node, !top);
  }

  private void changed(String path) {
    nodes.changed(path, nodes.get(path).orElseThrow(), false);
  }

  private XenStoreException quota(String path, String what, int limit) {
    return new XenStoreException(
        Reason.QUOTA,
        "domain %d cannot change %s: at most %d %s; remove what it does not need"
            .formatted(domid, path, limit, what));
  }
}
