package io.netchannel.device.remote;

import io.netchannel.device.Completion;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.ZeroRuns;
import java.nio.ByteBuffer;

/** A request to a disk on its way. */
final class DiskRequest extends RemoteRequest {
  private static final long NOT_SENT = -1;

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

  /**
   * For a flush: {@link UnflushedWrites#coveredNow} when it was sent for the first time; negative
   * until then.
   */
  long covered = NOT_SENT;

  /** Whether as many bytes go over the wire as the range has: such a request may be split. */
  boolean movesData() {
    return type == FrameType.READ || type == FrameType.WRITE;
  }

  /** Whether it changes what is there. */
  boolean writes() {
    return type == FrameType.WRITE || type == FrameType.ZERO;
  }

  /** Whether its reply may carry so many bytes, 1 or more. */
  boolean mayHave(int payloadBytes) {
    return type == FrameType.EXTENTS
        ? payloadBytes <= ZeroRuns.MAX_BYTES
        : type == FrameType.READ && payloadBytes == lengthBytes;
  }

  /** A read is just done again. */
  @Override
  boolean isKept() {
    return type.isKept();
  }

  @Override
  int windowBytes() {
    if (type == FrameType.EXTENTS) {
      return ZeroRuns.MAX_BYTES;
    }
    return movesData() ? (int) lengthBytes : 0;
  }

  /** Notes what a flush covers, when it is sent for the first time. */
  void covers(long completed) {
    if (covered == NOT_SENT) {
      covered = completed;
    }
  }

  @Override
  void clear() {
    super.clear();
    data = null;
    completion = null;
    answer = null;
    covered = NOT_SENT;
  }
}
