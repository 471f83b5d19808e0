package io.netchannel.vdevice.block;

/** A frontend's nodes say what cannot be used. */
public final class HandshakeException extends Exception {
  private static final long serialVersionUID = 1L;

  HandshakeException(String message) {
    super(message);
  }
}
