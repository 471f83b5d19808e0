package io.netchannel.device;

/** A device cannot be opened. The message says what was expected, what was found, what to do. */
public class DeviceException extends Exception {
  private static final long serialVersionUID = 1L;

  public DeviceException(String message) {
    super(message);
  }

  public DeviceException(String message, Throwable cause) {
    super(message, cause);
  }
}
