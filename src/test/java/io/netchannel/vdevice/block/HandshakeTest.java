package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Frontend and backend find each other, lose each other, and find each other again. */
final class HandshakeTest {
  private final TestHost host = new TestHost();
  private final EmbeddedDomain domain = host.domain();
  private final DeviceAddress address = host.publish(domain, VbdLimits.DEFAULT);
  private final MemoryDisk disk = new MemoryDisk(1 << 20);
  private final Vbd vbd = host.vbd(address, VbdLimits.DEFAULT);

  private Blkfront connected() {
    Blkfront front = host.blkfront(domain, BlkfrontOptions.DEFAULT);
    vbd.offer(disk.geometry());
    settle(front);
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
    return front;
  }

  /** Lets both ends run until neither has anything to do. */
  private void settle(Blkfront front) {
    int work;
    do {
      work = vbd.poll(disk, 64) + disk.answerAll();
      vbd.publishResponses();
      work += front.poll();
    } while (work > 0);
  }

  private String backend(String name) {
    return host.node(address.backendPath() + "/" + name).orElse("(missing)");
  }

  @Test
  void connectsAsBlkbackDoes() {
    Blkfront front = host.blkfront(domain, BlkfrontOptions.DEFAULT);
    settle(front);
    assertThat(vbd.state()).isEqualTo(State.PREPARED);
    assertThat(host.frontendState(address)).isEqualTo(XenbusState.INITIALISING);
    assertThat(backend("multi-queue-max-queues")).isEqualTo("4");
    assertThat(backend("max-ring-page-order")).isEqualTo("4");
    assertThat(backend("feature-max-indirect-segments")).isEqualTo("256");

    vbd.offer(disk.geometry());
    assertThat(vbd.state()).isEqualTo(State.OFFERED);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.INIT_WAIT);
    settle(front);

    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
    assertThat(disk.connections).isEqualTo(1);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CONNECTED);
    assertThat(host.frontendState(address)).isEqualTo(XenbusState.CONNECTED);
    assertThat(front.sizeBytes()).isEqualTo(1 << 20);
    assertThat(backend("sectors")).isEqualTo("2048");
    assertThat(backend("sector-size")).isEqualTo("512");
    assertThat(backend("physical-sector-size")).isEqualTo("4096");
    assertThat(backend("info")).isEqualTo("0");
    assertThat(backend("feature-flush-cache")).isEqualTo("1");
    assertThat(backend("feature-barrier")).isEqualTo("1");
    assertThat(backend("feature-discard")).isEqualTo("1");
    assertThat(backend("discard-granularity")).isEqualTo("4096");
    assertThat(backend("feature-persistent")).isEqualTo("0");
    assertThat(vbd.poll(disk, 64)).isZero();
  }

  @Test
  void aReadOnlyDiskWithoutFlushOrDiscardSaysSo() {
    Blkfront front = host.blkfront(domain, BlkfrontOptions.DEFAULT);
    vbd.offer(new BlockGeometry(8192, 4096, 4096, true, false, 0));
    settle(front);
    assertThat(front.isReadOnly()).isTrue();
    assertThat(backend("sectors")).isEqualTo("16");
    assertThat(backend("sector-size")).isEqualTo("4096");
    assertThat(backend("feature-flush-cache")).isEqualTo("0");
    assertThat(backend("feature-barrier")).isEqualTo("0");
    assertThat(backend("feature-discard")).isEqualTo("0");
  }

  @Test
  void aDiskIsOfferedOnlyWhilePrepared() {
    connected();
    assertThatThrownBy(() -> vbd.offer(disk.geometry()))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("guest guest (domain 1), vbd 51728 is CONNECTED");
  }

  @Test
  void watchesOnlyWake() {
    Blkfront front = connected();
    int before = host.wakes;
    front.shutDown();
    assertThat(host.wakes).isGreaterThan(before);
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CONNECTED);
  }

  @Test
  void closingWaitsForTheFrontendBeforeItCloses() {
    Blkfront front = connected();
    List<ByteBuffer> answered = new ArrayList<>();
    front.read(0, 512, io -> answered.add(io.data()));
    front.poll();
    front.shutDown();

    vbd.poll(disk, 64);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CLOSING);
    assertThat(vbd.state())
        .as("the rings stay while the frontend closes")
        .isEqualTo(State.CONNECTED);
    disk.answerAll();
    vbd.publishResponses();
    assertThat(front.poll()).isPositive();
    assertThat(host.frontendState(address)).isEqualTo(XenbusState.CLOSED);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CLOSING);

    vbd.poll(disk, 64);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CLOSED);
    assertThat(vbd.state()).isEqualTo(State.CLOSED);
    assertThat(disk.disconnections).isEqualTo(1);
    settle(front);
    assertThat(domain.activeGrants()).isZero();
  }

  @Test
  void aModuleReloadConnectsAgain() {
    Blkfront front = connected();
    front.shutDown();
    settle(front);
    front.reload();
    settle(front);
    assertThat(vbd.state()).isEqualTo(State.PREPARED);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.INITIALISING);
    vbd.offer(disk.geometry());
    settle(front);
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
    List<String> done = new ArrayList<>();
    front.read(0, 4096, io -> done.add(io.toString() + io.hasFailed()));
    settle(front);
    assertThat(done).containsExactly("READ of 4096 bytes at 0false");
  }

  @Test
  void aDetachedDiskIsGoneWhenTheFrontendHasClosed() {
    Blkfront front = connected();
    DeviceNodes.requestClose(host.store, address);
    settle(front);
    assertThat(vbd.state()).isEqualTo(State.GONE);
    vbd.close(true);
    assertThat(host.store.directory("/local/domain/0/backend/netchannel")).isEmpty();
    assertThat(host.node(address.frontendPath())).isEmpty();
    settle(front);
    assertThat(domain.activeGrants()).isZero();
  }

  @Test
  void reconnectsWhenTheSameDomainResumesWithNewRings() {
    Blkfront front = connected();
    List<String> done = new ArrayList<>();
    front.write(0, ByteBuffer.wrap(new byte[4096]), io -> done.add("write"));
    front.poll();
    vbd.poll(disk, 64);
    BlockRequest old = disk.held.get(0);

    front.suspend();
    domain.suspend();
    domain.resume();
    front.resume(domain);
    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.PREPARED);
    assertThat(disk.disconnections).isEqualTo(1);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.INITIALISING);
    assertThat(old.copyFromGuest(ByteBuffer.allocateDirect(4096)))
        .as("nothing is copied from a connection that ended")
        .isFalse();
    old.respond(ResponseStatus.OKAY);
    assertThat(old.seen()).isFalse();
    old.release();
    disk.held.clear();

    vbd.offer(disk.geometry());
    settle(front);
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
    assertThat(done).as("submitted again").containsExactly("write");
    assertThat(front.failure()).isEmpty();
  }

  @Test
  void aDestroyedDomainIsGoneAndNotAZombie() {
    Blkfront front = connected();
    front.read(0, 512, io -> {});
    front.poll();
    vbd.poll(disk, 64);
    domain.destroy();
    host.store.remove("/local/domain/" + domain.domid());
    assertThat(host.hypervisor.zombies()).containsExactly(domain.domid());

    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.GONE);
    assertThat(disk.disconnections).isEqualTo(1);
    assertThat(host.hypervisor.zombies()).isEmpty();
    assertThat(disk.held.get(0).copyToGuest(ByteBuffer.allocateDirect(512))).isFalse();
    disk.answerAll();
    vbd.close(false);
    assertThat(host.store.directory("/local/domain/0/backend/netchannel")).isEmpty();
  }

  /** The nodes vanish after the frontend has written so many of them. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5})
  void aFrontendThatDiesHalfWayIsGone(int written) {
    vbd.offer(disk.geometry());
    List<Map.Entry<String, String>> nodes =
        List.of(
            Map.entry("ring-ref", "8"),
            Map.entry("event-channel", "1"),
            Map.entry("protocol", "x86_64-abi"),
            Map.entry("feature-persistent", "1"),
            Map.entry("state", "3"));
    try (XenStore guest = domain.xenStore()) {
      nodes
          .subList(0, written)
          .forEach(
              node -> guest.write(address.frontendPath() + "/" + node.getKey(), node.getValue()));
    }
    host.store.remove(address.frontendPath());
    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.GONE);
    vbd.close(false);
    assertThat(host.store.directory("/local/domain/0/backend/netchannel")).isEmpty();
    assertThat(host.store.directory("/local/domain/0/error/backend/netchannel")).isEmpty();
  }

  @Test
  void anOfferToADomainThatHasGoneIsGone() {
    DeviceNodes.remove(host.store, address);
    vbd.offer(disk.geometry());
    assertThat(vbd.state()).isEqualTo(State.GONE);
    assertThat(host.node(address.backendPath())).isEmpty();
  }

  @ParameterizedTest(name = "{0} = {1}")
  @CsvSource({
    "state, 2, saw state INIT_WAIT at frontend",
    "state, 7, saw state RECONFIGURING at frontend",
    "state, four, saw state UNKNOWN at frontend",
    "protocol, sparc-abi, unknown fe protocol \"sparc-abi\"",
    "multi-queue-num-queues, 0, 'guest requested 0 queues, exceeding the maximum of 4'",
    "multi-queue-num-queues, 4294967295,"
        + " 'guest requested 4294967295 queues, exceeding the maximum of 4'",
    "multi-queue-num-queues, many, 'expected a number, found \"many\"'",
    "multi-queue-num-queues, 2, /queue-0/event-channel",
    "ring-page-order, 5, requested ring page order 5 exceed max:4",
    "ring-page-order, 4294967295, requested ring page order 4294967295 exceed max:4",
    "ring-page-order, 1, /ring-ref0",
    "ring-ref, -1, 'expected a number, found \"-1\"'",
    "ring-ref, 99999999999, 'expected a number'",
    "ring-ref, 77, grant 77",
    "event-channel, x, 'expected a number'",
    "event-channel, 4711, 4711",
  })
  void nonsenseNodesCloseTheDevice(String name, String value, String reason) {
    vbd.offer(disk.geometry());
    try (XenStore guest = domain.xenStore()) {
      String frontend = address.frontendPath();
      int port = domain.allocUnbound(0);
      guest.write(
          frontend + "/ring-ref",
          Integer.toString(domain.grantAccess(0, domain.allocatePage(), 0, false)));
      guest.write(frontend + "/event-channel", Integer.toString(port));
      guest.write(frontend + "/state", "3");
      guest.write(frontend + "/" + name, value);
    }
    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.CLOSED);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CLOSING);
    assertThat(host.node("/local/domain/0/error/backend/netchannel/1/51728/error").orElseThrow())
        .startsWith("22 ")
        .contains(reason);
    assertThat(disk.connections).isZero();
    host.hypervisor.domain(1).destroy();
    assertThat(host.hypervisor.zombies()).as("nothing stays mapped").isEmpty();
  }

  @Test
  void aFrontendThatWroteNonsenseMayCloseAndStartAgain() {
    vbd.offer(disk.geometry());
    host.store.write(address.frontendPath() + "/state", "8");
    vbd.poll(disk, 64);
    host.store.write(address.frontendPath() + "/state", "1");
    vbd.poll(disk, 64);
    assertThat(vbd.state()).as("not before it has closed").isEqualTo(State.CLOSED);
    host.store.write(address.frontendPath() + "/state", "6");
    vbd.poll(disk, 64);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CLOSED);
    host.store.write(address.frontendPath() + "/state", "1");
    vbd.poll(disk, 64);
    assertThat(vbd.state()).isEqualTo(State.PREPARED);
    connected();
  }
}
