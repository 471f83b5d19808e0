package io.netchannel.vdevice;

/**
 * Which virtual device: frontend at /local/domain/{domid}/device/{frontend type}/{devid}, backend
 * at /local/domain/{backendDomid}/backend/{backend type}/{domid}/{devid}. Made by {@link
 * DeviceType#address}.
 *
 * @param devid a disk's is the number blkfront makes the name of: see docs/man/xen-vbd-interface.7
 */
public record DeviceAddress(DeviceType type, int domid, int devid, int backendDomid) {

  public String frontendPath() {
    return "/local/domain/%d/device/%s/%d".formatted(domid, type.frontend(), devid);
  }

  public String backendPath() {
    return "%s/%d/%d".formatted(backendRoot(type, backendDomid), domid, devid);
  }

  /** Where a backend reports an error, as xenbus_dev_error of Linux. */
  public String errorPath() {
    String home = "/local/domain/" + backendDomid;
    return home + "/error" + backendPath().substring(home.length());
  }

  /** The directory above the backends of a type. */
  static String backendRoot(DeviceType type, int backendDomid) {
    return "/local/domain/%d/backend/%s".formatted(backendDomid, type.backend());
  }
}
