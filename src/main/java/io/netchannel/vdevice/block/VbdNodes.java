package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceType;
import io.netchannel.xen.XenStore;
import java.util.Map;

/** What the nodes of disks have beside those of all virtual devices ({@link DeviceNodes}). */
public final class VbdNodes {

  /** Details of disks, beside those of {@link DeviceDetail}. */
  public static final class Detail {
    /** The guest's name for the disk: "xvdb". */
    public static final String DEV = "dev";

    /** "r" or "w". */
    public static final String MODE = "mode";

    /** The device that becomes the disk, while it gets what it lacks; empty when there is none. */
    public static final String FOLLOWER = "follower";

    /** "1" when libxl made the disk, and the domain's XML names its device in a disk of its own. */
    public static final String INHERITED = "inherited";

    private Detail() {}
  }

  /** Disks; neither the kernel's blkback nor QEMU's qdisk take our backends. */
  public static final DeviceType TYPE =
      new DeviceType(
          "vbd",
          "netchannel",
          ImmutableList.<String>builder()
              .addAll(DeviceDetail.ALL)
              .add(Detail.DEV, Detail.MODE, Detail.INHERITED)
              .build());

  private VbdNodes() {}

  /**
   * Makes a new disk, as {@link DeviceNodes#publish}.
   *
   * @param details by the names of {@link DeviceDetail} and {@link Detail}
   */
  public static DeviceNodes.Outcome publish(
      XenStore store, DeviceAddress address, Map<String, String> details, VbdLimits limits) {
    return DeviceNodes.publish(
        store,
        address,
        backend(details, limits),
        ImmutableMap.of(
            "virtual-device", Integer.toString(address.devid()), "device-type", "disk"));
  }

  /** Points an existing frontend at a new backend of ours, as {@link DeviceNodes#redirect}. */
  public static DeviceNodes.Outcome redirect(
      XenStore store, DeviceAddress address, Map<String, String> details, VbdLimits limits) {
    return DeviceNodes.redirect(store, address, backend(details, limits));
  }

  private static ImmutableMap<String, String> backend(
      Map<String, String> details, VbdLimits limits) {
    return ImmutableMap.<String, String>builder()
        .putAll(details)
        .put("removable", "0")
        .putAll(VbdFeatures.limits(limits))
        .buildOrThrow();
  }
}
