package io.netchannel.xen;

/** xenstored refused an operation, or could not be reached. */
public final class XenStoreException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why, by the errno xenstored answered with. */
  public enum Reason {
    /** ENOENT: the node does not exist (where an operation needs it). */
    NOT_FOUND,
    /** E2BIG: the value is larger than a message may carry. */
    TOO_LARGE,
    /** EAGAIN: a transaction was refused again and again. */
    CONFLICT,
    /** EACCES: the permissions of the node say no. */
    DENIED,
    /** EINVAL: not a valid path, value or permission list. */
    INVALID,
    /** ENOSPC: the domain's quota of nodes, watches or transactions is used up. */
    QUOTA,
    /** The connection is closed, or xenstored answered with another error. */
    IO
  }

  private final Reason reason;

  public XenStoreException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
