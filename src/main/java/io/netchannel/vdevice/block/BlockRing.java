package io.netchannel.vdevice.block;

import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * One ring of a connected disk: mapped pages, event channel, the requests taken from it.
 *
 * <p>When the connection ends the ring is unmapped, but requests taken from it may still be at the
 * device: they keep this object, their answers go nowhere.
 */
final class BlockRing {
  private final int queue;
  private final RingLayout layout;
  private final GuestMemory guest;
  private final RequestParser parser;
  private final GuestLog log;
  private final GrantTable.Mapping mapping;
  private final BackRing ring;
  private final int maxHeld;
  private final EventChannels.EventChannel channel;

  /** Released requests, for the next ones. */
  private final Deque<RingRequest> pool = new ArrayDeque<>();

  private int held;
  private boolean connected = true;

  /** What the frontend was known to have seen when the ring was unmapped. */
  private int lastSeen;

  /** Of {@code mapping} and {@code channel}, both closed with the ring. */
  BlockRing(
      int queue,
      RingLayout layout,
      GrantTable.Mapping mapping,
      EventChannels.EventChannel channel,
      BackRing ring,
      RequestParser parser,
      GuestMemory guest,
      GuestLog log) {
    this.queue = queue;
    this.layout = layout;
    this.mapping = mapping;
    this.channel = channel;
    this.ring = ring;
    this.parser = parser;
    this.guest = guest;
    this.log = log;
    maxHeld = ring.size() * VbdLimits.HELD_REQUESTS_PER_SLOT;
  }

  int queue() {
    return queue;
  }

  GuestMemory guest() {
    return guest;
  }

  boolean isConnected() {
    return connected;
  }

  /** Index of the next request to take. */
  int consumer() {
    return ring.consumer();
  }

  /** Requests the frontend has put on the ring and nobody has taken; 0 for a broken ring. */
  int untaken() {
    try {
      return connected ? ring.waiting() : 0;
    } catch (RingBrokenException e) {
      return 0; // the next take says so
    }
  }

  /**
   * Hands waiting requests to {@code handler}, and answers bad ones.
   *
   * @return how many were taken; when fewer than {@code max}, the frontend notifies about the next
   *     one, unless so many are held that releasing one has to come first
   */
  int take(VirtualDevice.Handler<BlockRequest> handler, int max) throws RingBrokenException {
    int taken = 0;
    do {
      int waiting = ring.waiting();
      for (; waiting > 0 && taken < max && held < maxHeld && connected; waiting--, taken++) {
        ring.take(parser.slot());
        RingRequest request = obtain();
        Optional<RequestParser.Refusal> refusal = parser.parse(request);
        if (refusal.isEmpty()) {
          handler.onRequest(request);
        } else {
          log.warn("bad request refused: " + refusal.get().reason());
          request.respond(refusal.get().status());
          request.release();
        }
      }
    } while (taken < max && held < maxHeld && connected && ring.finalCheckForRequests());
    return taken;
  }

  /** Makes the request again which the process before had taken and not answered. */
  BlockRequest adopt(ByteBuffer encoded) {
    RingRequest request = obtain();
    request.decode(encoded);
    return request;
  }

  private RingRequest obtain() {
    held++;
    RingRequest request = pool.poll();
    return request == null ? new RingRequest(this) : request;
  }

  void release(RingRequest request) {
    held--;
    pool.push(request);
  }

  /** Writes the response; the frontend sees it after {@link #push}. */
  int respond(RingRequest request, ResponseStatus status) {
    if (!connected) {
      return 0;
    }
    RingLayout.writeResponse(
        mapping.memory(),
        ring.responseOffset(),
        request.id(),
        request.wireOperation(),
        status.code());
    return ring.responded();
  }

  void push() {
    if (connected && ring.push()) {
      try {
        channel.notifyPeer();
      } catch (XenException e) {
        log.warn("cannot notify the frontend: " + e.getMessage());
      }
    }
  }

  /** Whether the frontend has taken the response with this index. */
  boolean seen(int responseIndex) {
    return (connected ? seenByFrontend() : lastSeen) - responseIndex > 0;
  }

  /**
   * Index after the last response the frontend has certainly taken. Two signs of it: blkfront sets
   * rsp_event to one after the responses it has taken; and it never has more requests out than the
   * ring has slots, so req_prod tells how many of them it must have taken.
   *
   * <p>Both are written by the guest. A wrong value harms nobody else: it may hide from us that
   * something must be kept for this very guest.
   */
  private int seenByFrontend() {
    int byEvent = ring.responseEvent() - 1;
    int bySlots = ring.requestProducer() - ring.size();
    int later = byEvent - bySlots > 0 ? byEvent : bySlots;
    return later - ring.published() > 0 ? ring.published() : later;
  }

  /** Unmaps; responses that were not pushed are lost. Idempotent. */
  void disconnect() {
    if (connected) {
      lastSeen = seenByFrontend();
      connected = false;
      channel.close();
      mapping.close();
    }
  }

  @Override
  public String toString() {
    return "ring %d: %s, %d slots".formatted(queue, layout.protocol(), ring.size());
  }
}
