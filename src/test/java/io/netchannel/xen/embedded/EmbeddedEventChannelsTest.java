package io.netchannel.xen.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.EventChannels;
import io.netchannel.xen.EventChannels.EventChannel;
import io.netchannel.xen.XenException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EmbeddedEventChannelsTest {
  private final Queue<Runnable> scheduled = new ArrayDeque<>();
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(scheduled::add);
  private final EmbeddedDomain guest = hypervisor.createDomain();
  private final EventChannels channels = hypervisor.eventChannels(0);
  private final AtomicInteger atBackend = new AtomicInteger();
  private final AtomicInteger atGuest = new AtomicInteger();

  @BeforeEach
  void start() {
    guest.unpause();
  }

  private void runAll() {
    while (!scheduled.isEmpty()) {
      scheduled.remove().run();
    }
  }

  @Test
  void theListenerRunsOnceAfterBindingAndThenForEachNotification() {
    int port = guest.allocUnbound(0);
    guest.notify(port);
    EventChannel channel =
        channels.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
    runAll();
    assertThat(atBackend).hasValue(1);
    guest.notify(port);
    runAll();
    assertThat(atBackend).hasValue(2);
    guest.onEvent(port, atGuest::incrementAndGet);
    channel.notifyPeer();
    runAll();
    assertThat(atGuest).hasValue(1);
  }

  @Test
  void notificationsMergeUntilTheListenerRuns() {
    int port = guest.allocUnbound(0);
    channels.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
    guest.notify(port);
    guest.notify(port);
    runAll();
    assertThat(atBackend).hasValue(1);
  }

  @Test
  void whatComesBeforeTheGuestListensIsNotLost() {
    int port = guest.allocUnbound(0);
    EventChannel channel = channels.bindInterdomain(guest.domid(), port, () -> {});
    channel.notifyPeer();
    runAll();
    guest.onEvent(port, atGuest::incrementAndGet);
    runAll();
    assertThat(atGuest).hasValue(1);
  }

  @Test
  void aSuspendedGuestGetsItsEventsWhenItGoesOn() {
    int port = guest.allocUnbound(0);
    EventChannel channel = channels.bindInterdomain(guest.domid(), port, () -> {});
    guest.onEvent(port, atGuest::incrementAndGet);
    guest.suspend();
    channel.notifyPeer();
    runAll();
    assertThat(atGuest).hasValue(0);
    guest.resume();
    runAll();
    assertThat(atGuest).hasValue(1);
  }

  @Test
  void aClosedChannelIsSilentAndThePortMayBeBoundAgain() {
    int port = guest.allocUnbound(0);
    EventChannel channel =
        channels.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
    channel.close();
    channel.close();
    runAll();
    assertThat(atBackend).hasValue(0);
    guest.notify(port);
    assertThatThrownBy(channel::notifyPeer).isInstanceOf(XenException.class);
    channels.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
    runAll();
    assertThat(atBackend).hasValue(1);
  }

  @Test
  void closingTheHandleUnbindsAll() {
    int port = guest.allocUnbound(0);
    channels.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
    channels.close();
    runAll();
    guest.notify(port);
    runAll();
    assertThat(atBackend).hasValue(0);
    assertThatThrownBy(() -> channels.bindInterdomain(guest.domid(), port, () -> {}))
        .isInstanceOf(XenException.class);
    try (EventChannels restarted = hypervisor.eventChannels(0)) {
      restarted.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
      runAll();
      assertThat(atBackend).hasValue(1);
    }
  }

  @Test
  void bindingNeedsAPortThatIsFreeAndForUs() {
    int forAnother = guest.allocUnbound(5);
    int bound = guest.allocUnbound(0);
    channels.bindInterdomain(guest.domid(), bound, () -> {});
    for (int port : new int[] {99, forAnother, bound}) {
      assertThatThrownBy(() -> channels.bindInterdomain(guest.domid(), port, () -> {}))
          .isInstanceOf(XenException.class)
          .hasMessageContaining("port " + port);
    }
    assertThatThrownBy(() -> channels.bindInterdomain(42, 1, () -> {}))
        .isInstanceOf(XenException.class);
  }

  @Test
  void aDestroyedGuestsPortsAreGone() {
    int port = guest.allocUnbound(0);
    EventChannel channel =
        channels.bindInterdomain(guest.domid(), port, atBackend::incrementAndGet);
    runAll();
    guest.destroy();
    channel.notifyPeer();
    channel.close();
    assertThatThrownBy(() -> guest.notify(port)).isInstanceOf(XenException.class);
    assertThatThrownBy(() -> guest.allocUnbound(0)).isInstanceOf(XenException.class);
    assertThat(atBackend).hasValue(1);
  }
}
