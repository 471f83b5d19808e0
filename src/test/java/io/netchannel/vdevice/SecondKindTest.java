package io.netchannel.vdevice;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/**
 * What disks share with others is not about disks: a device that adds one to a number, with a
 * second ring beside that of the requests, whose frontend goes from Initialising to Connected.
 */
final class SecondKindTest {
  private static final int SLOT_BYTES = 16;
  private static final int NUMBER = 8;

  private static final DeviceType TYPE =
      new DeviceType("vadder", "netchannel-adder", DeviceDetail.ALL);

  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final XenStore store = hypervisor.xenStore(0);
  private final GrantTable grants = hypervisor.grantTable(0);
  private final EventChannels events = hypervisor.eventChannels(0);
  private final EmbeddedDomain domain = domain();
  private final DeviceAddress address = TYPE.address(domain.domid(), 0, 0);
  private final List<Addition> taken = new ArrayList<>();
  private int connections;
  private int disconnections;

  private FrontRing ring;
  private GuestPages second;
  private int port;

  private EmbeddedDomain domain() {
    EmbeddedDomain created = hypervisor.createDomain();
    store.write("/local/domain/" + created.domid() + "/name", "guest");
    created.unpause();
    return created;
  }

  private XenbusBackend<Addition, TwoRings> backend() {
    return new XenbusBackend<>(
        address,
        new Adder(),
        store,
        grants,
        events,
        () -> {},
        GuestLog.of(LoggerFactory.getLogger(SecondKindTest.class), "guest", address));
  }

  private XenbusBackend<Addition, TwoRings> connected() {
    assertThat(
            DeviceNodes.publish(
                store, address, ImmutableMap.of("params", "adder:"), ImmutableMap.of("x", "y")))
        .isEqualTo(DeviceNodes.Outcome.PUBLISHED);
    XenbusBackend<Addition, TwoRings> backend = backend();
    backend.offer(nodes -> nodes.write(address.backendPath() + "/feature-add", "1"));
    newRings();
    backend.poll(handler, 8);
    assertThat(backend.state()).isEqualTo(State.CONNECTED);
    return backend;
  }

  /** The frontend makes rings and says Connected, whatever it said before. */
  private void newRings() {
    GuestPages page = domain.allocatePage();
    ring = new FrontRing(page.memory(), SLOT_BYTES);
    second = domain.allocatePage();
    port = domain.allocUnbound(0);
    try (XenStore guest = domain.xenStore()) {
      String frontend = address.frontendPath();
      guest.write(frontend + "/ring-ref", "" + domain.grantAccess(0, page, 0, false));
      guest.write(frontend + "/second-ref", "" + domain.grantAccess(0, second, 0, false));
      guest.write(frontend + "/event-channel", "" + port);
      guest.write(frontend + "/state", "4");
    }
  }

  private void put(int id, int number) {
    int slot = ring.requestOffset();
    ring.memory().putInt(slot, id).putInt(slot + NUMBER, number);
    ring.put();
    ring.push();
  }

