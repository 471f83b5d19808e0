package io.netchannel.coordinator;

/** A job cannot begin or go on; the message is for the user. */
public final class JobRefusedException extends Exception {
  private static final long serialVersionUID = 1L;

  public JobRefusedException(String message) {
    super(message);
  }

  public JobRefusedException(String message, Throwable cause) {
    super(message, cause);
  }
}
