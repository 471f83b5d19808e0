package io.netchannel.xen;

import java.nio.ByteBuffer;

/**
 * Access to pages that another domain granted to this one (xen/include/public/grant_table.h).
 *
 * <p>All methods may be called from any thread; copies of different batches may run in parallel.
 */
public interface GrantTable extends AutoCloseable {

  /** Bytes of a page, and the most one {@link GrantCopy} segment may cover. */
  int PAGE_BYTES = 4096;

  /**
   * Maps pages of {@code domid} readable and writable, one after the other in the order of {@code
   * references}. Only for rings: data goes through {@link #copy}, which needs no TLB flush and
   * leaves nothing mapped.
   *
   * @throws XenException when a reference is not granted to us; nothing stays mapped then
   */
  Mapping map(int domid, int[] references);

  /**
   * Maps pages of {@code domid} readable, to look at a ring that another backend serves and has
   * mapped as well. As {@link #map} otherwise; the memory is read-only.
   */
  Mapping mapReadOnly(int domid, int[] references);

  /**
   * Copies all segments of {@code batch} in one call. A bad reference fails its own segment only.
   *
   * @return true when every segment was copied; false when one was refused (its data is undefined)
   */
  boolean copy(GrantCopy batch);

  @Override
  void close();

  /** Mapped pages. */
  interface Mapping extends AutoCloseable {
    /**
     * The pages as one direct buffer in little-endian order, {@code references.length * PAGE_BYTES}
     * long. Never touched after {@link #close}: the memory is gone then.
     */
    ByteBuffer memory();

    /** Unmaps. Idempotent. */
    @Override
    void close();
  }
}
