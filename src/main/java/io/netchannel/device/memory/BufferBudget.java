package io.netchannel.device.memory;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.Iterables;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All memory for the data of requests of one kind of user, and who has how much of it. States and
 * rules are in the package's description. From any thread.
 */
public final class BufferBudget {
  private static final Logger log = LoggerFactory.getLogger(BufferBudget.class);

  /** A budget is a multiple of this, and at least this: the longest request. */
  public static final int UNIT_BYTES = Slab.BYTES;

  /**
   * A look from outside.
   *
   * @param budgetBytes the bound
   * @param madeBytes taken from the system so far, which it keeps
   * @param inUseBytes lent
   * @param users leases
   * @param waiting users that wait for memory, in their order
   */
  public record Use(
      long budgetBytes,
      long madeBytes,
      long inUseBytes,
      int users,
      ImmutableList<String> waiting) {}

  private final int slabs;
  private final Supplier<Slab> maker;

  // All below is guarded by this.
  private final Deque<Slab> free = new ArrayDeque<>();
  private final Deque<BufferLease> waiters = new ArrayDeque<>();
  private final Set<BufferLease> leases = new LinkedHashSet<>();
  private int made;
  private int lent;

  /** Leases that hold nothing. */
  private int empty;

  /** Of these, those that do not wait either: a slab is kept for each, and they have no share. */
  private int idle;

  private boolean outOfMemoryTold;

  // Read without the lock: hints that are right again soon.
  private volatile boolean isShort;
  private volatile int share;
  private volatile int available;

  /**
   * A budget of which nothing is made yet.
   *
   * @param bytes at least {@link #UNIT_BYTES}; rounded down to a multiple of it
   */
  public BufferBudget(long bytes) {
    this(bytes, Slab::new);
  }

  BufferBudget(long bytes, Supplier<Slab> maker) {
    checkArgument(
        bytes >= UNIT_BYTES, "a budget of %s bytes: one request may need %s", bytes, UNIT_BYTES);
    slabs = Math.toIntExact(bytes / UNIT_BYTES);
    this.maker = maker;
    update();
  }

  /**
   * A new user, which holds nothing yet.
   *
   * @param name for people
   * @param mostBytes what it may hold at most; rounded down as the budget is
   * @param wake called when it has waited and has its turn, on any thread; must not block
   */
  public BufferLease lease(String name, long mostBytes, Runnable wake) {
    checkArgument(
        mostBytes >= UNIT_BYTES,
        "%s: %s bytes: one request may need %s",
        name,
        mostBytes,
        UNIT_BYTES);
    int most = (int) Math.min(mostBytes / UNIT_BYTES, slabs);
    BufferLease lease = new BufferLease(this, name, most, wake);
    synchronized (this) {
      leases.add(lease);
      empty++;
      idle++;
      if (leases.size() == slabs + 1) {
        log.warn(
            "{} users share buffers of {} MiB: they take turns, as there is less than 1 MiB for"
                + " each; raise [memory] buffers",
            leases.size(),
            slabs);
      }
      update();
    }
    return lease;
  }

  public synchronized Use use() {
    return new Use(
        (long) slabs * UNIT_BYTES,
        (long) made * UNIT_BYTES,
        (long) lent * UNIT_BYTES,
        leases.size(),
        waiters.stream().map(BufferLease::toString).collect(ImmutableList.toImmutableList()));
  }

  // ---- for leases

  /** Whether somebody waits. */
  boolean isShort() {
    return isShort;
  }

  /** Slabs that each of those that hold some, or wait for some, can have; 0 to take turns. */
  int share() {
    return share;
  }

  /** Slabs that somebody who holds one already can have now. */
  int available() {
    return available;
  }

  /** Null when there is none to be had. */
  Slab lend(BufferLease to) {
    synchronized (this) {
      if (to.closed || !mayHave(to)) {
        return null;
      }
      Slab ready = free.pollLast();
      if (ready == null) {
        made++;
      }
      hold(to);
      update();
      if (ready != null) {
        return ready;
      }
    }
    return make(to);
  }

  /** Outside of the lock: it is cleared by the system first. Null when Java has no more. */
  private Slab make(BufferLease to) {
    try {
      return maker.get();
    } catch (OutOfMemoryError e) {
      boolean first;
      synchronized (this) {
        made--;
        letGo(to);
        first = !outOfMemoryTold;
        outOfMemoryTold = true;
        update();
      }
      if (first) {
        log.error(
            "buffers of {} MiB do not fit into what Java was given: guests' requests wait; lower"
                + " [memory] buffers, or raise -XX:MaxDirectMemorySize in /etc/default/netchannel",
            slabs,
            e);
      }
      return null;
    }
  }

