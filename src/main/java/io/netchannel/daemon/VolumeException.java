package io.netchannel.daemon;

/** A volume cannot be made. The message says why and what to do. */
public final class VolumeException extends Exception {
  private static final long serialVersionUID = 1L;

  private final boolean lasting;

  /**
   * @param lasting whether it stays so until this host's configuration is another one: to try again
   *     is of no use
   */
  VolumeException(boolean lasting, String message) {
    super(message);
    this.lasting = lasting;
  }

  VolumeException(String message, Throwable cause) {
    super(message, cause);
    this.lasting = false;
  }

  boolean isLasting() {
    return lasting;
  }
}
