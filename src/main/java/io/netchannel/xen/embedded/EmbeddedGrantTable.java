package io.netchannel.xen.embedded;

import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantCopy.Direction;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;

/** What one domain may do with the grants of the others; closing it unmaps all, as gntdev does. */
final class EmbeddedGrantTable implements GrantTable {
  private final EmbeddedHypervisor hypervisor;
  private final int domid;
  private final Set<EmbeddedMapping> mappings = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  EmbeddedGrantTable(EmbeddedHypervisor hypervisor, int domid) {
    this.hypervisor = hypervisor;
    this.domid = domid;
  }

  @Override
  public Mapping map(int remoteDomid, int[] references) {
    return map(remoteDomid, references, true);
  }

  @Override
  public Mapping mapReadOnly(int remoteDomid, int[] references) {
    return map(remoteDomid, references, false);
  }

  private Mapping map(int remoteDomid, int[] references, boolean writable) {
    checkOpen();
    GrantEntries entries =
        hypervisor
            .grants(remoteDomid)
            .orElseThrow(
                () ->
                    new XenException(
                        "cannot map grants of domain %d: there is no such domain (GNTST_bad_domain)"
                            .formatted(remoteDomid)));
    if (references.length == 0) {
      throw new XenException(
          "cannot map no grants of domain %d: give one or more references".formatted(remoteDomid));
    }
    List<GrantEntries.Grant> grants = entries.acquireForMapping(references, domid, writable);
    GrantEntries.Grant first = grants.get(0);
    for (int i = 1; i < grants.size(); i++) {
      GrantEntries.Grant grant = grants.get(i);
      if (grant.pages() != first.pages() || grant.index() != first.index() + i) {
        grants.forEach(entries::release);
        throw new XenException(
            ("cannot map %d grants of domain %d as one: page %d does not follow the one before;"
                    + " allocate the pages of a ring with one allocatePages call and grant them in"
                    + " order")
                .formatted(grants.size(), remoteDomid, i));
      }
    }
    ByteBuffer pages = first.pages().slice(first.index(), grants.size());
    ByteBuffer memory = writable ? pages : pages.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    EmbeddedMapping mapping = new EmbeddedMapping(remoteDomid, entries, grants, memory);
    mappings.add(mapping);
    return mapping;
  }

  @Override
  public boolean copy(GrantCopy batch) {
    checkOpen();
    GrantEntries entries = hypervisor.grantsOrNull(batch.domid());
    if (entries == null) {
      return false;
    }
    boolean all = true;
    for (int i = 0; i < batch.count(); i++) {
      all &= copySegment(entries, batch, i);
    }
    return all;
  }

  private boolean copySegment(GrantEntries entries, GrantCopy batch, int segment) {
    boolean toGuest = batch.direction() == Direction.TO_GUEST;
    GrantEntries.Grant grant = entries.acquireOrNull(batch.reference(segment), domid, toGuest);
    if (grant == null) {
      return false;
    }
    try {
      ByteBuffer guest = grant.pages().whole();
      int inGuest = grant.index() * PAGE_BYTES + batch.pageOffset(segment);
      int position = batch.position(segment);
      int lengthBytes = batch.lengthBytes(segment);
      ByteBuffer local = batch.local();
      if (position + lengthBytes > local.limit()) {
        // Absolute puts look at the limit, which says nothing here: go round it.
        local = local.duplicate().clear();
      }
      if (toGuest) {
        guest.put(inGuest, local, position, lengthBytes);
      } else {
        local.put(position, guest, inGuest, lengthBytes);
      }
      return true;
    } finally {
      entries.release(grant);
    }
  }

  @Override
  public void close() {
    closed = true;
    mappings.forEach(EmbeddedMapping::close);
  }

  private void checkOpen() {
    if (closed) {
      throw new XenException("the grant table of domain %d is closed".formatted(domid));
    }
  }

  private final class EmbeddedMapping implements Mapping {
    private final int remoteDomid;
    private final GrantEntries entries;
    private final List<GrantEntries.Grant> grants;
    private final ByteBuffer memory;
    private final AtomicBoolean unmapped = new AtomicBoolean();

    EmbeddedMapping(
        int remoteDomid, GrantEntries entries, List<GrantEntries.Grant> grants, ByteBuffer memory) {
      this.remoteDomid = remoteDomid;
      this.entries = entries;
      this.grants = grants;
      this.memory = memory;
    }

    @Override
    public ByteBuffer memory() {
      if (unmapped.get()) {
        throw new IllegalStateException("the mapping is closed: its memory is gone");
      }
      return memory;
    }

    @Override
    public void close() {
      if (unmapped.compareAndSet(false, true)) {
        mappings.remove(this);
        grants.forEach(entries::release);
        hypervisor.reap(remoteDomid);
      }
    }
  }
}
