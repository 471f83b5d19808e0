package io.netchannel.wire;

/** Numbers that both sides agree on. See the package for the formats. */
public final class Wire {
  /** The newest version that this code speaks. */
  public static final int VERSION = 5;

  /** The oldest one: a server that is updated before its clients, or after them, serves them. */
  public static final int OLDEST_VERSION = 1;

  /** Since when there are ZERO and EXTENTS. */
  public static final int ZERO_VERSION = 2;

  /** Since when there are MOVED, ARRIVED, NOTED and, of ATTACH, ANEW. */
  public static final int MOVED_VERSION = 2;

  /** Since when the answer to a PROBE says which storage it is. */
  public static final int STORAGE_VERSION = 3;

  /** Since when there are RECORD, RECORDED and, of ATTACH, LEG. */
  public static final int RECORD_VERSION = 4;

  /** Since when there are USB devices. */
  public static final int USB_VERSION = 5;

  /** Of the device server; beside the peers' 16515. */
  public static final int DEFAULT_PORT = 16516;

  /**
   * The largest request of a guest's ring (256 pages); longer ones from elsewhere are split. A
   * longer frame would only keep shorter ones waiting behind it.
   */
  public static final int MAX_PAYLOAD_BYTES = 1 << 20;

  /** A page: less would split what every client sends. */
  public static final int MIN_PAYLOAD_BYTES = 4096;

  /** Also the most that a request may be numbered with: no arithmetic overflows. */
  static final long MAX_NUMBER = Long.MAX_VALUE;

  /** A slot has 16 bits. */
  public static final int MAX_SLOTS = 0xffff;

  private Wire() {}
}
