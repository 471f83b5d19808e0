package io.netchannel.device;

/** A device cannot be opened. The message says what was expected, what was found, what to do. */
public class DeviceException extends Exception {
  private static final long serialVersionUID = 1L;

  private final boolean lasting;

  public DeviceException(String message) {
    this(false, message);
  }

  /** As lasting as its cause. */
  public DeviceException(String message, Throwable cause) {
    super(message, cause);
    this.lasting = cause instanceof DeviceException known && known.lasting;
  }

  /** See {@link #isLasting}. */
  public DeviceException(boolean lasting, String message) {
    super(message);
    this.lasting = lasting;
  }

  /** Whether its authority has said so, and will again until a person changes what it has. */
  public boolean isLasting() {
    return lasting;
  }
}
