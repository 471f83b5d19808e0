package io.netchannel.device.usb;

import io.netchannel.device.DeviceException;

/** Opens the USB devices behind one scheme of a source text. */
@FunctionalInterface
public interface UsbKind {

  /**
   * Opens one, also where nothing is plugged at present.
   *
   * @param text what follows the scheme and its colon
   */
  UsbDevice open(String text, UsbOpenOptions options) throws DeviceException;

  /** As {@link UsbOpener#newestGeneration}. */
  default long newestGeneration(String text, String user) throws DeviceException {
    return 0;
  }

  /** As {@link UsbOpener#giveFree}. */
  default void giveFree(String text, UsbOpenOptions options) throws DeviceException {
    UsbOpenOptions.User user = options.user().orElseThrow();
    if (newestGeneration(text, user.name()) == user.generation()) {
      open(text, options).close();
    }
  }

  /**
   * Checks the text without opening anything.
   *
   * @throws DeviceException when it names nothing of this kind
   */
  default void check(String text) throws DeviceException {}
}
