package io.netchannel.daemon;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * Takes a disk that libxl made (source "inherit") from the kernel's backend, while its frontend is
 * still Initialising and nothing has been connected:
 *
 * <pre>
 *   libxl's hotplug script is done -> frontend points at our backend, which is Initialising: it waits
 *     -> libxl's backend node removed -> blkback's device gone -> (our backend may be offered)
 * </pre>
 *
 * Every step may be repeated, also by a daemon that was restarted in between.
 */
public final class InheritedDisks {
  /** What came of it. */
  enum Outcome {
    TAKEN,
    /** libxl has not made the disk, or is not done with it. */
    NOT_YET,
    /** The disk is left to its backend. */
    TOO_LATE
  }

  /**
   * A try.
   *
   * @param detail when taken the source, when too late why
   */
  record Take(Outcome outcome, String detail, boolean readOnly) {
    private static final Take NOT_YET = new Take(Outcome.NOT_YET, "", false);

    private static Take tooLate(String why) {
      return new Take(Outcome.TOO_LATE, why, false);
    }
  }

  private final XenStore store;
  private final KernelBackends kernel;
  private final Duration unbind;
  private final LongSupplier nanoTime;

  /**
   * Disks of this host.
   *
   * @param unbind how long blkback may take to let go
   */
  public InheritedDisks(
      XenStore store, KernelBackends kernel, Duration unbind, LongSupplier nanoTime) {
    this.store = store;
    this.kernel = kernel;
    this.unbind = unbind;
    this.nanoTime = nanoTime;
  }

  /**
   * Takes a disk when it can be taken now.
   *
   * @throws IllegalStateException when blkback does not let go: the disk must not be served then
   */
  Take take(Guest guest, String target) {
    DeviceAddress address = DiskDetails.expecting(guest, target, false).address();
    String libxl = libxlBackend(address);
    Optional<String> backend = store.read(address.frontendPath() + "/backend");
    if (backend.isEmpty()) {
      return Take.NOT_YET;
    }
    if (!backend.get().equals(libxl) && !backend.get().equals(address.backendPath())) {
      return Take.tooLate("only phy disks can be inherited, its backend is " + backend.get());
    }
    boolean ready = store.read(libxl + "/hotplug-status").equals(Optional.of("connected"));
    if (backend.get().equals(libxl) && !ready) {
      return Take.NOT_YET;
    }
    DiskDetails details = details(guest, target, address, libxl);
    switch (VbdNodes.redirect(store, address, details.nodes(), VbdLimits.DEFAULT)) {
      case PUBLISHED, ALREADY -> release(address, libxl);
      case NO_DOMAIN, NO_FRONTEND -> {
        return Take.NOT_YET;
      }
      case TAKEN, TOO_LATE -> {
        return Take.tooLate("its frontend has begun to connect");
      }
    }
    return new Take(Outcome.TAKEN, details.source().orElseThrow(), details.readOnly());
  }

  /** What libxl's nodes say; after a restart in between, what we made of them. */
  private DiskDetails details(Guest guest, String target, DeviceAddress address, String libxl) {
    Optional<String> params = store.read(libxl + "/params");
    boolean readOnly = store.read(libxl + "/mode").orElse("w").equals("r");
    if (params.isPresent()) {
      return new DiskDetails(guest, target, readOnly, Optional.of("file:" + params.get()), 0)
          .asInherited();
    }
    return DiskDetails.parse(address, DeviceNodes.details(store, address))
        .filter(ours -> ours.source().isPresent())
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "libxl's %s names no device (params): is the disk <driver name='phy'/>?"
                        .formatted(libxl)));
  }

  private void release(DeviceAddress address, String libxl) {
    store.transaction(
        nodes -> {
          nodes.remove(libxl);
          String parent = libxl.substring(0, libxl.lastIndexOf('/'));
          if (nodes.directory(parent).isEmpty()) {
            nodes.remove(parent);
          }
          return true;
        });
    if (!kernel.awaitUnbound(address.domid(), address.devid(), unbind, nanoTime)) {
      throw new IllegalStateException(
          "the kernel's backend vbd-%d-%d is still there after %s: it would take the ring from us"
              .formatted(address.domid(), address.devid(), unbind));
    }
  }

  private static String libxlBackend(DeviceAddress address) {
    return "/local/domain/%d/backend/vbd/%d/%d"
        .formatted(DeviceDetails.BACKEND_DOMID, address.domid(), address.devid());
  }
}
