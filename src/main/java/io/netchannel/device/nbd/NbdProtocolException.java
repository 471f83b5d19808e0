package io.netchannel.device.nbd;

import java.io.IOException;

/** The other end broke the NBD protocol. The message says what was expected and what was found. */
public final class NbdProtocolException extends IOException {
  private static final long serialVersionUID = 1L;

  public NbdProtocolException(String message) {
    super(message);
  }
}
