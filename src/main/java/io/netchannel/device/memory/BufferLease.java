package io.netchannel.device.memory;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.ArrayList;
import java.util.List;

/**
 * What one user has of the budget. Belongs to one thread, or to who holds its user's lock. States
 * and rules are in the package's description.
 */
public final class BufferLease implements AutoCloseable {
  /** Length of the longest buffer. */
  public static final int MAX_BYTES = Slab.BYTES;

  /** So many looks without work, some 50 ms apart, are a rest: a second. */
  private static final int RESTS = 20;

  private final BufferBudget budget;
  private final String name;
  private final int mostSlabs;
  final Runnable wake;

  /** Those that are used first are first; what is above the share is at the end. */
  private final List<Slab> slabs = new ArrayList<>();

  private int freeSlabs;
  private int rests;

  // ---- the budget's, guarded by it

  int held;
  boolean waiting;
  boolean closed;
  final List<Slab> arrived = new ArrayList<>(1);

  /** Slabs that are its own and still have to be made. */
  int promised;

  /** Whether there is something that it has waited for. */
  volatile boolean hasArrived;

  BufferLease(BufferBudget budget, String name, int mostSlabs, Runnable wake) {
    this.budget = budget;
    this.name = name;
    this.mostSlabs = mostSlabs;
    this.wake = wake;
  }

  /**
   * A buffer with position 0 and limit {@code lengthBytes}, its content undefined.
   *
   * @param lengthBytes 1 to {@link #MAX_BYTES}
   * @return null when there is none now; then {@link #await} tells when to ask again
   */
  public Chunk acquire(long lengthBytes) {
    checkArgument(
        lengthBytes > 0 && lengthBytes <= MAX_BYTES,
        "a buffer of %s bytes: expected 1 to %s",
        lengthBytes,
        MAX_BYTES);
    rests = 0;
    if (hasArrived) {
      takeArrived();
    }
    int order = Slab.orderFor(lengthBytes);
    int share = budget.isShort() ? budget.share() : Integer.MAX_VALUE;
    for (int i = 0; i < slabs.size(); i++) {
      Slab slab = slabs.get(i);
      if (slab.fits(order) && !(i >= share && slab.hasServed())) {
        return take(slab, order, lengthBytes);
      }
    }
    Slab more = slabs.size() < mostSlabs ? budget.lend(this) : null;
    if (more == null) {
      return null;
    }
    add(more);
    return take(more, order, lengthBytes);
  }

  /** Likewise, and gets in line when there is none: {@code null} means that it waits. */
  public Chunk acquireOrAwait(long lengthBytes) {
    Chunk chunk = acquire(lengthBytes);
    return chunk == null && await() ? acquire(lengthBytes) : chunk;
  }

  private Chunk take(Slab slab, int order, long lengthBytes) {
    if (slab.isFree()) {
      freeSlabs--;
    }
    Chunk chunk = slab.take(order);
    chunk.buffer().clear().limit((int) lengthBytes);
    return chunk;
  }

  public void release(Chunk chunk) {
    Slab slab = chunk.slab;
    slab.free(chunk);
    if (slab.isFree()) {
      freeSlabs++;
    }
  }

  /**
   * Gets in line, unless it holds all that it may. When it is its turn the lease's {@code wake} is
   * called.
   *
   * @return true when there is something after all: ask again at once
   */
  public boolean await() {
    return slabs.size() < mostSlabs && budget.await(this);
  }

  /** How many buffers of {@link #MAX_BYTES} can be had now, as far as is known without a lock. */
  public int longestBuffers() {
    int arriving = hasArrived ? 1 : 0;
    int kept = slabs.isEmpty() ? 1 - arriving : 0;
    return freeSlabs
        + arriving
        + Math.min(mostSlabs - slabs.size() - arriving, budget.available() + kept);
  }

  /** Whether others wait for what it holds above its share: who keeps data lets go of it. */
  public boolean owes() {
    return budget.isShort() && slabs.size() > budget.share();
  }

  /** Gives back what others wait for and is free. After each round of its user's work. */
  public void giveBack() {
    if (hasArrived) {
      takeArrived();
    }
    while (freeSlabs > 0 && owes()) {
      giveBackOne();
    }
  }

  /** There was nothing to do: after a while all that is free goes back. */
  public void rest() {
    if (freeSlabs > 0 && ++rests >= RESTS) {
      trim();
    }
  }

  /** Gives back all that is free. */
  public void trim() {
    if (hasArrived) {
      takeArrived();
    }
    while (freeSlabs > 0) {
      giveBackOne();
    }
  }

  /**
   * Ends it: all of its memory goes back. Idempotent.
   *
   * <p>Only when neither a device nor a socket uses any of it: it is another guest's next.
   */
  @Override
  public void close() {
    List<Slab> all = List.copyOf(slabs);
    slabs.clear();
    freeSlabs = 0;
    budget.close(this, all);
  }

  /** What a person calls its user. */
  @Override
  public String toString() {
    return name;
  }

  private void takeArrived() {
    budget.takeArrived(this).forEach(this::add);
  }

  private void add(Slab slab) {
    slabs.add(slab);
    freeSlabs++;
  }

  private void giveBackOne() {
    for (int i = slabs.size() - 1; i >= 0; i--) {
      if (slabs.get(i).isFree()) {
        freeSlabs--;
        budget.giveBack(this, slabs.remove(i));
        return;
      }
    }
    throw new IllegalStateException(name + ": a free slab was counted and is not there");
  }
}
