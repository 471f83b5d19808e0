package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.midpoint.InflightTables;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.UsbNodes;
import io.netchannel.vdevice.usb.UsbPort;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A host with a guest that has a USB port, and the daemon that serves it, which can die and be
 * started again; all runs on the test's thread.
 */
final class UsbGuest {
  /** The daemon is dead. */
  static final class Killed extends Error {
    private static final long serialVersionUID = 1L;
  }

  static final int BULK_IN = 0x81;
  static final int BULK_OUT = 0x02;
  private static final int DEVID = 0;
  private static final MidPointId ID = new MidPointId("guest", new UUID(0, 1), 1, "usb0");

  final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  final XenStore store = hypervisor.xenStore(0);
  final EmbeddedDomain domain = hypervisor.createDomain();
  final DeviceAddress address = UsbNodes.TYPE.address(domain.domid(), DEVID, 0);
  final Gadget gadget;
  final XenHcdModel driver;
  private BufferBudget buffers;
  private boolean woken;
  private final ByteBuffer inflight =
      InflightTables.memory(UsbMidPoint.INFLIGHT, UsbMidPoint.LIMITS);

  /** Of what is plugged when a daemon comes again. */
  int pluggedClass = 0xff;

  /** As they were reached by the guest here. */
  final List<String> milestones = new ArrayList<>();

  long nanos;
  int storesToLive;

  /** Whether a daemon that comes again finds that the guest is asked to suspend. */
  boolean suspending;

  ScriptedUsbDevice device;
  UsbPort port;
  UsbMidPoint midPoint;

  UsbGuest() {
    this(new BufferBudget(BufferBudget.UNIT_BYTES), XenHcdModel.Driver.STOCK);
  }

  UsbGuest(BufferBudget buffers, XenHcdModel.Driver kind) {
    this.buffers = buffers;
    gadget = new Gadget();
    create();
    driver = new XenHcdModel(domain, DEVID, kind);
    device = ScriptedUsbDevice.plugged(gadget, pluggedClass);
    start();
  }

  /**
   * Another host, where the guest that has suspended at the one before is to go on: with its
   * device, which stays where it is. Its driver has to be told ({@link #resumed}).
   */
  UsbGuest(UsbGuest before) {
    buffers = new BufferBudget(BufferBudget.UNIT_BYTES);
    gadget = before.gadget;
    driver = before.driver;
    pluggedClass = before.pluggedClass;
    nanos = before.nanos;
    domain.restore(before.domain);
    create();
    device = ScriptedUsbDevice.plugged(gadget, pluggedClass);
    start();
  }

  private void create() {
    store.write("/local/domain/" + domain.domid() + "/name", "guest");
    domain.unpause();
    UsbNodes.publish(store, address, ImmutableMap.of(DeviceDetail.PARAMS, "usb:3-1.2"));
  }

  private void start() {
    port =
        new UsbPort(
            address,
            "guest",
            store,
            hypervisor.grantTable(0),
            hypervisor.eventChannels(0),
            hypervisor.foreignMemory(),
            () -> woken = true);
    midPoint =
        new UsbMidPoint(
            ID,
            port,
            InflightTables.over(UsbMidPoint.INFLIGHT, inflight, this::onStore),
            buffers,
            MidPointTrace.off(),
            () -> nanos,
            () -> woken = true,
            milestones::add);
    if (suspending) {
      midPoint.suspending(true);
    }
  }

  private void onStore() {
    if (storesToLive > 0 && --storesToLive == 0) {
      throw new Killed();
    }
  }

  /** Serves it, and lets its driver find the device. */
  UsbGuest served() {
    await(midPoint.serve(device, 1));
    settle();
    assertThat(driver.isConnected()).isTrue();
    return this;
  }

  /** The guest goes on here; what its drivers submit is on its old ring until it has connected. */
  UsbGuest resumed() {
    driver.resume(domain);
    return this;
  }

  /** The guest freezes and suspends; what it has at the device is unlinked. */
  void suspend() {
    midPoint.suspending(true);
    settle();
    driver.freeze();
    for (int round = 0; driver.outstanding() > 0; round++) {
      assertThat(round).as("rounds of a freeze").isLessThan(1_000);
      settle();
      device.endUnlinked();
      device.resets.forEach(reset -> reset.complete(UrbStatus.OK));
      nanos += TimeUnit.MILLISECONDS.toNanos(20);
    }
    settle();
    domain.suspend();
  }

  UsbManifest seal() {
    return await(midPoint.seal(Duration.ofSeconds(1)));
  }

  /** The manifest as it travels. */
  static UsbManifest sent(UsbManifest manifest) {
    return UsbManifest.decode(manifest.encode());
  }

  /** Suspends, is sealed, and is taken over elsewhere; the driver has not been told. */
  UsbGuest moved() {
    suspend();
    UsbManifest manifest = sent(seal());
    UsbGuest next = new UsbGuest(this);
    next.await(next.midPoint.takeOver(next.device, 2, manifest));
    await(midPoint.retire());
    return next;
  }

  /** kill -9 now, where it was not killed before, and a new daemon. */
  void restart() {
    restart(0);
  }

  /**
   * Likewise.
   *
   * @param nextStoresToLive that one is killed at one of its stores; 0 for not at all
   */
  void restart(int nextStoresToLive) {
    restart(nextStoresToLive, 1, false);
  }

  /** Likewise. */
  void restart(int nextStoresToLive, long generation, boolean wasSealed) {
    storesToLive = nextStoresToLive;
    port.close(false);
    buffers = new BufferBudget(BufferBudget.UNIT_BYTES); // what the dead one had is nobody's
    device = ScriptedUsbDevice.plugged(gadget, pluggedClass);
    start();
    await(midPoint.recover(device, generation, wasSealed));
  }

  <T> T await(CompletableFuture<T> command) {
    for (int i = 0; i < 20 && !command.isDone(); i++) {
      midPoint.doWork();
    }
    assertThat(command).isDone();
    return command.join();
  }

  /** Until neither end has anything to do; the device does nothing. */
  void settle() {
    int work;
    do {
      woken = false;
      work = midPoint.doWork() + driver.poll();
    } while (work > 0 || woken);
  }

  GuestUrb in(int lengthBytes) {
    return driver.submit(GuestUrb.of(domain, PipeType.BULK, BULK_IN, lengthBytes, 0));
  }

  GuestUrb out(byte[] content) {
    return driver.submit(
        GuestUrb.of(domain, PipeType.BULK, BULK_OUT, content.length, 100).fill(content));
  }

  GuestUrb setAddress(int address, int from) {
    return driver.submit(
        GuestUrb.control(domain, GuestUrb.setup(0, 5, address, 0, 0)).address(from));
  }
}
