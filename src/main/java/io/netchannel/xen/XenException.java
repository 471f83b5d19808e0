package io.netchannel.xen;

/**
 * A grant or event channel operation failed: a bad grant reference, a domain that has gone, or no
 * Xen below us. The message says what was attempted, what came back and what to do.
 */
public final class XenException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public XenException(String message) {
    super(message);
  }

  public XenException(String message, Throwable cause) {
    super(message, cause);
  }
}
