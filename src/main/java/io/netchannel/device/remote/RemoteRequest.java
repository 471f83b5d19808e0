package io.netchannel.device.remote;

import io.netchannel.device.Completion;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.ZeroRuns;
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

  /** Of a ZERO. */
  boolean mayDeallocate;

  /** Of EXTENTS. */
  ZerosAnswer answer;

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

  /** Whether as many bytes go over the wire as the range has: such a request may be split. */
  boolean movesData() {
    return type == FrameType.READ || type == FrameType.WRITE;
  }

  /** Whether its reply may carry so many bytes, 1 or more. */
  boolean mayHave(int payloadBytes) {
    return type == FrameType.EXTENTS
        ? payloadBytes <= ZeroRuns.MAX_BYTES
        : type == FrameType.READ && payloadBytes == lengthBytes;
  }

  int windowBytes() {
    if (type == FrameType.EXTENTS) {
      return ZeroRuns.MAX_BYTES;
    }
    return movesData() ? (int) lengthBytes : 0;
  }

  /** By {@link System#nanoTime}; only with {@link io.netchannel.wire.Stages}. */
  long enqueuedNanos;

  void clear() {
    data = null;
    completion = null;
    answer = null;
    sequence = 0;
    inherited = false;
  }
}
