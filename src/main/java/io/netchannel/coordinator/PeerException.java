package io.netchannel.coordinator;

/** A call to another host has failed. The message names the host and is for the user. */
public final class PeerException extends Exception {
  private static final long serialVersionUID = 1L;

  /** What is known about the other host. */
  public enum Kind {
    /** It answered no: nothing was done there, and asking again gives the same. */
    REFUSED,
    /** No answer: whether it was done there is not known. Asking again is safe. */
    NO_ANSWER
  }

  private final Kind kind;

  public PeerException(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  public PeerException(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
