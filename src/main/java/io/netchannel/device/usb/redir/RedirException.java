package io.netchannel.device.usb.redir;

/** The peer does not keep to the protocol; the message says what was expected, and what came. */
final class RedirException extends Exception {
  private static final long serialVersionUID = 1L;

  RedirException(String message) {
    super(message);
  }
}