  private String answer() {
    ByteBuffer response = ByteBuffer.allocate(SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(ring.responses()).isEqualTo(1);
    ring.take(response);
    return response.getInt(0) + ": " + response.getInt(NUMBER);
  }

  @Test
  void connectsWithoutInitialisedAndServes() {
    XenbusBackend<Addition, TwoRings> backend = connected();
    assertThat(address.frontendPath()).isEqualTo("/local/domain/1/device/vadder/0");
    assertThat(address.backendPath()).isEqualTo("/local/domain/0/backend/netchannel-adder/1/0");
    assertThat(store.read(address.backendPath() + "/feature-add")).contains("1");
    assertThat(store.read(address.backendPath() + "/state")).contains("4");
    assertThat(store.read(address.frontendPath() + "/x")).contains("y");
    assertThat(connections).isEqualTo(1);

    put(3, 41);
    backend.poll(handler, 8);
    assertThat(second.memory().getInt(0)).as("the second ring is mapped").isEqualTo(41);
    taken.get(0).respond();
    backend.publishResponses();
    assertThat(answer()).isEqualTo("3: 42");
  }

  @Test
  void aBadRequestIsAnsweredByItsFormat() {
    XenbusBackend<Addition, TwoRings> backend = connected();
    put(3, -1);
    backend.poll(handler, 8);
    backend.publishResponses();
    assertThat(taken).isEmpty();
    assertThat(answer()).isEqualTo("3: 0");
  }

  @Test
  void newRingsAreKnownThoughTheFrontendIsConnectedAllTheTime() {
    XenbusBackend<Addition, TwoRings> backend = connected();
    try (XenStore guest = domain.xenStore()) {
      guest.write(address.frontendPath() + "/state", "4");
    }
    backend.poll(handler, 8);
    assertThat(backend.state()).as("the same rings").isEqualTo(State.CONNECTED);

    newRings();
    backend.poll(handler, 8);
    assertThat(backend.state()).isEqualTo(State.PREPARED);
    assertThat(disconnections).isEqualTo(1);
    backend.offer(nodes -> {});
    backend.poll(handler, 8);
    assertThat(backend.state()).isEqualTo(State.CONNECTED);
    put(5, 6);
    backend.poll(handler, 8);
    taken.get(0).respond();
    backend.publishResponses();
    assertThat(answer()).isEqualTo("5: 7");
  }

  @Test
  void aRestartedProcessGoesOn() {
    XenbusBackend<Addition, TwoRings> before = connected();
    put(7, 8);
    before.poll(handler, 8);
    ByteBuffer encoded = ByteBuffer.allocate(64);
    taken.get(0).encode(encoded);
    int[] consumers = {before.requestConsumer(0)};
    before.close(false);

    XenbusBackend<Addition, TwoRings> after = backend();
    assertThat(after.state()).isEqualTo(State.CONNECTED);
    Addition again = after.reattach(List.of(encoded.flip()), consumers).get(0);
    again.respond();
    after.publishResponses();
    assertThat(answer()).isEqualTo("7: 9");
  }

  @Test
  void aRingThatIsRefusedLeavesNothingMapped() {
    DeviceNodes.publish(store, address, ImmutableMap.of(), ImmutableMap.of());
    XenbusBackend<Addition, TwoRings> backend = backend();
    backend.offer(nodes -> {});
    newRings();
    store.write(address.frontendPath() + "/second-ref", "4711");
    backend.poll(handler, 8);
    assertThat(backend.state()).isEqualTo(State.CLOSED);
    assertThat(store.read(address.errorPath() + "/error").orElseThrow()).contains("4711");
    domain.destroy();
    assertThat(hypervisor.zombies()).isEmpty();
  }

  @Test
  void kindsOfDevicesDoNotSeeEachOther() {
    DeviceAddress disk = VbdNodes.TYPE.address(domain.domid(), 51728, 0);
    VbdNodes.publish(store, disk, ImmutableMap.of(), VbdLimits.DEFAULT);
    XenbusBackend<Addition, TwoRings> backend = connected();
    assertThat(DeviceNodes.list(store, TYPE, 0)).containsExactly(address);
    assertThat(DeviceNodes.list(store, VbdNodes.TYPE, 0)).containsExactly(disk);
    assertThat(DeviceNodes.details(store, address)).containsExactly(Map.entry("params", "adder:"));
    backend.close(true);
    assertThat(DeviceNodes.list(store, TYPE, 0)).isEmpty();
    assertThat(DeviceNodes.list(store, VbdNodes.TYPE, 0)).containsExactly(disk);
    assertThat(store.exists(address.frontendPath())).isFalse();
  }

  private final VirtualDevice.Handler<Addition> handler =
      new VirtualDevice.Handler<>() {
        @Override
        public void onRequest(Addition request) {
          taken.add(request);
        }

        @Override
        public void onConnected() {
          connections++;
        }

        @Override
        public void onDisconnected() {
          disconnections++;
        }
      };

  /** What the frontend publishes. */
  private record TwoRings(ImmutableList<QueueNodes> queues) implements FrontendRings {
    @Override
    public int slotBytes() {
      return SLOT_BYTES;
    }

    @Override
    public String toString() {
      return queues.toString();
    }
  }

  private static final class Adder implements DeviceProtocol<Addition, TwoRings> {
    @Override
    public boolean wasOffered() {
      return true;
    }

    @Override
    public boolean skipsInitialised() {
      return true;
    }

    @Override
    public TwoRings readFrontend(XenStoreOperations store, String frontend)
        throws HandshakeException {
      return new TwoRings(
          ImmutableList.of(
              new QueueNodes(
                  ImmutableList.of(
                      ImmutableList.of(FrontendNodes.required(store, frontend, "ring-ref")),
                      ImmutableList.of(FrontendNodes.required(store, frontend, "second-ref"))),
                  FrontendNodes.required(store, frontend, "event-channel"))));
    }

    @Override
    public RequestRing<Addition> makeRing(TwoRings parameters, MappedQueue queue, BackRing ring) {
      return new RequestRing<>(queue, ring, new AdditionFormat(queue));
    }
  }

  private static final class AdditionFormat implements RequestFormat<Addition> {
    private final MappedQueue queue;
    private final ByteBuffer slot = ByteBuffer.allocate(SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    AdditionFormat(MappedQueue queue) {
      this.queue = queue;
    }

    @Override
    public Addition newRequest(RequestRing<Addition> ring, int place) {
      return new Addition(ring, place);
    }

    @Override
    public ByteBuffer slot() {
      return slot;
    }

    @Override
    public boolean parse(Addition request) {
      request.set(slot.getInt(0), slot.getInt(NUMBER));
      queue.memory(1).putInt(0, slot.getInt(NUMBER));
      if (slot.getInt(NUMBER) < 0) {
        request.respond();
        return false;
      }
      return true;
    }

    @Override
    public void decode(ByteBuffer encoded, Addition request) {
      request.decode(encoded);
    }
  }

  private static final class Addition extends TakenRequest {
    private int number;

    Addition(RequestRing<Addition> ring, int place) {
      super(ring, place);
    }

    void set(int id, int newNumber) {
      begin(id);
      number = newNumber;
    }

    void respond() {
      answer();
    }

    @Override
    protected void writeResponse(ByteBuffer memory, int slot) {
      memory.putInt(slot, (int) id()).putInt(slot + NUMBER, number + 1);
    }

    @Override
    public void encode(ByteBuffer target) {
      target.order(ByteOrder.LITTLE_ENDIAN);
      encodeHead(target, 1, number);
    }

    void decode(ByteBuffer encoded) {
      ByteBuffer in = view(encoded);
      set((int) encodedId(in), encodedOwn(in));
    }
  }
}
