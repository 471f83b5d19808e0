package io.netchannel.xen.embedded;

import io.netchannel.xen.Domains;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One emulated host: its domains, and the contracts of {@code io.netchannel.xen} as each of them
 * sees them. Domain 0 exists from the start, runs always and may do everything.
 */
public final class EmbeddedHypervisor {
  private final Executor executor;
  private final AtomicInteger lastDomid = new AtomicInteger();
  private final Map<Integer, EmbeddedDomain> domains = new ConcurrentSkipListMap<>();
  private final Map<Integer, List<SerialQueue>> queuesByDomain = new ConcurrentHashMap<>();
  private final EventPorts ports = new EventPorts();
  private final StoreTree store = new StoreTree();

  /**
   * @param executor runs the listeners of events and watches: {@code Runnable::run} for
   *     determinism, a thread pool for the real thing
   */
  public EmbeddedHypervisor(Executor executor) {
    this.executor = executor;
    domains.put(0, new EmbeddedDomain(this, 0, EmbeddedDomain.State.RUNNING));
  }

  /**
   * Creates a domain, paused and not yet introduced to xenstored: the toolstack writes its nodes
   * first. Domids start at 1 and are not used again.
   */
  public EmbeddedDomain createDomain() {
    int domid = lastDomid.incrementAndGet();
    EmbeddedDomain domain = new EmbeddedDomain(this, domid, EmbeddedDomain.State.CREATED);
    domains.put(domid, domain);
    return domain;
  }

  /**
   * The domain, also when it is a zombie.
   *
   * @throws XenException when there is none (any more)
   */
  public EmbeddedDomain domain(int domid) {
    EmbeddedDomain domain = domains.get(domid);
    if (domain == null) {
      throw new XenException(
          "there is no domain %d; there are %s".formatted(domid, domains.keySet()));
    }
    return domain;
  }

  /** The domids of all domains that are not destroyed, in ascending order. */
  public List<Integer> domains() {
    return domains.values().stream()
        .filter(domain -> domain.state() != EmbeddedDomain.State.DESTROYED)
        .map(EmbeddedDomain::domid)
        .toList();
  }

  /** The domids of the destroyed domains that somebody still has pages of, in ascending order. */
  public List<Integer> zombies() {
    return domains.values().stream()
        .filter(domain -> domain.state() == EmbeddedDomain.State.DESTROYED)
        .map(EmbeddedDomain::domid)
        .toList();
  }

  /** A new connection of {@code domid} to this host's xenstore. */
  public XenStore xenStore(int domid) {
    EmbeddedDomain domain = domain(domid);
    return new EmbeddedXenStore(
        store, domid, newQueue(domain), () -> domain.state() != EmbeddedDomain.State.DESTROYED);
  }

  /** A new handle through which {@code domid} uses what others granted to it. */
  public GrantTable grantTable(int domid) {
    return new EmbeddedGrantTable(this, domain(domid).domid());
  }

  /** A new handle through which {@code domid} binds to the ports of others. */
  public EventChannels eventChannels(int domid) {
    return new EmbeddedEventChannels(ports, domid, newQueue(domain(domid)));
  }

  /** What its control domain may see of the memory of the others. */
  public ForeignMemory foreignMemory() {
    return new EmbeddedForeignMemory(this);
  }

  /** What the hypervisor tells its control domain of all domains. */
  public Domains domainStates() {
    return new EmbeddedDomains(this);
  }

  // ---- for the package

  /** The domain, also when it is a zombie. */
  Optional<EmbeddedDomain> find(int domid) {
    return Optional.ofNullable(domains.get(domid));
  }

  SerialQueue newQueue(EmbeddedDomain domain) {
    SerialQueue queue = new SerialQueue(executor, domain::isRunning);
    if (domain.domid() != 0) {
      queuesByDomain.computeIfAbsent(domain.domid(), id -> new CopyOnWriteArrayList<>()).add(queue);
    }
    return queue;
  }

  /** Delivers what has come while the domain did not run. */
  void wake(EmbeddedDomain domain) {
    queuesByDomain.getOrDefault(domain.domid(), List.of()).forEach(SerialQueue::kick);
  }

  /** The grants of a domain that is not destroyed, for new uses. */
  Optional<GrantEntries> grants(int domid) {
    return Optional.ofNullable(grantsOrNull(domid));
  }

  /** As {@link #grants}, for every copy. */
  GrantEntries grantsOrNull(int domid) {
    EmbeddedDomain domain = domains.get(domid);
    return domain == null || domain.state() == EmbeddedDomain.State.DESTROYED
        ? null
        : domain.grants();
  }

  /** Forgets a destroyed domain once nobody uses its pages. */
  void reap(int domid) {
    EmbeddedDomain domain = domains.get(domid);
    if (domain != null
        && domain.state() == EmbeddedDomain.State.DESTROYED
        && !domain.grants().inUse()) {
      domains.remove(domid);
      queuesByDomain.remove(domid);
    }
  }

  EventPorts ports() {
    return ports;
  }

  StoreTree store() {
    return store;
  }
}
