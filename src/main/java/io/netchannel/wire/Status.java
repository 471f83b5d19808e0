package io.netchannel.wire;

/** How a request ended. */
public enum Status {
  OK(0),
  IO_ERROR(1),
  NO_SPACE(2),
  UNSUPPORTED(3);

  private static final Status[] VALUES = values();

  private final int code;

  Status(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  static Status of(int code) throws WireException {
    if (code < 0 || code >= VALUES.length) {
      throw new WireException(
          "expected a status from 0 to %d, found %d".formatted(VALUES.length - 1, code));
    }
    return VALUES[code];
  }
}
