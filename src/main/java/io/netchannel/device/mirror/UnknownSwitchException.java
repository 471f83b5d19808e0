package io.netchannel.device.mirror;

/** Whether the follower was recorded as the disk nobody knows before the next process finds out. */
public final class UnknownSwitchException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UnknownSwitchException(String message, Throwable cause) {
    super(message, cause);
  }
}
