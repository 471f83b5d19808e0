package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableMap;
import io.netchannel.xen.XenStoreOperations;
import java.util.Optional;

/**
 * The nodes by which a backend tells what it can and what the disk is like (io/blkif.h, "Backend
 * XenBus Nodes"), the same ones as Linux' blkback publishes.
 *
 * <p>feature-persistent is 0: it lets a backend keep a guest's pages mapped, which saves mapping
 * them again. We copy by grant copy and map no page at all, and a frontend that was told 1 would
 * copy all its data once more into pages set aside for it.
 */
final class VbdFeatures {
  private static final String READ_ONLY_BIT = "4"; // VDISK_READONLY
  private static final String NO_BITS = "0";

  private VbdFeatures() {}

  /**
   * What does not depend on the disk. A resumed blkfront reads these at once, without waiting for
   * InitWait, so they are there from the first moment on.
   */
  static ImmutableMap<String, String> limits(VbdLimits limits) {
    return ImmutableMap.of(
        "feature-max-indirect-segments", Integer.toString(limits.maxIndirectSegments()),
        "multi-queue-max-queues", Integer.toString(limits.maxQueues()),
        "max-ring-page-order", Integer.toString(limits.maxRingPageOrder()));
  }

  /**
   * What requests the disk takes, and what it is like; before InitWait. blkback writes the latter
   * only before Connected, which is when a frontend reads it: but then a resumed guest waits.
   */
  static void write(XenStoreOperations store, String backend, BlockGeometry geometry) {
    // Both, as blkback: blkfront prefers flush and falls back on barriers when it is old.
    write(store, backend, "feature-flush-cache", geometry.flush() ? 1 : 0);
    write(store, backend, "feature-barrier", geometry.flush() ? 1 : 0);
    write(store, backend, "feature-persistent", 0);
    boolean discard = geometry.discardGranularityBytes() > 0 && !geometry.readOnly();
    if (discard) {
      write(store, backend, "discard-granularity", geometry.discardGranularityBytes());
      write(store, backend, "discard-alignment", 0);
      write(store, backend, "discard-secure", 0);
    }
    write(store, backend, "feature-discard", discard ? 1 : 0);
    write(store, backend, "sectors", geometry.sizeBytes() / RingLayout.SECTOR_BYTES);
    write(store, backend, "sector-size", geometry.sectorBytes());
    write(store, backend, "physical-sector-size", geometry.physicalSectorBytes());
    store.write(backend + "/info", geometry.readOnly() ? READ_ONLY_BIT : NO_BITS);
  }

  /** The geometry that was published, or empty when the nodes are not all there. */
  static Optional<BlockGeometry> readGeometry(XenStoreOperations store, String backend) {
    try {
      return Optional.of(
          new BlockGeometry(
              read(store, backend, "sectors") * RingLayout.SECTOR_BYTES,
              (int) read(store, backend, "sector-size"),
              (int) read(store, backend, "physical-sector-size"),
              store.read(backend + "/info").orElse("").equals(READ_ONLY_BIT),
              read(store, backend, "feature-flush-cache") == 1,
              read(store, backend, "feature-discard") == 1
                  ? (int) read(store, backend, "discard-granularity")
                  : 0));
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  private static void write(XenStoreOperations store, String backend, String name, long value) {
    store.write(backend + "/" + name, Long.toString(value));
  }

  private static long read(XenStoreOperations store, String backend, String name) {
    return Long.parseLong(store.read(backend + "/" + name).orElse(""));
  }
}
