package io.netchannel.wire;

import com.google.common.collect.ImmutableList;
import io.netty.buffer.ByteBuf;

/**
 * Payload of the REPLY to EXTENTS: what of the range is known to read as zeros; the rest is data.
 *
 * @param runs in ascending order, none over another; {@link #MAX_RUNS} at most
 */
public record ZeroRuns(ImmutableList<Run> runs) {
  /** As {@code device.Extents.Run}, which this package does not know. */
  public record Run(long offsetBytes, long lengthBytes) {
    static final int BYTES = 16;
  }

  /** A payload that every connection takes. */
  public static final int MAX_BYTES = Wire.MIN_PAYLOAD_BYTES;

  public static final int MAX_RUNS = MAX_BYTES / Run.BYTES;

  public void encode(ByteBuf out) {
    for (Run run : runs) {
      out.writeLong(run.offsetBytes()).writeLong(run.lengthBytes());
    }
  }

  /**
   * Reads all of {@code in}.
   *
   * @param offsetBytes of the range that was asked for
   * @param lengthBytes of that range, which ends below 2^63
   */
  public static ZeroRuns decode(ByteBuf in, long offsetBytes, long lengthBytes)
      throws WireException {
    int bytes = in.readableBytes();
    boolean fits = bytes <= MAX_BYTES && bytes % Run.BYTES == 0;
    Payload.check("EXTENTS", fits, "whole runs, 256 at most, as bytes", bytes);
    ImmutableList.Builder<Run> runs = ImmutableList.builderWithExpectedSize(bytes / Run.BYTES);
    long end = offsetBytes + lengthBytes;
    long last = offsetBytes;
    while (in.isReadable()) {
      long offset = in.readLong();
      long length = in.readLong();
      Payload.check("EXTENTS", offset >= last && offset < end, "a run behind the last", offset);
      Payload.check("EXTENTS", length > 0 && length <= end - offset, "a run in range", length);
      last = offset + length;
      runs.add(new Run(offset, length));
    }
    return new ZeroRuns(runs.build());
  }
}
