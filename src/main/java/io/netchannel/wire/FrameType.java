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
  PONG(12),
  ZERO(13),
  EXTENTS(14),
  MOVED(15),
  ARRIVED(16),
  NOTED(17),
  RECORD(18),
  RECORDED(19),
  URB(20),
  URB_REPLY(21),
  UNLINK(22),
  RESET(23),
  PORT(24);

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
      case READ, WRITE, FLUSH, DISCARD, ZERO, EXTENTS, URB, RESET -> true;
      case ATTACH, ATTACHED, REFUSED, REPLY, DETACH, DETACHED, PING, PONG -> false;
      case MOVED, ARRIVED, NOTED, RECORD, RECORDED, URB_REPLY, UNLINK, PORT -> false;
    };
  }

  /**
   * Whether it is a request whose outcome a server keeps for a client that has lost its connection;
   * the other requests change nothing, and are just done again.
   */
  public boolean isKept() {
    return switch (this) {
      case WRITE, FLUSH, DISCARD, ZERO, URB, RESET -> true;
      case READ, EXTENTS -> false;
      case ATTACH, ATTACHED, REFUSED, REPLY, DETACH, DETACHED, PING, PONG -> false;
      case MOVED, ARRIVED, NOTED, RECORD, RECORDED, URB_REPLY, UNLINK, PORT -> false;
    };
  }

  static FrameType of(int code, int version) throws WireException {
    int last = last(version).code;
    if (code < 1 || code > last) {
      throw new WireException(
          "expected a type of frame from 1 to %d, found %d".formatted(last, code));
    }
    return BY_CODE[code];
  }

  private static FrameType last(int version) {
    if (version < Wire.ZERO_VERSION) {
      return PONG;
    }
    if (version < Wire.RECORD_VERSION) {
      return NOTED;
    }
    return version < Wire.USB_VERSION ? RECORDED : PORT;
  }
}
