package io.netchannel.vdevice.block;

import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.RequestFormat;
import io.netchannel.vdevice.RequestRing;
import java.nio.ByteBuffer;
import java.util.Optional;

/** How the requests of one disk's ring are made. */
final class BlockFormat implements RequestFormat<RingRequest> {
  private final RequestParser parser;
  private final GuestMemory guest;
  private final GuestLog log;

  BlockFormat(
      RingLayout layout,
      BlockGeometry geometry,
      VbdLimits limits,
      GuestMemory guest,
      GuestLog log) {
    parser = new RequestParser(layout, geometry, limits, guest);
    this.guest = guest;
    this.log = log;
  }

  @Override
  public RingRequest newRequest(RequestRing<RingRequest> ring, int place) {
    return new RingRequest(ring, place, guest);
  }

  @Override
  public ByteBuffer slot() {
    return parser.slot();
  }

  @Override
  public boolean parse(RingRequest request) {
    Optional<RequestParser.Refusal> refusal = parser.parse(request);
    if (refusal.isPresent()) {
      log.warn("bad request refused: " + refusal.get().reason());
      request.respond(refusal.get().status());
    }
    return refusal.isEmpty();
  }

  @Override
  public void decode(ByteBuffer encoded, RingRequest request) {
    request.decode(encoded);
  }
}
