package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.XenStore;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Controller and driver find each other, and what is plugged is shown. */
final class UsbHandshakeTest {
  private final UsbHost host = new UsbHost();

  private String backend(String name) {
    return host.node(host.address.backendPath() + "/" + name).orElse("(missing)");
  }

  @Test
  void publishesWhatTheDriverReadsWhenItFindsTheController() {
    assertThat(host.address.backendPath()).isEqualTo("/local/domain/0/backend/netchannel-usb/1/0");
    assertThat(host.address.frontendPath()).isEqualTo("/local/domain/1/device/vusb/0");
    assertThat(backend("num-ports")).isEqualTo("1");
    assertThat(backend("usb-ver")).isEqualTo("2");
    assertThat(backend("port/1")).isEmpty();
    assertThat(backend("online")).isEqualTo("1");
    assertThat(DeviceNodes.details(host.store, host.address))
        .containsEntry(DeviceDetail.PARAMS, "usb:3-1.2");
    assertThat(DeviceNodes.list(host.store, UsbNodes.TYPE, 0)).containsExactly(host.address);
  }

  @ParameterizedTest
  @EnumSource
  void connectsAndShowsTheDevice(Driver driver) {
    XenHcdModel guest = new XenHcdModel(host.domain, UsbHost.DEVID, driver);
    host.port.plugged(3, "it");
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.PREPARED);
    host.port.offer();
    assertThat(host.backendState()).isEqualTo(XenbusState.INIT_WAIT);
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    assertThat(host.backendState()).isEqualTo(XenbusState.CONNECTED);
    assertThat(host.frontendState()).isEqualTo(XenbusState.CONNECTED);
    assertThat(host.connections).isEqualTo(1);
    assertThat(guest.speed()).isEqualTo(3);
  }

  @Test
  void anEmptyPortShowsNothing() {
    XenHcdModel guest = new XenHcdModel(host.domain, UsbHost.DEVID, Driver.STOCK);
    host.port.offer();
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    assertThat(guest.speeds()).isEmpty();
    host.port.plugged(1, "it");
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(1);
    host.port.unplugged();
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(1, 0);
  }

  @Test
  void theSameDeviceAgainIsNoNews() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    host.port.plugged(2, "it");
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2);
  }

  @Test
  void anotherDeviceOfTheSameSpeedIsShownByAnEmptyPortInBetween() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    host.port.unplugged();
    host.port.plugged(2, "it");
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2, 0, 2);
    host.port.unplugged();
    host.port.plugged(2, "it");
    host.port.unplugged();
    host.port.plugged(3, "it");
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2, 0, 2, 0, 3);
  }

  /** More events than the ring of plug events has slots; the forms come back in time. */
  @Test
  void plugEventsNeverEnd() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    for (int i = 0; i < 700; i++) {
      host.port.unplugged();
      host.port.plugged(2, "it");
      host.settle(guest);
    }
    assertThat(guest.speeds()).hasSize(1401);
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void onlySpeedsOfUsbifAreTaken() {
    assertThatThrownBy(() -> host.port.plugged(4, "it"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("expected a speed of 1 to 3, found 4");
  }

  @ParameterizedTest
  @EnumSource
  void aResumedGuestKeepsItsDevice(Driver driver) {
    XenHcdModel guest = host.connected(driver);
    host.domain.suspend();
    host.domain.resume();
    guest.resume();
    host.settle(guest);
    assertThat(host.port.state()).as("new rings are known").isEqualTo(State.PREPARED);
    assertThat(host.disconnections).isEqualTo(1);
    host.port.offer();
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    assertThat(guest.speeds()).as("no unplug is shown").containsExactly(2);
    guest.submit(host.bulk(0x81, 512));
    host.settle(guest);
    assertThat(host.held).hasSize(1);
  }

  /**
   * The window between resume and new rings: Linux' driver puts requests on its old ring, where
   * nobody looks, and their ids are lost with them; one that waits loses nothing.
   */
  @ParameterizedTest
  @CsvSource({"STOCK, 0, 15", "FIXED, 1, 15"})
  void whatIsSubmittedInTheWindowNeedsADriverThatWaits(Driver driver, int served, int freeIds) {
    XenHcdModel guest = host.connected(driver);
    guest.resume();
    GuestUrb urb = guest.submit(host.bulk(0x81, 512));
    guest.poll();
    host.settle(guest);
    host.port.offer();
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    assertThat(host.held).hasSize(served);
    assertThat(guest.freeIds()).isEqualTo(freeIds);
    host.held.forEach(request -> host.answerIn(request, new byte[512]));
    host.settle(guest);
    assertThat(urb.timesGivenBack()).isEqualTo(served);
    assertThat(guest.freeIds()).isEqualTo(15 + served);
  }

  /** What was exchanged while the guest was not connected is shown all the same. */
  @Test
  void aDeviceThatChangedWhileTheGuestWasAwayIsShownAnew() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    guest.resume();
    host.settle(guest);
    host.port.unplugged();
    host.port.plugged(2, "it");
    host.port.offer();
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2, 0, 2);
  }

  @Test
  void aRestartedProcessShowsNothingNew() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    host.port.close(false);
    host.port = host.newPort();
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    assertThat(host.port.reattach(List.of(), new int[1])).isEmpty();
    host.port.plugged(2, "it");
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2);
    host.port.unplugged();
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2, 0);
  }

  /** Its guest would go on with the one as if it was the other. */
  @Test
  void aRestartedProcessShowsThatAnotherDeviceIsThere() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    host.port.close(false);
    host.port = host.newPort();
    host.port.plugged(2, "another");
    assertThat(host.port.reattach(List.of(), new int[1])).isEmpty();
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2, 0, 2);
    host.port.close(false);
    host.port = host.newPort();
    host.port.plugged(2, "another");
    assertThat(host.port.reattach(List.of(), new int[1])).isEmpty();
    host.settle(guest);
    assertThat(guest.speeds()).as("it is known").containsExactly(2, 0, 2);
  }

  @Test
  void whatCameAndWentUnseenIsNotUnpluggedAfterwards() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    host.port.unplugged();
    host.settle(guest);
    host.port.plugged(2, "unseen");
    host.port.unplugged();
    host.port.plugged(2, "it");
    host.settle(guest);
    assertThat(guest.speeds()).containsExactly(2, 0, 2);
  }

  @Test
  void aDetachedControllerIsGone() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    DeviceNodes.requestClose(host.store, host.address);
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.GONE);
    host.port.close(true);
    assertThat(host.node(host.address.frontendPath())).isEmpty();
    assertThat(host.store.directory("/local/domain/0/backend/netchannel-usb")).isEmpty();
  }

  @Test
  void aDestroyedDomainIsGoneAndNotAZombie() {
    XenHcdModel guest = host.connected(Driver.STOCK);
    guest.submit(host.bulk(0x81, 512));
    host.settle(guest);
    host.domain.destroy();
    host.store.remove("/local/domain/1");
    host.port.poll(host, 64);
    assertThat(host.port.state()).isEqualTo(State.GONE);
    assertThat(host.hypervisor.zombies()).isEmpty();
    UrbRequest late = host.next();
    assertThat(late.copyToGuest(ByteBuffer.allocateDirect(512), 512)).isFalse();
    late.respond(0, 512, 0, 0);
    late.release();
  }

  @ParameterizedTest(name = "{0} = {1}")
  @CsvSource({
    "state, 2, saw state INIT_WAIT at frontend",
    "urb-ring-ref, x, 'expected a number, found \"x\"'",
    "urb-ring-ref, 4711, 4711",
    "conn-ring-ref, -1, 'expected a number'",
    "conn-ring-ref, 4711, 4711",
    "event-channel, 4711, 4711",
  })
  void nonsenseNodesCloseTheDevice(String name, String value, String reason) {
    host.port.offer();
    try (XenStore guest = host.domain.xenStore()) {
      String frontend = host.address.frontendPath();
      for (String ring : List.of("urb-ring-ref", "conn-ring-ref")) {
        guest.write(
            frontend + "/" + ring,
            "" + host.domain.grantAccess(0, host.domain.allocatePage(), 0, false));
      }
      guest.write(frontend + "/event-channel", "" + host.domain.allocUnbound(0));
      guest.write(frontend + "/state", "4");
      guest.write(frontend + "/" + name, value);
    }
    host.port.poll(host, 64);
    assertThat(host.port.state()).isEqualTo(State.CLOSED);
    assertThat(host.node(host.address.errorPath() + "/error").orElseThrow()).contains(reason);
    host.domain.destroy();
    assertThat(host.hypervisor.zombies()).as("nothing stays mapped").isEmpty();
  }
}
