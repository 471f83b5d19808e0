package io.netchannel.vdevice;

/** A frontend's nodes say what cannot be used. */
public final class HandshakeException extends Exception {
  private static final long serialVersionUID = 1L;

  public HandshakeException(String message) {
    super(message);
  }
}
