package io.netchannel.vdevice;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The requests of one queue of a connected device: taken from its first ring, answered there.
 *
 * <p>When the connection ends the queue is unmapped, but requests taken from it may still be at the
 * device: they keep this object, their answers go nowhere.
 *
 * @param <Q> the requests as they are kept here, {@link TakenRequest}s all
 */
public final class RequestRing<Q extends VirtualRequest> {
  /**
   * How many requests of one ring may be held by us, per slot of the ring: those not answered,
   * which a ring bounds, and those answered and not known to be seen, which only this bounds.
   */
  public static final int HELD_REQUESTS_PER_SLOT = 2;

  private final MappedQueue mapped;
  private final BackRing ring;
  private final RequestFormat<Q> format;
  private final InheritedRequests inherited;
  private final Optional<ResponseCredit> credit;
  private final int maxHeld;

  /** All requests that were ever needed, at their places. */
  private final List<Q> requests = new ArrayList<>();

  /** The places of those that are not in use. */
  private final int[] free;

  private int freeCount;

  /** What the frontend was known to have seen when the ring was unmapped. */
  private int lastSeen;

  /**
   * @param mapped disconnected with this ring
   * @param ring our end of its first ring
   */
  public RequestRing(MappedQueue mapped, BackRing ring, RequestFormat<Q> format) {
    this.mapped = mapped;
    this.ring = ring;
    this.format = format;
    inherited = format.inherited();
    credit =
        inherited.count() == 0
            ? Optional.empty()
            : Optional.of(new ResponseCredit(ring, mapped.memory(0), inherited.count()));
    maxHeld = ring.size() * HELD_REQUESTS_PER_SLOT;
    free = new int[maxHeld];
  }

  public int queue() {
    return mapped.number();
  }

  public boolean isConnected() {
    return mapped.isConnected();
  }

  /** The number of slots. */
  public int size() {
    return ring.size();
  }

  /** Index of the next request to take. */
  int consumer() {
    return ring.consumer();
  }

  /** Requests the frontend has put on a ring and nobody has taken; 0 for a broken ring. */
  int untaken() {
    try {
      return isConnected() ? inherited.waiting() + ring.waiting() : 0;
    } catch (RingBrokenException e) {
      return 0; // the next take says so
    }
  }

  /**
   * Hands waiting requests to {@code handler}; bad ones are answered by the format.
   *
   * @return how many were taken; when fewer than {@code max}, the frontend notifies about the next
   *     one, unless so many are held that releasing one has to come first
   */
  public int take(VirtualDevice.Handler<? super Q> handler, int max) throws RingBrokenException {
    format.serveOtherRings();
    int taken = 0;
    for (; inherited.waiting() > 0 && mayTake(taken, max); taken++) {
      inherited.take(format.slot());
      hand(handler);
    }
    do {
      int waiting = ring.waiting();
      for (; waiting > 0 && mayTake(taken, max); waiting--, taken++) {
        ring.take(format.slot());
        hand(handler);
      }
    } while (mayTake(taken, max) && ring.finalCheckForRequests());
    return taken;
  }

  private void hand(VirtualDevice.Handler<? super Q> handler) {
    Q request = obtain();
    if (format.parse(request)) {
      handler.onRequest(request);
    } else {
      request.release();
    }
  }

  private boolean mayTake(int taken, int max) {
    return taken < max && held() < maxHeld && isConnected();
  }

  /** Makes the request again which the process before had taken and not answered. */
  Q adopt(ByteBuffer encoded) throws RingBrokenException {
    Q request = obtain();
    format.decode(encoded, request);
    return request;
  }

  private Q obtain() {
    if (freeCount > 0) {
      return requests.get(free[--freeCount]);
    }
    Q request = format.newRequest(this, requests.size());
    requests.add(request);
    return request;
  }

  void release(int place) {
    free[freeCount++] = place;
  }

  /** How many requests are taken and not released. */
  private int held() {
    return requests.size() - freeCount;
  }

  /** Writes the response; the frontend sees it after {@link #push}. */
  int respond(TakenRequest request) {
    if (!isConnected()) {
      return 0;
    }
    if (credit.isPresent()) {
      return credit.get().respond(request);
    }
    request.writeResponse(mapped.memory(0), ring.responseOffset());
    return ring.responded();
  }

  /**
   * Shows the responses to the frontend and notifies it if it asked for that. None before all that
   * is inherited is taken: a process that is restarted knows by that how far this one has come.
   */
  public void push() {
    if (!isConnected() || inherited.waiting() > 0) {
      return;
    }
    if (credit.isPresent()) {
      credit.get().settle();
    }
    if (ring.push()) {
      mapped.notifyPeer();
    }
  }

  /** How many responses were written that no request of the ring had made room for. */
  public long uncoveredResponses() {
    return credit.isPresent() ? credit.get().uncovered() : 0;
  }

  /** Whether the frontend has taken the response with this index. */
  boolean seen(int responseIndex) {
    return (isConnected() ? seenByFrontend() : lastSeen) - responseIndex > 0;
  }

  /**
   * Index after the last response the frontend has certainly taken. Two signs of it: frontends set
   * rsp_event to one after the responses they have taken; and they never have more requests out
   * than the ring has slots, so req_prod tells how many of them they must have taken.
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
    if (isConnected()) {
      lastSeen = seenByFrontend();
      mapped.disconnect();
    }
  }

  @Override
  public String toString() {
    return "ring %d: %d slots".formatted(queue(), ring.size());
  }
}
