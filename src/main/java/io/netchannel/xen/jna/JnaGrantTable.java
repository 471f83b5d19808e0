package io.netchannel.xen.jna;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Grants of other domains through /dev/xen/gntdev. */
public final class JnaGrantTable implements GrantTable {
  private static final Logger LOG = LoggerFactory.getLogger(JnaGrantTable.class);

  private final NativeHandle handle;
  private final ThreadLocal<GrantCopySegments> segments =
      ThreadLocal.withInitial(GrantCopySegments::new);
  private final Set<JnaMapping> mappings = ConcurrentHashMap.newKeySet();

  /**
   * Opens /dev/xen/gntdev.
   *
   * @throws XenException when that is not possible
   */
  public static JnaGrantTable open() {
    Pointer handle = LibXenGnttab.xengnttab_open(Pointer.NULL, 0);
    if (handle == null) {
      throw new XenException(
          "cannot open /dev/xen/gntdev: %s; expected a Xen dom0 with the module xen-gntdev (modprobe xen-gntdev)"
              .formatted(LibC.describe(Native.getLastError())));
    }
    return new JnaGrantTable(
        new NativeHandle(
            handle,
            LibXenGnttab::xengnttab_close,
            () -> new XenException("the grant table is closed: open it again")));
  }

  private JnaGrantTable(NativeHandle handle) {
    this.handle = handle;
  }

  @Override
  public Mapping map(int domid, int[] references) {
    return map(domid, references, LibC.PROT_READ | LibC.PROT_WRITE);
  }

  @Override
  public Mapping mapReadOnly(int domid, int[] references) {
    return map(domid, references, LibC.PROT_READ);
  }

  private Mapping map(int domid, int[] references, int protection) {
    Pointer start =
        handle.use(
            h -> {
              Pointer mapped =
                  LibXenGnttab.xengnttab_map_domain_grant_refs(
                      h, references.length, domid, references, protection);
              if (mapped == null) {
                throw new XenException(
                    "cannot map %d grants of domain %d, the first is %d: %s; expected pages granted to us, for writing too if we write"
                        .formatted(
                            references.length,
                            domid,
                            references.length == 0 ? -1 : references[0],
                            LibC.describe(Native.getLastError())));
              }
              return mapped;
            });
    JnaMapping mapping =
        new JnaMapping(domid, start, references.length, (protection & LibC.PROT_WRITE) != 0);
    mappings.add(mapping);
    return mapping;
  }

  @Override
  public boolean copy(GrantCopy batch) {
    if (batch.count() == 0) {
      return true;
    }
    GrantCopySegments encoded = segments.get();
    Pointer array = encoded.encode(batch);
    Pointer h = handle.enter();
    try {
      if (LibXenGnttab.xengnttab_grant_copy(h, batch.count(), array) != 0) {
        throw new XenException(
            "the grant copy of %d segments with domain %d was not done: %s; expected a dom0 kernel with grant copy (Linux 4.8 or later)"
                .formatted(batch.count(), batch.domid(), LibC.describe(Native.getLastError())));
      }
    } finally {
      handle.leave();
    }
    // A busy page (GNTST_eagain) was tried again by the kernel until it had an answer.
    boolean copied = encoded.allCopied(batch.count());
    if (!copied && LOG.isDebugEnabled()) {
      for (int i = 0; i < batch.count(); i++) {
        LOG.debug(
            "grant copy with domain {}, reference {}: {}",
            batch.domid(),
            batch.reference(i),
            GrantStatus.describe(encoded.status(i)));
      }
    }
    return copied;
  }

  @Override
  public void close() {
    mappings.forEach(JnaMapping::close);
    handle.close();
  }

  private final class JnaMapping implements Mapping {
    private final int domid;
    private final Pointer start;
    private final int pages;
    private final ByteBuffer memory;
    private final AtomicBoolean unmapped = new AtomicBoolean();

    JnaMapping(int domid, Pointer start, int pages, boolean writable) {
      this.domid = domid;
      this.start = start;
      this.pages = pages;
      ByteBuffer mapped = start.getByteBuffer(0, (long) pages * PAGE_BYTES);
      memory = (writable ? mapped : mapped.asReadOnlyBuffer()).order(ByteOrder.LITTLE_ENDIAN);
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
      if (!unmapped.compareAndSet(false, true)) {
        return;
      }
      mappings.remove(this);
      handle.useIfOpen(this::unmap);
    }

    private void unmap(Pointer h) {
      if (LibXenGnttab.xengnttab_unmap(h, start, pages) != 0) {
        LOG.error(
            "cannot unmap {} pages of domain {}: {}; the domain stays as a zombie until the daemon"
                + " ends",
            pages,
            domid,
            LibC.describe(Native.getLastError()));
      }
    }
  }
}
