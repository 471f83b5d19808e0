package io.netchannel.daemon;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.xen.XenStore;
import java.util.Optional;

/** What is known of a guest's driver of USB controllers, Linux' xen-hcd. */
enum GuestUsbDriver {
  /** It has not looked at the controller: the guest is booting, or has no such driver. */
  MISSING("module missing"),
  /**
   * Linux' own: loses, after a suspend, what its USB drivers sent before it had connected again.
   */
  STOCK("stock"),
  /**
   * Says that it goes on after a suspend with all it had: xen-hooks/guest, the guest package
   * netchannel-xen-hcd-dkms.
   */
  FIXED("fixed"),
  /** Has let go of the controller. */
  GONE("gone");

  /** A frontend's node. */
  private static final String RESUMES = "/feature-resume";

  private final String words;

  GuestUsbDriver(String words) {
    this.words = words;
  }

  /** For people. */
  String words() {
    return words;
  }

  /**
   * Of the frontend at this address.
   *
   * @param state of our backend
   */
  static GuestUsbDriver of(XenStore store, DeviceAddress address, VirtualDevice.State state) {
    return switch (state) {
      case PREPARED, OFFERED -> MISSING;
      case CLOSED, GONE -> GONE;
      case CONNECTED ->
          store.read(address.frontendPath() + RESUMES).equals(Optional.of("1")) ? FIXED : STOCK;
    };
  }
}
