package io.netchannel.cli;

/** The daemon did not answer; it may when it is asked again. */
final class DaemonAwayException extends CommandFailedException {
  private static final long serialVersionUID = 1L;

  DaemonAwayException(String message) {
    super(message);
  }

  DaemonAwayException(String message, Throwable cause) {
    super(message, cause);
  }
}
