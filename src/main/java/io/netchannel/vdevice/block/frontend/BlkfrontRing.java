package io.netchannel.vdevice.block.frontend;

import io.netchannel.vdevice.block.ResponseStatus;
import io.netchannel.vdevice.block.RingLayout;
import io.netchannel.xen.XenException;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One ring of the frontend and the shadow of what is on it (struct blkfront_ring_info): per id the
 * request, its grants, and whether it waits for a response.
 */
final class BlkfrontRing {
  private final EmbeddedDomain domain;
  private final int backendDomid;
  private final RingLayout layout;
  private final int handle;
  private final GuestPages pages;
  private final int[] ringGrants;
  private final int port;
  private final FrontRing ring;
  private final Shadow[] shadow;
  private final Deque<Integer> freeIds = new ArrayDeque<>();
  private final AtomicBoolean interrupted = new AtomicBoolean();
  private final ByteBuffer response;

  /** A request on the ring. */
  private static final class Shadow {
    private final FrontRequest request;
    private final int wireOperation;
    private final List<Integer> grants = new ArrayList<>();

    Shadow(FrontRequest request) {
      this.request = request;
      wireOperation = request.kind().wireOperation();
    }
  }

  /** The backend has done what blkfront disables a device for. */
  static final class BrokenBackendException extends Exception {
    private static final long serialVersionUID = 1L;

    BrokenBackendException(String message) {
      super(message);
    }
  }

  BlkfrontRing(
      EmbeddedDomain domain,
      int backendDomid,
      RingLayout layout,
      int handle,
      int pageCount,
      Runnable wake) {
    this.domain = domain;
    this.backendDomid = backendDomid;
    this.layout = layout;
    this.handle = handle;
    pages = domain.allocatePages(pageCount);
    ring = new FrontRing(pages.memory(), layout.slotBytes());
    ringGrants = domain.grantAccess(backendDomid, pages, false);
    port = domain.allocUnbound(backendDomid);
    shadow = new Shadow[ring.size()];
    for (int id = 0; id < shadow.length; id++) {
      freeIds.add(id);
    }
    response = ByteBuffer.allocate(layout.slotBytes()).order(ByteOrder.LITTLE_ENDIAN);
    domain.onEvent(
        port,
        () -> {
          interrupted.set(true);
          wake.run();
        });
  }

  int[] ringGrants() {
    return ringGrants;
  }

  int port() {
    return port;
  }

  FrontRing ring() {
    return ring;
  }

  boolean isFull() {
    return ring.isFull() || freeIds.isEmpty();
  }

  int outstanding() {
    return shadow.length - freeIds.size();
  }

  /** The requests on the ring in the order of the shadow, as blkfront_resume walks it. */
  List<FrontRequest> requests() {
    List<FrontRequest> found = new ArrayList<>();
    for (Shadow entry : shadow) {
      if (entry != null) {
        found.add(entry.request);
      }
    }
    return found;
  }

  /** Puts a request on the ring; {@link #push} shows it to the backend. */
  void put(FrontRequest request) {
    int id = freeIds.remove();
    Shadow entry = new Shadow(request);
    shadow[id] = entry;
    int slot = ring.requestOffset();
    List<FrontRequest.Segment> segments = request.segments();
    ByteBuffer memory = ring.memory();
    if (request.kind() == GuestIo.Kind.DISCARD) {
      layout.writeDiscard(memory, slot, handle, id, request.sector(), request.sectors());
    } else if (segments.size() <= RingLayout.MAX_DIRECT_SEGMENTS) {
      // A flush says sector -1: the block layer gives it none.
      long sector = request.kind() == GuestIo.Kind.FLUSH ? -1 : request.sector();
      layout.writeRequest(memory, slot, entry.wireOperation, segments.size(), handle, id, sector);
      for (int i = 0; i < segments.size(); i++) {
        writeSegment(entry, segments.get(i), memory, layout.segmentOffset(slot, i));
      }
    } else {
      GuestPages indirect = domain.allocatePage();
      for (int i = 0; i < segments.size(); i++) {
        writeSegment(entry, segments.get(i), indirect.memory(), i * RingLayout.SEGMENT_BYTES);
      }
      int reference = domain.grantAccess(backendDomid, indirect, 0, false);
      entry.grants.add(reference);
      layout.writeIndirect(
          memory,
          slot,
          entry.wireOperation,
          segments.size(),
          handle,
          id,
          request.sector(),
          reference);
    }
    ring.put();
  }

  private void writeSegment(
      Shadow entry, FrontRequest.Segment segment, ByteBuffer memory, int position) {
    int reference = segment.io().grant(backendDomid, segment.page());
    entry.grants.add(reference);
    RingLayout.writeSegment(
        memory, position, reference, segment.firstSector(), segment.lastSector());
  }

  /** Shows the requests to the backend and notifies it if it asked for that. */
  void push() {
    if (ring.push()) {
      domain.notify(port);
    }
  }

  /**
   * The interrupt handler, if an event has come (blkif_interrupt): returns how many responses it
   * took.
   */
  int interrupt() throws BrokenBackendException {
    int taken = 0;
    if (interrupted.getAndSet(false)) {
      do {
        int waiting = ring.responses();
        if (Integer.compareUnsigned(waiting, ring.size()) > 0) {
          throw new BrokenBackendException("illegal number of responses " + waiting);
        }
        for (; waiting > 0; waiting--, taken++) {
          ring.take(response);
          complete();
        }
      } while (ring.finalCheckForResponses());
    }
    return taken;
  }

  private void complete() throws BrokenBackendException {
    long id = RingLayout.responseId(response);
    if (Long.compareUnsigned(id, shadow.length) >= 0) {
      throw new BrokenBackendException(
          "response has incorrect id (%s)".formatted(Long.toUnsignedString(id)));
    }
    Shadow entry = shadow[(int) id];
    if (entry == null) {
      throw new BrokenBackendException("response references no pending request");
    }
    int operation = RingLayout.responseOperation(response);
    if (operation != entry.wireOperation) {
      throw new BrokenBackendException(
          "response has wrong operation (%d instead of %d)"
              .formatted(operation, entry.wireOperation));
    }
    endAccess(entry);
    shadow[(int) id] = null;
    freeIds.push((int) id);
    entry.request.complete(RingLayout.responseStatus(response) == ResponseStatus.OKAY.code());
  }

  private void endAccess(Shadow entry) throws BrokenBackendException {
    for (int reference : entry.grants) {
      try {
        domain.endAccess(reference);
      } catch (XenException e) {
        throw new BrokenBackendException(
            "backend has not unmapped grant: %d (%s)".formatted(reference, e.getMessage()));
      }
    }
  }

  /**
   * Gives up the ring and all grants on it.
   *
   * @return the grants that the backend has not let go of yet: to be ended later, as Linux defers
   *     it
   */
  List<Integer> free() {
    domain.closePort(port);
    List<Integer> deferred = new ArrayList<>();
    for (int reference : ringGrants) {
      endOrDefer(reference, deferred);
    }
    for (Shadow entry : shadow) {
      if (entry != null) {
        entry.grants.forEach(reference -> endOrDefer(reference, deferred));
      }
    }
    return deferred;
  }

  private void endOrDefer(int reference, List<Integer> deferred) {
    try {
      domain.endAccess(reference);
    } catch (XenException e) {
      deferred.add(reference);
    }
  }
}
