package io.netchannel.device.remote;

import io.netchannel.device.Completion;
import io.netchannel.wire.FrameType;
import java.nio.ByteBuffer;

/** A request on its way. Used again and again, so that a busy disk makes no garbage. */
final class RemoteRequest {
  FrameType type = FrameType.FLUSH;
  long offsetBytes;
  long lengthBytes;

  /** What is written from or read to, from its position on; null when nothing is. */
  ByteBuffer data;

  /** Where the data begins: while a reply arrives the buffer's own position moves. */
  int position;

  Completion completion;

  /** 0 until it is sent for the first time; then the same for ever. */
  long sequence;

  int slot;

  /**
   * Whether it is a write of the generation before, which is only asked for: there is nothing to
   * send again.
   */
  boolean inherited;

  /** For a flush: {@link UnflushedWrites#coveredNow} when it was sent for the first time. */
  long covered;

  int windowBytes() {
    return data == null ? 0 : (int) lengthBytes;
  }

  /** By {@link System#nanoTime}; only with {@link io.netchannel.wire.Stages}. */
  long enqueuedNanos;

  void clear() {
    data = null;
    completion = null;
    sequence = 0;
    inherited = false;
  }
}
