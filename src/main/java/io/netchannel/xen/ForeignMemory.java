package io.netchannel.xen;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * Access to pages of another domain that it has not granted, by the number of the guest's frame
 * (gfn): what a control domain may do. For pages that somebody has to look at although their grants
 * have gone, as those of a ring that was in use before a migration.
 *
 * <p>All methods may be called from any thread.
 */
public interface ForeignMemory extends AutoCloseable {

  /**
   * An entry of a domain's grant table that permits access (xen/include/public/grant_table.h,
   * struct grant_entry_v1).
   *
   * @param grantee the domain that may use the page
   * @param gfn the page
   */
  record GrantEntry(int grantee, long gfn) {}

  /**
   * What a grant reference of {@code domid} stands for. Read from the domain's own memory, which it
   * may change at any time: it tells what the domain says.
   *
   * @param reference any number: it may come from the guest
   * @return empty when it permits nothing, or is not in the table
   * @throws XenException when the table cannot be read: there is no such domain, its grants are of
   *     version 2, or Xen cannot be asked
   */
  Optional<GrantEntry> grantEntry(int domid, int reference);

  /**
   * Maps one page of {@code domid} to be read. It is shared with the guest, which may write to it
   * meanwhile.
   *
   * @throws XenException when there is no such page or domain, or Xen cannot be asked
   */
  Mapping map(int domid, long gfn);

  @Override
  void close();

  /** A mapped page. */
  interface Mapping extends AutoCloseable {
    /**
     * The page, read-only, in little-endian order, {@link GrantTable#PAGE_BYTES} long. Never
     * touched after {@link #close}: the memory is gone then.
     */
    ByteBuffer memory();

    /** Unmaps. Idempotent. */
    @Override
    void close();
  }
}
