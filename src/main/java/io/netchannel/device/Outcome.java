package io.netchannel.device;

/** What became of a request at a device. */
public enum Outcome {
  OK("done"),
  /** The device failed (EIO and whatever has no own value here). */
  IO_ERROR("an I/O error"),
  /** The device is full (ENOSPC, EDQUOT). */
  NO_SPACE("no space is left there"),
  /** The device does not do this operation (EOPNOTSUPP), or is read-only (EROFS). */
  UNSUPPORTED("it cannot do that");

  private final String words;

  Outcome(String words) {
    this.words = words;
  }

  /** For people. */
  public String words() {
    return words;
  }
}
