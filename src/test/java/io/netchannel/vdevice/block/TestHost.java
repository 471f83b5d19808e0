package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.util.Optional;

/** A host with domain 0's view of it; everything runs on the test's thread, inside the calls. */
final class TestHost {
  static final int DEVID = 51728;

  final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  final XenStore store = hypervisor.xenStore(0);
  final GrantTable grants = hypervisor.grantTable(0);
  final EventChannels events = hypervisor.eventChannels(0);

  /** How often the backend was told that there may be something to do. */
  int wakes;

  /** A running domain with the nodes libxl makes for one, and no devices. */
  EmbeddedDomain domain() {
    EmbeddedDomain domain = hypervisor.createDomain();
    String home = "/local/domain/" + domain.domid();
    store.write(home + "/name", "guest");
    domain.unpause();
    return domain;
  }

  DeviceAddress address(EmbeddedDomain domain) {
    return VbdNodes.TYPE.address(domain.domid(), DEVID, 0);
  }

  /** Publishes a disk for {@code domain}. */
  DeviceAddress publish(EmbeddedDomain domain, VbdLimits limits) {
    DeviceAddress address = address(domain);
    VbdNodes.publish(
        store,
        address,
        ImmutableMap.of(DeviceDetail.PARAMS, "file:/dev/vdb", VbdNodes.Detail.MODE, "w"),
        limits);
    return address;
  }

  Vbd vbd(DeviceAddress address, VbdLimits limits) {
    return new Vbd(address, "guest", store, grants, events, limits, () -> wakes++);
  }

  Optional<String> node(String path) {
    return store.read(path);
  }

  XenbusState backendState(DeviceAddress address) {
    return state(address.backendPath());
  }

  XenbusState frontendState(DeviceAddress address) {
    return state(address.frontendPath());
  }

  private XenbusState state(String end) {
    return node(end + "/state").map(XenbusState::parse).orElse(XenbusState.UNKNOWN);
  }

  Blkfront blkfront(EmbeddedDomain domain, BlkfrontOptions options) {
    return new Blkfront(domain, DEVID, options, () -> {});
  }
}
