package io.netchannel.vdevice.block;

/** What a request asks for (io/blkif.h). */
public enum BlockOperation {
  READ,
  WRITE,
  /**
   * Write that comes after everything answered or taken before it, and is durable when answered.
   */
  WRITE_BARRIER,
  /** Makes all answered writes durable; may carry data, which is then written first. */
  FLUSH,
  DISCARD
}
