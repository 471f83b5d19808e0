package io.netchannel.xen.jna;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Memory of other domains through libxenforeignmemory (/dev/xen/privcmd). Where that is not
 * possible everything else works all the same: nothing can be looked at, and each try says why.
 */
public final class JnaForeignMemory implements ForeignMemory {
  private static final Logger log = LoggerFactory.getLogger(JnaForeignMemory.class);

  // ---- xen/include/public/memory.h
  private static final int GRANT_TABLE = 1;
  private static final int SHARED = 0;
  private static final int STATUS = 1;

  // ---- xen/include/public/grant_table.h: struct grant_entry_v1, 8 bytes
  private static final int ENTRY_BYTES = 8;
  private static final int ENTRIES_PER_FRAME = GrantTable.PAGE_BYTES / ENTRY_BYTES;
  private static final int FLAGS = 0;
  private static final int DOMID = 2;
  private static final int FRAME = 4;
  private static final int TYPE_MASK = 3;
  private static final int PERMIT_ACCESS = 1;

  private final NativeHandle handle;
  private final Set<JnaMapping> mappings = ConcurrentHashMap.newKeySet();

  /** Never fails: of one that cannot look at anything every use says why. */
  public static ForeignMemory open() {
    try {
      return new JnaForeignMemory();
    } catch (XenException e) {
      log.warn(
          "guests whose USB driver is not made for migrations stay here with it: {}",
          e.getMessage());
      return new Unavailable(e.getMessage());
    }
  }

  private JnaForeignMemory() {
    if (!NativeLibraries.present(LibXenForeignMemory.LIBRARY)) {
      throw new XenException(
          NativeLibraries.missing(LibXenForeignMemory.LIBRARY, LibXenForeignMemory.DEBIAN_PACKAGE));
    }
    Pointer opened = LibXenForeignMemory.xenforeignmemory_open(Pointer.NULL, 0);
    if (opened == null) {
      throw new XenException(
          "cannot open /dev/xen/privcmd: %s; expected a Xen dom0 with the module xen-privcmd (modprobe xen-privcmd)"
              .formatted(LibC.describe(Native.getLastError())));
    }
    handle =
        new NativeHandle(
            opened,
            LibXenForeignMemory::xenforeignmemory_close,
            () -> new XenException("foreign memory is closed: open it again"));
  }

  @Override
  public Optional<GrantEntry> grantEntry(int domid, int reference) {
    return handle.use(
        h -> {
          refuseVersion2(h, domid);
          return entry(h, domid, reference);
        });
  }

  /** Only a table of version 2 has frames of status; its entries have twice the size. */
  private static void refuseVersion2(Pointer h, int domid) {
    Pointer status = mapFrame(h, domid, STATUS, 0, new Memory(Native.POINTER_SIZE));
    if (status != null) {
      unmapFrame(h, domid, status);
      throw new XenException(
          "domain %d has a grant table of version 2, expected version 1, as Linux' is: start its kernel with xen_grant_table.version=1"
              .formatted(domid));
    }
  }

  private static Optional<GrantEntry> entry(Pointer h, int domid, int reference) {
    Memory address = new Memory(Native.POINTER_SIZE);
    // Only the frame with the entry: the table grows as far as one asks.
    long frame = Integer.toUnsignedLong(reference) / ENTRIES_PER_FRAME;
    Pointer resource = mapFrame(h, domid, SHARED, frame, address);
    if (resource == null) {
      int errno = Native.getLastError();
      if (errno == LibC.EINVAL && frame > 0) {
        return Optional.empty(); // beyond what the domain may have
      }
      throw new XenException(
          "cannot map frame %d of the grant table of domain %d: %s; expected a domain that is there, and Xen 4.11 or later"
              .formatted(frame, domid, LibC.describe(errno)));
    }
    try {
      long entry =
          address
              .getPointer(0)
              .getLong(
                  Integer.remainderUnsigned(reference, ENTRIES_PER_FRAME) * (long) ENTRY_BYTES);
      int flags = (int) (entry >>> (FLAGS * Byte.SIZE)) & 0xffff;
      int grantee = (int) (entry >>> (DOMID * Byte.SIZE)) & 0xffff;
      return (flags & TYPE_MASK) == PERMIT_ACCESS
          ? Optional.of(new GrantEntry(grantee, entry >>> (FRAME * Byte.SIZE)))
          : Optional.empty();
    } finally {
      unmapFrame(h, domid, resource);
    }
  }

  private static Pointer mapFrame(Pointer h, int domid, int id, long frame, Memory address) {
    address.clear(); // where it is mapped is the kernel's choice
    return LibXenForeignMemory.xenforeignmemory_map_resource(
        h, domid, GRANT_TABLE, id, frame, 1, address, LibC.PROT_READ, 0);
  }

  private static void unmapFrame(Pointer h, int domid, Pointer resource) {
    if (LibXenForeignMemory.xenforeignmemory_unmap_resource(h, resource) != 0) {
      notUnmapped("a frame of the grant table", domid);
    }
  }

  private static void notUnmapped(String what, int domid) {
    log.error(
        "cannot unmap {} of domain {}: {}; the domain stays as a zombie until the daemon ends",
        what,
        domid,
        LibC.describe(Native.getLastError()));
  }

  @Override
  public Mapping map(int domid, long gfn) {
    Pointer page =
        handle.use(
            h -> {
              Pointer mapped =
                  LibXenForeignMemory.xenforeignmemory_map(
                      h, domid, LibC.PROT_READ, 1, new long[] {gfn}, Pointer.NULL);
              if (mapped == null) {
                throw new XenException(
                    "cannot map frame 0x%x of domain %d: %s; expected a page of its memory"
                        .formatted(gfn, domid, LibC.describe(Native.getLastError())));
              }
              return mapped;
            });
    JnaMapping mapping = new JnaMapping(domid, page);
    mappings.add(mapping);
    return mapping;
  }

  @Override
  public void close() {
    mappings.forEach(JnaMapping::close);
    handle.close();
  }

  private final class JnaMapping implements Mapping {
    private final int domid;
    private final Pointer page;
    private final ByteBuffer memory;
    private final AtomicBoolean unmapped = new AtomicBoolean();

    JnaMapping(int domid, Pointer page) {
      this.domid = domid;
      this.page = page;
      memory =
          page.getByteBuffer(0, GrantTable.PAGE_BYTES)
              .asReadOnlyBuffer()
              .order(ByteOrder.LITTLE_ENDIAN);
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
        handle.useIfOpen(this::unmap);
      }
    }

    private void unmap(Pointer h) {
      if (LibXenForeignMemory.xenforeignmemory_unmap(h, page, 1) != 0) {
        notUnmapped("a page", domid);
      }
    }
  }

  /** Where Xen cannot be asked. */
  private static final class Unavailable implements ForeignMemory {
    private final String reason;

    Unavailable(String reason) {
      this.reason = reason;
    }

    @Override
    public Optional<GrantEntry> grantEntry(int domid, int reference) {
      throw new XenException(reason);
    }

    @Override
    public Mapping map(int domid, long gfn) {
      throw new XenException(reason);
    }

    @Override
    public void close() {}
  }
}
