package io.netchannel.device;

/** What became of a request at a device. */
public enum Outcome {
  OK,
  /** The device failed (EIO and whatever has no own value here). */
  IO_ERROR,
  /** The device is full (ENOSPC, EDQUOT). */
  NO_SPACE,
  /** The device does not do this operation (EOPNOTSUPP), or is read-only (EROFS). */
  UNSUPPORTED
}
