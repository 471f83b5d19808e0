package io.netchannel.wire;

/** Types of frames; codes, directions and payloads are in the package's description. */
public enum FrameType {
  ATTACH(1),
  ATTACHED(2),
  REFUSED(3),
  READ(4),
  WRITE(5),
  FLUSH(6),
  DISCARD(7),
  REPLY(8),
  DETACH(9),
  DETACHED(10),
  PING(11),
  PONG(12);

  private static final FrameType[] BY_CODE = new FrameType[values().length + 1];

  static {
    for (FrameType type : values()) {
      BY_CODE[type.code] = type;
    }
  }

  private final int code;

  FrameType(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  /** Whether it is a request to the device. */
  public boolean isRequest() {
    return switch (this) {
      case READ, WRITE, FLUSH, DISCARD -> true;
      case ATTACH, ATTACHED, REFUSED, REPLY, DETACH, DETACHED, PING, PONG -> false;
    };
  }

  static FrameType of(int code) throws WireException {
    if (code < 1 || code >= BY_CODE.length) {
      throw new WireException(
          "expected a type of frame from 1 to %d, found %d".formatted(BY_CODE.length - 1, code));
    }
    return BY_CODE[code];
  }
}
