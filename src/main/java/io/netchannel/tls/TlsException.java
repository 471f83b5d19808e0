package io.netchannel.tls;

/** The certificates of this host cannot be used. The message names the file and what to do. */
public final class TlsException extends Exception {
  private static final long serialVersionUID = 1L;

  public TlsException(String message, Throwable cause) {
    super(message, cause);
  }
}