  /** As {@link BufferLease#await}. */
  synchronized boolean await(BufferLease lease) {
    if (lease.hasArrived || mayHave(lease)) {
      return !outOfMemoryTold; // else it is asked again, at its user's next look
    }
    if (!lease.waiting && !lease.closed) {
      lease.waiting = true;
      waiters.addLast(lease);
      idle -= lease.held == 0 ? 1 : 0;
      update();
    }
    return false;
  }

  /** What it has waited for. */
  List<Slab> takeArrived(BufferLease lease) {
    List<Slab> arrived;
    int promised;
    synchronized (this) {
      arrived = new ArrayList<>(lease.arrived);
      promised = lease.promised;
      lease.arrived.clear();
      lease.promised = 0;
      lease.hasArrived = false;
    }
    for (; promised > 0; promised--) {
      Slab slab = make(lease);
      if (slab != null) {
        arrived.add(slab);
      }
    }
    return arrived;
  }

  void giveBack(BufferLease from, Slab slab) {
    List<BufferLease> served;
    synchronized (this) {
      slab.clear();
      free.addLast(slab);
      letGo(from);
      served = serveWaiters();
    }
    served.forEach(lease -> lease.wake.run());
  }

  /** What has arrived goes with the rest: it may do so until the lock is held. */
  void close(BufferLease lease, List<Slab> taken) {
    List<BufferLease> served;
    synchronized (this) {
      if (lease.closed) {
        return;
      }
      lease.closed = true;
      for (Slab slab : Iterables.concat(taken, lease.arrived)) {
        slab.clear();
        free.addLast(slab);
        letGo(lease);
      }
      lease.arrived.clear();
      for (; lease.promised > 0; lease.promised--) {
        made--;
        letGo(lease);
      }
      lease.hasArrived = false;
      checkState(lease.held == 0, "%s: %s slabs are missing", lease, lease.held);
      leases.remove(lease);
      empty--;
      if (lease.waiting) {
        lease.waiting = false;
        waiters.remove(lease);
      } else {
        idle--;
      }
      served = serveWaiters();
    }
    served.forEach(next -> next.wake.run());
  }

  // ---- all guarded by this

  private List<BufferLease> serveWaiters() {
    List<BufferLease> served = new ArrayList<>(1);
    for (BufferLease next = nextWaiter(); next != null; next = nextWaiter()) {
      waiters.remove(next);
      next.waiting = false;
      idle += next.held == 0 ? 1 : 0;
      hold(next);
      Slab ready = free.pollLast();
      if (ready != null) {
        next.arrived.add(ready);
      } else {
        made++;
        next.promised++;
      }
      next.hasArrived = true;
      served.add(next);
    }
    update();
    return served;
  }

  /** The first of those that may have one: a slab kept for one is not there for who came before. */
  private BufferLease nextWaiter() {
    for (BufferLease waiter : waiters) {
      if (unreserved(waiter) > 0) {
        return waiter;
      }
    }
    return null;
  }

  private void hold(BufferLease lease) {
    if (lease.held++ == 0) {
      empty--;
      idle -= lease.waiting ? 0 : 1;
    }
    lent++;
  }

  private void letGo(BufferLease lease) {
    if (--lease.held == 0) {
      empty++;
      idle += lease.waiting ? 0 : 1;
    }
    lent--;
  }

  /** Whether it may have another one before all that wait. */
  private boolean mayHave(BufferLease lease) {
    boolean own = lease.held == 0 && !lease.waiting && isGuaranteed();
    return (own || waiters.isEmpty()) && unreserved(lease) > 0;
  }

  /** Slabs that are free and not kept for somebody else. */
  private int unreserved(BufferLease lease) {
    int others = empty - (lease.held == 0 ? 1 : 0);
    return slabs - lent - (isGuaranteed() ? others : 0);
  }

  private boolean isGuaranteed() {
    return leases.size() <= slabs;
  }

  private void update() {
    int kept = isGuaranteed() ? idle : 0;
    int busy = leases.size() - idle;
    isShort = !waiters.isEmpty();
    share = busy == 0 ? slabs : (slabs - kept) / busy;
    available = isShort ? 0 : Math.max(0, slabs - lent - (isGuaranteed() ? empty : 0));
  }
}
