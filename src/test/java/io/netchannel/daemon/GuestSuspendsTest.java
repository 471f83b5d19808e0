package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every thread's work is run by hand. */
final class GuestSuspendsTest {
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final XenStore store = hypervisor.xenStore(0);
  private final Deque<Runnable> later = new ArrayDeque<>();
  private final List<Boolean> told = new ArrayList<>();
  private boolean leaves;
  private long nanos;
  private EmbeddedDomain domain;
  private String request;
  private final GuestSuspends suspends =
      new GuestSuspends(
          store,
          hypervisor.domainStates(),
          uuid -> leaves,
          (delay, action) -> later.add(action),
          () -> nanos);

  @BeforeEach
  void start() {
    domain = hypervisor.createDomain();
    request = Guest.path(domain.domid()) + "/control/shutdown";
    store.write(request, "");
    domain.unpause();
  }

  private GuestSuspends.Follower follow() {
    return suspends.follow(new Guest("g1", new UUID(1, 1), domain.domid()), told::add);
  }

  private void poll() {
    later.remove().run();
  }

  @Test
  void aRequestIsToldOnceAndItsEndWhenTheGuestRunsAgain() {
    GuestSuspends.Follower unused = follow();
    assertThat(told).isEmpty();
    store.write(request, "suspend");
    store.write(request, ""); // as the guest does
    assertThat(told).containsExactly(true);
    poll();
    domain.suspend();
    poll();
    assertThat(told).containsExactly(true);
    domain.resume();
    poll();
    assertThat(told).containsExactly(true, false);
    assertThat(later).isEmpty();
  }

  @Test
  void whatTheGuestHasEmptiedAlreadyCountsWhereItIsToLeave() {
    GuestSuspends.Follower unused = follow();
    store.write(request, "");
    assertThat(told).as("a command of another kind, perhaps").isEmpty();
    leaves = true;
    store.write(request, "");
    assertThat(told).containsExactly(true);
  }

  @Test
  void aPowerOffIsNoSuspend() {
    leaves = true;
    GuestSuspends.Follower unused = follow();
    store.write(request, "poweroff");
    assertThat(told).isEmpty();
  }

  @Test
  void aGuestThatDoesNotSuspendGoesOnWhenTheBoundHasPassed() {
    GuestSuspends.Follower unused = follow();
    store.write(request, "suspend");
    poll();
    nanos = GuestSuspends.BOUND.toNanos() + 1;
    poll();
    assertThat(told).containsExactly(true, false);
  }

  @Test
  void oneThatIsKnownToGoOnIsToldSoAtOnceAndTheLooksOfBeforeMeanNothing() {
    GuestSuspends.Follower follower = follow();
    store.write(request, "suspend");
    follower.goesOn();
    follower.goesOn();
    assertThat(told).containsExactly(true, false);
    store.write(request, "");
    store.write(request, "suspend");
    assertThat(told).containsExactly(true, false, true);
    nanos = GuestSuspends.BOUND.toNanos() - 1;
    domain.suspend();
    poll(); // of the first time
    poll();
    domain.resume();
    poll();
    assertThat(told).containsExactly(true, false, true, false);
    assertThat(later).isEmpty();
  }

  @Test
  void oneThatIsSuspendedAtFirstSightIsTold() {
    domain.suspend();
    GuestSuspends.Follower follower = follow();
    assertThat(follower.isAsked()).isTrue();
    assertThat(told).containsExactly(true);
    follower.close();
    poll();
    domain.resume();
    assertThat(told).containsExactly(true);
  }
}
