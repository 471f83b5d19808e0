package io.netchannel.vdevice.usb;

import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * A host with one guest and its USB port, which holds what it takes until it is told what becomes
 * of it; everything runs on the test's thread, inside the calls.
 */
final class UsbHost implements VirtualDevice.Handler<UrbRequest> {
  static final int DEVID = 0;
  static final int OK = 0;
  static final int EPIPE = 32;
  static final int EPROTO = 71;
  static final int ECONNRESET = 104;

  final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  final XenStore store = hypervisor.xenStore(0);
  final GrantTable grants = hypervisor.grantTable(0);
  final EventChannels events = hypervisor.eventChannels(0);
  final EmbeddedDomain domain = hypervisor.createDomain();
  final DeviceAddress address = UsbNodes.TYPE.address(domain.domid(), DEVID, 0);
  final ByteBuffer buffer = ByteBuffer.allocateDirect(UrbRequest.MAX_DATA_BYTES);

  /** Taken and not answered. */
  final List<UrbRequest> held = new ArrayList<>();

  int connections;
  int disconnections;
  UsbPort port;

  UsbHost() {
    this(Optional.empty());
  }

  /** Where a guest arrives that has suspended elsewhere. */
  UsbHost(UsbHost other) {
    this(Optional.of(other.domain));
  }

  private UsbHost(Optional<EmbeddedDomain> suspended) {
    suspended.ifPresent(domain::restore);
    store.write("/local/domain/" + domain.domid() + "/name", "guest");
    domain.unpause();
    UsbNodes.publish(store, address, ImmutableMap.of(DeviceDetail.PARAMS, "usb:3-1.2"));
    port = newPort();
  }

  UsbPort newPort() {
    return new UsbPort(
        address, "guest", store, grants, events, hypervisor.foreignMemory(), () -> {});
  }

  /** A guest whose driver has found its controller and a device of full speed in it. */
  XenHcdModel connected(Driver driver) {
    XenHcdModel guest = new XenHcdModel(domain, DEVID, driver);
    port.offer();
    port.plugged(2, "it");
    settle(guest);
    return guest;
  }

  /** Lets both ends run until neither has anything to do; nothing is answered. */
  void settle(XenHcdModel guest) {
    int work;
    do {
      work = port.poll(this, 64);
      port.publishResponses();
      work += guest.poll();
    } while (work > 0);
  }

  @Override
  public void onRequest(UrbRequest request) {
    if (request.isUnlink() && request.unlinked().isEmpty()) {
      request.respond(OK, 0, 0, 0);
      request.release();
    } else {
      held.add(request);
    }
  }

  @Override
  public void onConnected() {
    connections++;
  }

  @Override
  public void onDisconnected() {
    disconnections++;
  }

  /** Takes the oldest request that is not answered. */
  UrbRequest next() {
    return held.remove(0);
  }

  /** Answers a request, with the unlink that waits for it, and lets the guest see it. */
  void answer(UrbRequest request, int errno, int actualBytes) {
    Optional<UrbRequest> unlink = request.unlink();
    request.respond(errno, actualBytes, 0, 0);
    unlink.ifPresent(
        waiting -> {
          waiting.respond(OK, 0, 0, 0);
          held.remove(waiting);
          waiting.release();
        });
    request.release();
    port.publishResponses();
  }

  /** Answers an IN with this. */
  void answerIn(UrbRequest request, byte[] bytes) {
    buffer.put(0, bytes);
    answer(request, request.copyToGuest(buffer, bytes.length) ? OK : EPROTO, bytes.length);
  }

  /** An OUT's data. */
  byte[] outBytes(UrbRequest request) {
    if (!request.copyFromGuest(buffer)) {
      throw new IllegalStateException("a grant was refused: " + request);
    }
    byte[] bytes = new byte[request.lengthBytes()];
    buffer.get(0, bytes);
    return bytes;
  }

  GuestUrb bulk(int endpoint, int lengthBytes) {
    return GuestUrb.of(domain, PipeType.BULK, endpoint, lengthBytes, 0);
  }

  Optional<String> node(String path) {
    return store.read(path);
  }

  XenbusState backendState() {
    return state(address.backendPath());
  }

  XenbusState frontendState() {
    return state(address.frontendPath());
  }

  private XenbusState state(String end) {
    return node(end + "/state").map(XenbusState::parse).orElse(XenbusState.UNKNOWN);
  }

  static byte[] bytes(int count, int seed) {
    byte[] bytes = new byte[count];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }
}
