package io.netchannel.cli;

/** A command cannot do what it was asked; the message goes to stderr after "error: ". */
class CommandFailedException extends Exception {
  private static final long serialVersionUID = 1L;

  CommandFailedException(String message) {
    super(message);
  }

  CommandFailedException(String message, Throwable cause) {
    super(message, cause);
  }
}
