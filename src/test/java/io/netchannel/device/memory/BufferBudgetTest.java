package io.netchannel.device.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.google.common.collect.ImmutableList;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class BufferBudgetTest {
  private static final int MIB = 1 << 20;

  private final List<String> woken = new ArrayList<>();

  private BufferLease lease(BufferBudget budget, String name) {
    return budget.lease(name, 32L * MIB, () -> woken.add(name));
  }

  @Test
  void aBufferIsPageAlignedAndAsLongAsAskedFor() {
    BufferLease lease = lease(new BufferBudget(MIB), "a");
    Chunk page = lease.acquire(512);
    assertThat(page.buffer().limit()).isEqualTo(512);
    assertThat(page.capacityBytes()).isEqualTo(4096);
    assertThat(page.buffer().alignmentOffset(0, 4096)).isZero();
    assertThat(lease.acquire(MIB)).isNull();
    lease.release(page);
    assertThatIllegalStateException().isThrownBy(() -> lease.release(page));
    Chunk whole = lease.acquire(MIB - 511);
    assertThat(whole.capacityBytes()).isEqualTo(MIB);
    assertThat(lease.acquire(1)).isNull();
  }

  @Test
  void aWaiterGetsWhatOthersGiveBackAndNobodyOvertakes() {
    BufferBudget budget = new BufferBudget(3L * MIB);
    BufferLease a = lease(budget, "a");
    BufferLease b = lease(budget, "b");
    Chunk a1 = a.acquire(MIB);
    Chunk a2 = a.acquire(MIB);
    Chunk b1 = b.acquire(MIB);
    assertThat(a.acquire(MIB)).isNull();
    assertThat(a.await()).isFalse();
    assertThat(b.acquire(MIB)).isNull();
    assertThat(b.await()).isFalse();
    assertThat(budget.use().waiting()).containsExactly("a", "b");
    assertThat(a.owes()).as("above the share of 1").isTrue();
    a.release(a2);
    a.giveBack();
    assertThat(woken).as("first come, first served").containsExactly("a");
    a.giveBack();
    assertThat(woken).as("what nobody needed after all").containsExactly("a", "b");
    assertThat(b.acquire(MIB)).isNotNull();
    assertThat(budget.use().waiting()).isEmpty();
    a.release(a1);
    b.release(b1);
    a.giveBack();
    assertThat(budget.use().inUseBytes()).as("nobody waits").isEqualTo(3L * MIB);
  }

  @Test
  void aSlabIsKeptForWhoHoldsNone() {
    BufferBudget budget = new BufferBudget(4L * MIB);
    BufferLease hog = lease(budget, "hog");
    BufferLease late = lease(budget, "late");
    for (int i = 0; i < 3; i++) {
      assertThat(hog.acquire(MIB)).isNotNull();
    }
    assertThat(hog.acquire(MIB)).isNull();
    assertThat(hog.await()).isFalse();
    assertThat(late.acquire(MIB)).as("its own, past who waits").isNotNull();
  }

  @Test
  void anIdleUserGivesItsShareBack() {
    BufferBudget budget = new BufferBudget(2L * MIB);
    BufferLease lease = lease(budget, "a");
    Chunk used = lease.acquire(MIB);
    Chunk other = lease.acquire(4096);
    lease.release(other);
    for (int i = 0; i < 100; i++) {
      lease.rest();
    }
    assertThat(budget.use().inUseBytes()).isEqualTo(MIB);
    lease.release(used);
    lease.close();
    lease.close();
    assertThat(budget.use()).isEqualTo(new BufferBudget.Use(2L * MIB, 2L * MIB, 0, 0, nobody()));
  }

  /** Others give back at any moment, also after it has looked what it holds. */
  @Test
  void whatArrivesWhileALeaseIsBeingClosedGoesBackToo() {
    BufferBudget budget = new BufferBudget(MIB);
    BufferLease a = lease(budget, "a");
    BufferLease b = lease(budget, "b");
    assertThat(b.acquire(MIB)).isNotNull();
    assertThat(a.acquire(MIB)).isNull();
    assertThat(a.await()).isFalse();
    b.close();
    assertThat(woken).containsExactly("a");
    budget.close(a, ImmutableList.of());
    assertThat(budget.use()).isEqualTo(new BufferBudget.Use(MIB, MIB, 0, 0, nobody()));
  }

  @Test
  void whatIsPromisedToALeaseThatIsClosedIsNotMade() {
    BufferBudget budget = new BufferBudget(2L * MIB);
    BufferLease a = lease(budget, "a");
    BufferLease late = lease(budget, "late");
    Chunk chunk = a.acquire(MIB);
    assertThat(a.acquire(MIB)).as("kept for who holds none").isNull();
    assertThat(a.await()).isFalse();
    late.close();
    assertThat(woken).containsExactly("a");
    a.release(chunk);
    a.close();
    assertThat(budget.use()).isEqualTo(new BufferBudget.Use(2L * MIB, MIB, 0, 0, nobody()));
  }

  private static ImmutableList<String> nobody() {
    return ImmutableList.of();
  }

  @Test
  void aSlabThatIsNeverFreeIsDrainedWhenItIsAnothersTurn() {
    BufferBudget budget = new BufferBudget(MIB);
    BufferLease a = lease(budget, "a");
    BufferLease b = lease(budget, "b");
    Deque<Chunk> outstanding = new ArrayDeque<>();
    outstanding.add(a.acquire(4096));
    assertThat(b.acquire(4096)).isNull();
    assertThat(b.await()).isFalse();
    int served = 1;
    for (Chunk next = a.acquire(4096); next != null; next = a.acquire(4096)) {
      outstanding.add(next);
      a.release(outstanding.remove()); // one is always at the device
      a.giveBack();
      served++;
    }
    assertThat(served).as("a slab's worth").isEqualTo(256);
    a.release(outstanding.remove());
    a.giveBack();
    assertThat(woken).containsExactly("b");
    assertThat(b.acquire(4096)).isNotNull();
  }

  @Test
  void memoryThatJavaDoesNotHaveIsWaitedFor() {
    int[] left = {1};
    BufferBudget budget =
        new BufferBudget(
            4L * MIB,
            () -> {
              if (left[0]-- <= 0) {
                throw new OutOfMemoryError("Cannot reserve 1048576 bytes of direct buffer memory");
              }
              return new Slab();
            });
    BufferLease lease = lease(budget, "a");
    Chunk only = lease.acquire(MIB);
    assertThat(lease.acquire(MIB)).isNull();
    assertThat(lease.await()).isFalse();
    lease.release(only);
    assertThat(lease.acquire(MIB)).isSameAs(only);
    assertThat(budget.use().inUseBytes()).isEqualTo(MIB);
  }

  /** Users of one budget against a plain account of who has which bytes. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3, 8, 40})
  void nobodyIsForgottenAndNoByteIsLentTwice(int users) {
    int slabs = 8;
    BufferBudget budget = new BufferBudget((long) slabs * MIB);
    Random random = new Random(users);
    List<BufferLease> leases = new ArrayList<>();
    List<Deque<Chunk>> held = new ArrayList<>();
    for (int i = 0; i < users; i++) {
      leases.add(lease(budget, "user " + i));
      held.add(new ArrayDeque<>());
    }
    long[] served = new long[users];
    byte mark = 0;
    for (int round = 0; round < 4000; round++) {
      for (int user = 0; user < users; user++) {
        BufferLease lease = leases.get(user);
        int length = random.nextInt(4) == 0 ? MIB : 1 + random.nextInt(64 << 10);
        Chunk chunk = lease.acquire(length);
        if (chunk == null && lease.await()) {
          chunk = lease.acquire(length);
        }
        if (chunk != null) {
          mark++;
          chunk.buffer().put(0, mark).put(length - 1, mark);
          assertThat(chunk.buffer().limit()).isEqualTo(length);
          held.get(user).add(chunk);
          served[user] += length;
        }
        if (chunk == null || random.nextInt(3) == 0) {
          Chunk done = held.get(user).poll();
          if (done != null) {
            int last = done.buffer().limit() - 1;
            assertThat(done.buffer().get(last)).isEqualTo(done.buffer().get(0));
            lease.release(done);
          }
        }
        lease.giveBack();
        BufferBudget.Use use = budget.use();
        assertThat(use.inUseBytes()).isLessThanOrEqualTo((long) slabs * MIB);
        assertThat(use.madeBytes()).isLessThanOrEqualTo((long) slabs * MIB);
      }
    }
    double mean = Arrays.stream(served).average().orElseThrow();
    assertThat(Arrays.stream(served).min().orElseThrow() / mean)
        .as("the slowest's part of the mean")
        .isGreaterThan(0.5);
    for (int user = 0; user < users; user++) {
      held.get(user).forEach(leases.get(user)::release);
      leases.get(user).close();
    }
    assertThat(budget.use().inUseBytes()).isZero();
    assertThat(budget.use().users()).isZero();
  }
}
