package io.netchannel.server;

/** What an export is to a client, before that client makes it its disk. */
public enum ExportUse {
  /** Nobody has ever used it. */
  UNUSED,
  /**
   * It was the client's disk, or was to be, and is out of date; nobody else has used it since. What
   * is on it matters to nobody.
   */
  LEFT,
  /** It is the client's disk. */
  ITS_DISK,
  /** Somebody else uses it, or was the last one who did. */
  ANOTHERS
}
