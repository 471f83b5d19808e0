package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.wire.WireException;
import io.netchannel.wire.ZeroRuns;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/** What a server says of a range's zeros; all data when it does not come to an answer. */
final class ZerosAnswer implements Completion {
  private final ByteBuffer bytes = ByteBuffer.allocate(ZeroRuns.MAX_BYTES);
  private final CompletableFuture<Extents> told = new CompletableFuture<>();
  private Extents found = Extents.ALL_DATA;

  /** Where the payload of the reply goes. */
  ByteBuffer bytes() {
    return bytes;
  }

  CompletableFuture<Extents> told() {
    return told;
  }

  /** Understands the payload, of a request for this range. */
  void decode(int payloadBytes, long offsetBytes, long lengthBytes) throws WireException {
    ZeroRuns runs =
        ZeroRuns.decode(
            Unpooled.wrappedBuffer(bytes.array(), 0, payloadBytes), offsetBytes, lengthBytes);
    found =
        new Extents(
            runs.runs().stream()
                .map(run -> new Extents.Run(run.offsetBytes(), run.lengthBytes()))
                .collect(ImmutableList.toImmutableList()));
  }

  @Override
  public void complete(Outcome outcome) {
    told.complete(outcome == Outcome.OK ? found : Extents.ALL_DATA);
  }
}
