package io.netchannel.xen.embedded;

import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.XenException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The grant table of one domain: which of its pages which other domain may use, and who does. */
final class GrantEntries {
  /** Linux keeps the first entries for the console and the store (GNTTAB_NR_RESERVED_ENTRIES). */
  private static final int FIRST_REFERENCE = 8;

  private final int domid;
  private final Map<Integer, Grant> grants = new HashMap<>();
  private int nextReference = FIRST_REFERENCE;
  private boolean dead;

  GrantEntries(int domid) {
    this.domid = domid;
  }

  /** A granted page and the number of mappings and copies that use it now. */
  static final class Grant {
    private final int grantee;
    private final GuestPages pages;
    private final int index;
    private final boolean readOnly;
    private int users;

    private Grant(int grantee, GuestPages pages, int index, boolean readOnly) {
      this.grantee = grantee;
      this.pages = pages;
      this.index = index;
      this.readOnly = readOnly;
    }

    GuestPages pages() {
      return pages;
    }

    int index() {
      return index;
    }
  }

  synchronized int grant(int grantee, GuestPages pages, int index, boolean readOnly) {
    int reference = nextReference++;
    grants.put(reference, new Grant(grantee, pages, index, readOnly));
    return reference;
  }

  synchronized void end(int reference) {
    Grant grant = grants.get(reference);
    if (grant == null) {
      throw new XenException(
          "domain %d ends access to grant %d, which it has not granted or has ended already"
              .formatted(domid, reference));
    }
    if (grant.users > 0) {
      throw new XenException(
          "WARNING: g.e. 0x%x still in use! (domain %d granted it to domain %d, which has not let go)"
              .formatted(reference, domid, grant.grantee));
    }
    grants.remove(reference);
  }

  synchronized int active() {
    return grants.size();
  }

  /** What a reference stands for, for somebody who does not use the grant. */
  synchronized Optional<ForeignMemory.GrantEntry> entry(int reference) {
    return Optional.ofNullable(grants.get(reference))
        .map(
            grant ->
                new ForeignMemory.GrantEntry(
                    grant.grantee, grant.pages.firstFrame() + grant.index));
  }

  /** Takes the grant into use; empty when it is not granted to {@code grantee} for that. */
  Optional<Grant> acquire(int reference, int grantee, boolean forWriting) {
    return Optional.ofNullable(acquireOrNull(reference, grantee, forWriting));
  }

  /** As {@link #acquire}, for every segment that is copied. */
  synchronized Grant acquireOrNull(int reference, int grantee, boolean forWriting) {
    Grant grant = dead ? null : grants.get(reference);
    if (grant == null || grant.grantee != grantee || (forWriting && grant.readOnly)) {
      return null;
    }
    grant.users++;
    return grant;
  }

  /** Takes all into use, or none and throws. */
  List<Grant> acquireForMapping(int[] references, int grantee, boolean forWriting) {
    List<Grant> acquired = new ArrayList<>(references.length);
    for (int reference : references) {
      Optional<Grant> grant = acquire(reference, grantee, forWriting);
      if (grant.isEmpty()) {
        acquired.forEach(this::release);
        throw new XenException(
            "domain %d cannot map grant %d of domain %d: not granted to it for reading%s (GNTST_bad_gntref)"
                .formatted(grantee, reference, domid, forWriting ? " and writing" : ""));
      }
      acquired.add(grant.get());
    }
    return acquired;
  }

  synchronized void release(Grant grant) {
    grant.users--;
  }

  /** No new use from now on; what is mapped stays mapped. */
  synchronized void kill() {
    dead = true;
  }

  synchronized boolean inUse() {
    return grants.values().stream().anyMatch(grant -> grant.users > 0);
  }
}
