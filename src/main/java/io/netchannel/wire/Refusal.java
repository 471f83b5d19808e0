package io.netchannel.wire;

/** Why the server does not serve a client (any more). */
public enum Refusal {
  /** Another one took over with a newer generation: final. */
  STALE(1),
  /** No export of that name, or it is of another kind. */
  UNKNOWN_EXPORT(2),
  /** The client's certificate is not among those the export names. */
  DENIED(3),
  /** The export is read-only and the client wants to write. */
  READ_ONLY(4),
  /** Another client holds it. */
  IN_USE(5),
  /**
   * The server cannot serve it now: its device does not open, its state cannot be stored, what it
   * has is not this client's disk any more.
   */
  UNAVAILABLE(6),
  /** Another connection of the same client took this one's place. */
  REPLACED(7),
  /** The client broke a rule of the protocol. */
  PROTOCOL(8);

  private static final Refusal[] VALUES = values();

  private final int code;

  Refusal(int code) {
    this.code = code;
  }

  public int code() {
    return code;
  }

  /** The refusal with this code; FrameHeader has checked that there is one. */
  public static Refusal of(int code) throws WireException {
    if (code < 1 || code > VALUES.length) {
      throw new WireException(
          "expected a reason from 1 to %d, found %d".formatted(VALUES.length, code));
    }
    return VALUES[code - 1];
  }
}
