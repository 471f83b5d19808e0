package io.netchannel.xen.embedded;

import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/** Pages and grant tables of the domains of one host, as its control domain sees them. */
final class EmbeddedForeignMemory implements ForeignMemory {
  private final EmbeddedHypervisor hypervisor;
  private volatile boolean closed;

  EmbeddedForeignMemory(EmbeddedHypervisor hypervisor) {
    this.hypervisor = hypervisor;
  }

  @Override
  public Optional<GrantEntry> grantEntry(int domid, int reference) {
    return living(domid).grants().entry(reference);
  }

  @Override
  public Mapping map(int domid, long gfn) {
    ByteBuffer page =
        living(domid)
            .frames()
            .page(gfn)
            .orElseThrow(
                () ->
                    new XenException(
                        "cannot map frame 0x%x of domain %d: it has no such page"
                            .formatted(gfn, domid)));
    return new EmbeddedMapping(page.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN));
  }

  private EmbeddedDomain living(int domid) {
    if (closed) {
      throw new XenException("foreign memory is closed: open it again");
    }
    return hypervisor
        .find(domid)
        .filter(domain -> domain.state() != EmbeddedDomain.State.DESTROYED)
        .orElseThrow(
            () ->
                new XenException(
                    "cannot look at the memory of domain %d: there is no such domain"
                        .formatted(domid)));
  }

  @Override
  public void close() {
    closed = true;
  }

  private static final class EmbeddedMapping implements Mapping {
    private final ByteBuffer page;
    private final AtomicBoolean unmapped = new AtomicBoolean();

    EmbeddedMapping(ByteBuffer page) {
      if (page.capacity() != GrantTable.PAGE_BYTES) {
        throw new IllegalArgumentException("expected a page, found %s".formatted(page));
      }
      this.page = page;
    }

    @Override
    public ByteBuffer memory() {
      if (unmapped.get()) {
        throw new IllegalStateException("the mapping is closed: its memory is gone");
      }
      return page;
    }

    @Override
    public void close() {
      unmapped.set(true);
    }
  }
}
