package io.netchannel.vdevice;

/** The indexes of a shared ring say what cannot be: the frontend is broken or hostile. */
public final class RingBrokenException extends Exception {
  private static final long serialVersionUID = 1L;

  public RingBrokenException(String message) {
    super(message);
  }
}
