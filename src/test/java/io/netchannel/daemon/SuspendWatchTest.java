package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.Test;

/** Every thread's work is run by hand. */
final class SuspendWatchTest {
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final XenStore store = hypervisor.xenStore(0);
  private final CountedDomains domains = new CountedDomains(hypervisor.domainStates());
  private final Deque<Runnable> executor = new ArrayDeque<>();
  private final Deque<Runnable> later = new ArrayDeque<>();
  private final List<Duration> delays = new ArrayList<>();
  private final SuspendWatch watch =
      new SuspendWatch(
          store,
          domains,
          (delay, action) -> {
            delays.add(delay);
            later.add(action);
          },
          executor::add);

  /** Counts hypercalls; may be blind, or not notice anything for a while. */
  private static final class CountedDomains implements Domains {
    private final Domains real;
    private int calls;
    private boolean canTell = true;
    private boolean blind;

    CountedDomains(Domains real) {
      this.real = real;
    }

    @Override
    public boolean canTell() {
      return canTell;
    }

    @Override
    public State state(int domid) {
      calls++;
      return blind ? State.UNKNOWN : real.state(domid);
    }

    @Override
    public void close() {}
  }

  private EmbeddedDomain runningDomain() {
    EmbeddedDomain domain = hypervisor.createDomain();
    store.write(Guest.path(domain.domid()) + "/name", "g" + domain.domid());
    domain.unpause();
    return domain;
  }

  private void runExecutor() {
    while (!executor.isEmpty()) {
      executor.remove().run();
    }
  }

  private void pollOnce() {
    later.remove().run();
  }

  @Test
  void aSuspendIsToldByOneEventAndOneHypercall() {
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    assertThat(suspended).isNotDone();
    domains.calls = 0;
    domain.suspend();
    assertThat(domains.calls).isEqualTo(1);
    assertThat(suspended).as("not on xenstore's thread").isNotDone();
    runExecutor();
    assertThat(suspended).isCompleted();
    assertThat(watch.waiting()).isZero();
  }

  @Test
  void whatIsSuspendedAlreadyIsToldAtOnce() {
    EmbeddedDomain domain = runningDomain();
    domain.suspend();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    runExecutor();
    assertThat(suspended).isCompleted();
  }

  @Test
  void othersEventsAreNotIts() {
    EmbeddedDomain waited = runningDomain();
    EmbeddedDomain other = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(waited.domid());
    other.suspend();
    other.destroy();
    runExecutor();
    assertThat(suspended).isNotDone();
    assertThat(watch.waiting()).isEqualTo(1);
  }

  @Test
  void severalWaitForOneDomain() {
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> first = watch.whenSuspended(domain.domid());
    CompletableFuture<Void> second = watch.whenSuspended(domain.domid());
    first.cancel(false);
    domain.suspend();
    runExecutor();
    assertThat(first).isCancelled();
    assertThat(second).isCompleted();
  }

  @Test
  void nobodyIsAskedForNothing() {
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    suspended.cancel(false);
    assertThat(watch.waiting()).isZero();
    domains.calls = 0;
    domain.suspend();
    pollOnce();
    assertThat(domains.calls).isZero();
    assertThat(later).as("the poll ends with the last one who waits").isEmpty();
    assertThat(executor).isEmpty();
  }

  @Test
  void theEndOfTheDomainCancels() {
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    store.remove(Guest.path(domain.domid()));
    domain.destroy();
    runExecutor();
    assertThat(suspended).isCancelled();
    assertThat(watch.waiting()).isZero();
  }

  @Test
  void aHypervisorThatFailsForAMomentEndsNothing() {
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    domains.blind = true;
    domain.suspend();
    runExecutor();
    assertThat(suspended).isNotDone();
    domains.blind = false;
    pollOnce();
    runExecutor();
    assertThat(suspended).isCompleted();
    assertThat(delays).containsOnly(SuspendWatch.POLL);
  }

  @Test
  void thereIsOnePollHoweverManyWait() {
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      all.add(watch.whenSuspended(runningDomain().domid()));
    }
    assertThat(later).hasSize(1);
    pollOnce();
    assertThat(later).hasSize(1);
    assertThat(all).noneMatch(CompletableFuture::isDone);
  }

  @Test
  void whereNobodyCanTellNothingEverHappens() {
    domains.canTell = false;
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    domain.suspend();
    runExecutor();
    assertThat(suspended).isNotDone();
    assertThat(later).isEmpty();
    assertThat(domains.calls).isZero();
  }

  @Test
  void closingCancelsAndWatchesNoMore() {
    EmbeddedDomain domain = runningDomain();
    CompletableFuture<Void> suspended = watch.whenSuspended(domain.domid());
    watch.close();
    watch.close();
    assertThat(suspended).isCancelled();
    domains.calls = 0;
    domain.suspend();
    pollOnce();
    assertThat(domains.calls).isZero();
    assertThat(later).isEmpty();
    assertThat(watch.whenSuspended(runningDomain().domid())).isCancelled();
  }

  @Test
  void anExecutorThatHasEndedLosesNobody() {
    try (SuspendWatch ending =
        new SuspendWatch(
            store,
            domains,
            (delay, action) -> {},
            task -> {
              throw new RejectedExecutionException("ended");
            })) {
      EmbeddedDomain domain = runningDomain();
      CompletableFuture<Void> suspended = ending.whenSuspended(domain.domid());
      domain.suspend();
      assertThat(suspended).isCancelled();
    }
  }
}
