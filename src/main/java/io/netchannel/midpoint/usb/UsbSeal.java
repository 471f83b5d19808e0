package io.netchannel.midpoint.usb;

import io.netchannel.midpoint.Seal;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;

/**
 * The seal of a USB port: nothing more is issued, and what is at the device is called back.
 *
 * <pre>
 *   CALLING BACK --nothing is at the device: the manifest is known--> SEALED
 *        +-----------the guest needs what nobody can give it--------> FAILED
 * </pre>
 *
 * A Linux guest has unlinked all it had before it suspended, so there is nothing to wait for.
 */
final class UsbSeal extends Seal<UsbManifest> {
  private final UsbFlow flow;

  UsbSeal(UsbFlow flow, Terms<UsbManifest> terms) {
    super(flow, terms);
    this.flow = flow;
    flow.callBack(any -> true);
  }

  @Override
  protected Progress step() {
    if (flow.table().issuedCount() > 0) {
      return Progress.WAITS;
    }
    UsbManifest found = flow.manifest(incomplete());
    if (!found.resumes() && found.pending() > 0) {
      return fail(
          new IllegalStateException(
              "%s: the guest has suspended with %d USB requests unanswered, and its driver would not send them again; install netchannel-xen-hcd-dkms in the guest, or detach-usb the device"
                  .formatted(flow.id(), found.pending())));
    }
    if (!found.resumes() && flow.hasFrontend() && found.mark().isEmpty()) {
      return fail(
          new IllegalStateException(
              "%s: Xen does not tell where the guest has its ring, which the other host has to read; the log says why. Install netchannel-xen-hcd-dkms in the guest, or detach-usb the device"
                  .formatted(flow.id())));
    }
    know(found);
    flow.trace().seal(flow.generation(), found.pending(), incomplete());
    for (Unanswered entry : found.unanswered()) {
      flow.trace().hand(entry, entry.state());
    }
    return Progress.SEALED;
  }
}
