package io.netchannel.vdevice.usb;

import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceType;
import io.netchannel.xen.XenStore;
import java.util.Map;

/**
 * What the nodes of USB controllers have beside those of all virtual devices ({@link DeviceNodes}):
 * as libxl writes them (libxl_usb.c), of one port.
 *
 * <p>One port only: a device gets a ring of its own, so that the requests of one that has nothing
 * to say do not take the slots of another.
 */
public final class UsbNodes {

  /** USB controllers; neither QEMU's qusb nor a kernel's usbback take our backends. */
  public static final DeviceType TYPE = new DeviceType("vusb", "netchannel-usb", DeviceDetail.ALL);

  /** Read by a frontend when it finds the device, before anything is offered. */
  private static final ImmutableMap<String, String> CONTROLLER =
      ImmutableMap.of(
          "num-ports",
          Integer.toString(UrbParser.PORT),
          // A controller for USB 2 takes devices of all three speeds.
          "usb-ver",
          "2",
          "port/" + UrbParser.PORT,
          "");

  private UsbNodes() {}

  /**
   * Makes a new controller, as {@link DeviceNodes#publish}.
   *
   * @param details by the names of {@link DeviceDetail}
   */
  public static DeviceNodes.Outcome publish(
      XenStore store, DeviceAddress address, Map<String, String> details) {
    return DeviceNodes.publish(
        store,
        address,
        ImmutableMap.<String, String>builder().putAll(details).putAll(CONTROLLER).buildOrThrow(),
        ImmutableMap.of());
  }
}
