package io.netchannel.xen.embedded;

import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A domain, with what its own kernel can do: memory, grants, event channels, its view of xenstore;
 * and what a toolstack does with it. All methods may be called from any thread.
 */
public final class EmbeddedDomain {
  /** See the diagram in the package documentation. */
  public enum State {
    CREATED,
    RUNNING,
    SUSPENDED,
    DESTROYED
  }

  private final EmbeddedHypervisor hypervisor;
  private final int domid;
  private final GrantEntries grants;
  private final GuestFrames frames = new GuestFrames();
  private final SerialQueue events;

  /** By their number; not left to the collector, which knows nothing of their size. */
  private final Map<Integer, Deque<GuestPages>> free = new HashMap<>();

  private volatile State state;

  EmbeddedDomain(EmbeddedHypervisor hypervisor, int domid, State state) {
    this.hypervisor = hypervisor;
    this.domid = domid;
    this.state = state;
    grants = new GrantEntries(domid);
    events = hypervisor.newQueue(this);
  }

  public int domid() {
    return domid;
  }

  public State state() {
    return state;
  }

  // ---- what the toolstack does

  /** Tells xenstored of the domain: "@introduceDomain" fires. Once; later calls do nothing. */
  public void introduce() {
    hypervisor.store().introduce(domid);
  }

  /** Introduces the domain if nobody has yet, and lets it run. */
  public void unpause() {
    introduce();
    change(State.CREATED, State.RUNNING);
    hypervisor.wake(this);
  }

  /**
   * The domain has suspended itself: it handles nothing more; events and watches stay pending.
   * "@releaseDomain" fires, as it does for every domain that shuts down.
   */
  public void suspend() {
    change(State.RUNNING, State.SUSPENDED);
    hypervisor.store().shutDown();
  }

  /** Lets a suspended domain go on as if it had not been suspended (suspend_cancel). */
  public void resume() {
    change(State.SUSPENDED, State.RUNNING);
    hypervisor.wake(this);
  }

  /**
   * Ends the domain in any state: its ports are closed, its grants give nothing any more, its nodes
   * in xenstore are removed and "@releaseDomain" fires. While others have its pages mapped it stays
   * a zombie. Idempotent.
   */
  public void destroy() {
    if (domid == 0) {
      throw new XenException("domain 0 cannot be destroyed: close what uses it instead");
    }
    synchronized (this) {
      if (state == State.DESTROYED) {
        return;
      }
      state = State.DESTROYED;
    }
    grants.kill();
    hypervisor.ports().closeAll(domid);
    hypervisor.store().release(domid);
    hypervisor.reap(domid);
  }

  /**
   * Gives the domain the memory of one that has suspended, on this host or another one (migration,
   * restore): every page with what is in it, at the same frame. It has nothing else of it: neither
   * grants nor ports. The other one is left to be destroyed.
   */
  public void restore(EmbeddedDomain suspended) {
    if (state != State.CREATED || suspended.state == State.RUNNING) {
      throw new XenException(
          "domain %d, %s, cannot get the memory of domain %d, %s: expected CREATED and SUSPENDED"
              .formatted(domid, state, suspended.domid, suspended.state));
    }
    suspended.frames.moveTo(frames, this);
  }

  // ---- what its kernel does

  /**
   * Allocates contiguous zeroed pages; what is to be mapped as one ring comes from one call.
   *
   * @param count how many, at least 1
   */
  public GuestPages allocatePages(int count) {
    checkAlive();
    GuestPages freed;
    synchronized (free) {
      Deque<GuestPages> known = free.get(count);
      freed = known == null ? null : known.poll();
    }
    if (freed == null) {
      GuestPages made = new GuestPages(this, count, frames.reserve(count));
      frames.add(made);
      return made;
    }
    freed.clear();
    return freed;
  }

  /** Frees pages of this domain that are neither granted nor used any more. */
  public void freePages(GuestPages pages) {
    synchronized (free) {
      free.computeIfAbsent(pages.count(), count -> new ArrayDeque<>()).push(pages);
    }
  }

  /** Allocates one zeroed page. */
  public GuestPages allocatePage() {
    return allocatePages(1);
  }

  /**
   * Grants a page to another domain.
   *
   * @return the grant reference, never used before in this domain
   */
  public int grantAccess(int remoteDomid, GuestPages pages, int index, boolean readOnly) {
    checkAlive();
    if (pages.owner() != this || index < 0 || index >= pages.count()) {
      throw new IllegalArgumentException(
          "domain %d grants page %d of an allocation of %d pages of domain %d: expected a page of its own"
              .formatted(domid, index, pages.count(), pages.owner().domid()));
    }
    return grants.grant(remoteDomid, pages, index, readOnly);
  }

  /** Grants all pages, in order. */
  public int[] grantAccess(int remoteDomid, GuestPages pages, boolean readOnly) {
    return IntStream.range(0, pages.count())
        .map(index -> grantAccess(remoteDomid, pages, index, readOnly))
        .toArray();
  }

  /**
   * Takes a grant back.
   *
   * @throws XenException when the other domain still has the page mapped or is copying it ("g.e.
   *     still in use"), or when there is no such grant
   */
  public void endAccess(int reference) {
    grants.end(reference);
  }

  /** Takes several grants back, in order. */
  public void endAccess(int[] references) {
    Arrays.stream(references).forEach(this::endAccess);
  }

  /** How many grants are given and not taken back. */
  public int activeGrants() {
    return grants.active();
  }

  /**
   * Allocates a port that {@code remoteDomid} may bind to.
   *
   * @return the port's number
   */
  public int allocUnbound(int remoteDomid) {
    checkAlive();
    return hypervisor.ports().allocateUnbound(domid, remoteDomid, events).number();
  }

  /**
   * Sets the port's listener in place of the one before. It runs once for any number of
   * notifications since its last run began, those before this call included.
   */
  public void onEvent(int port, Runnable listener) {
    hypervisor.ports().listen(domid, port, listener);
  }

  /**
   * Notifies the other end; nothing happens while nobody is bound to it.
   *
   * @throws XenException when the port is closed
   */
  public void notify(int port) {
    hypervisor.ports().notifyPeer(domid, port);
  }

  /** Closes the port. Idempotent. */
  public void closePort(int port) {
    hypervisor.ports().close(domid, port);
  }

  /** A new connection of this domain to xenstore, with this domain's permissions. */
  public XenStore xenStore() {
    return hypervisor.xenStore(domid);
  }

  // ---- for the package

  GrantEntries grants() {
    return grants;
  }

  GuestFrames frames() {
    return frames;
  }

  boolean isRunning() {
    return state == State.RUNNING;
  }

  private synchronized void change(State from, State to) {
    if (state != from) {
      throw new XenException(
          "domain %d cannot become %s: expected %s, found %s".formatted(domid, to, from, state));
    }
    state = to;
  }

  private void checkAlive() {
    if (state == State.DESTROYED) {
      throw new XenException("domain %d is destroyed".formatted(domid));
    }
  }
}
