package io.netchannel.vdevice.block;

/**
 * Which virtual device: frontend at /local/domain/{domid}/device/vbd/{devid}, backend at
 * /local/domain/{backendDomid}/backend/netchannel/{domid}/{devid}.
 *
 * @param devid the number blkfront makes the name of: see docs/man/xen-vbd-interface.7
 */
public record VbdAddress(int domid, int devid, int backendDomid) {

  /** Our own type under backend/: the kernel's blkback leaves it alone, QEMU's qdisk as well. */
  public static final String BACKEND_TYPE = "netchannel";

  public String frontendPath() {
    return "/local/domain/" + domid + "/device/vbd/" + devid;
  }

  public String backendPath() {
    return "/local/domain/" + backendDomid + "/backend/" + BACKEND_TYPE + "/" + domid + "/" + devid;
  }
}
