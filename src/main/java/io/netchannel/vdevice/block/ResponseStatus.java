package io.netchannel.vdevice.block;

/** Status of a response: BLKIF_RSP_* of io/blkif.h. */
public enum ResponseStatus {
  OKAY(0),
  ERROR(-1),
  NOT_SUPPORTED(-2);

  private final short code;

  ResponseStatus(int code) {
    this.code = (short) code;
  }

  /** The value on the ring. */
  public short code() {
    return code;
  }
}
