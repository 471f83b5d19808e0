package io.netchannel.wire;

/** The other side broke a rule of the protocol: the connection is to be closed. */
public final class WireException extends Exception {
  private static final long serialVersionUID = 1L;

  public WireException(String message) {
    super(message);
  }
}
