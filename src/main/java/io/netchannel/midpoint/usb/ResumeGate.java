package io.netchannel.midpoint.usb;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Descriptors.Configuration;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Whether a guest may resume with what it has at its port. A driver without a resume of its own, as
 * Linux' xen-hcd is so far, loses what drivers submit before it has a new ring: it keeps no account
 * of their ids, and harms its guest's memory when those run out. No backend can prevent that. So
 * such a guest is let go only where they cannot run out.
 *
 * <pre>
 *   OPEN --a device whose drivers fill the ring, or too many URBs at once--> CLOSED
 *   CLOSED --the driver resumes; or the device has gone, and the guest has nothing there--> OPEN
 * </pre>
 *
 * Too many are more than half a ring: of u URBs at once any l may be on the ring of before, with as
 * many ids. The other u - l are on the new one, and with an unlink of each of the u need an id
 * each: 2u - l, where 16 - l are left.
 *
 * <p>Owned by the agent's thread, but for {@link #obstacle}.
 */
final class ResumeGate {
  private static final int MOST_URBS = UsbMidPoint.RING_SLOTS / 2;
  private static final int NO_CLASS = -1;

  private final Object owner;
  private boolean resumes = true;
  private int peakUrbs;
  private int fillingClass = NO_CLASS;

  /** The guest has no device, and knows it. */
  private boolean isReleased = true;

  private volatile Optional<String> obstacle = Optional.empty();

  /**
   * @param owner for the words
   */
  ResumeGate(Object owner) {
    this.owner = owner;
  }

  /** Why the guest must not resume elsewhere, and what to do; on any thread. */
  Optional<String> obstacle() {
    return obstacle;
  }

  /** The guest is shown this device. */
  void shown(Descriptors descriptors) {
    isReleased = false;
    fillingClass = fillingClass(descriptors);
    decide();
  }

  /** It is shown none, and has nothing at the port any more. */
  void released() {
    if (!isReleased) {
      isReleased = true;
      fillingClass = NO_CLASS;
      decide();
    }
  }

  /**
   * What the frontend is like at present.
   *
   * @param nowResumes also true where none is connected
   * @param nowPeakUrbs the most URBs that were unanswered at once
   */
  void look(boolean nowResumes, int nowPeakUrbs) {
    if (nowResumes != resumes || nowPeakUrbs != peakUrbs) {
      resumes = nowResumes;
      peakUrbs = nowPeakUrbs;
      decide();
    }
  }

  private void decide() {
    boolean fills = fillingClass != NO_CLASS;
    if (resumes || isReleased || (!fills && peakUrbs <= MOST_URBS)) {
      obstacle = Optional.empty();
      return;
    }
    String why =
        fills
            ? "devices of class %02x fill its ring".formatted(fillingClass)
            : "it has had %d transfers at once and its ring has room for %d with their ends"
                .formatted(peakUrbs, MOST_URBS);
    obstacle =
        Optional.of(
            "%s: the guest's xen-hcd cannot resume (it has no feature-resume) and would corrupt the guest's memory, as %s; install netchannel-xen-hcd-dkms in the guest, or set migrate=\"replug\" for the port, or detach-usb the device"
                .formatted(owner, why));
  }

  /** Of an interface, or of all of the device. */
  private static int fillingClass(Descriptors descriptors) {
    Stream<Integer> interfaces =
        descriptors.configurations().stream()
            .map(Configuration::interfaces)
            .flatMap(each -> each.stream())
            .map(each -> each.usbClass());
    return Stream.concat(Stream.of(descriptors.usbClass()), interfaces)
        .filter(ResumeGate::fills)
        .findFirst()
        .orElse(NO_CLASS);
  }

  private static boolean fills(int usbClass) {
    return switch (usbClass) {
      case UsbClass.COMMUNICATIONS,
          UsbClass.COMMUNICATIONS_DATA,
          UsbClass.MASS_STORAGE,
          UsbClass.WIRELESS ->
          true;
      default -> false;
    };
  }
}
