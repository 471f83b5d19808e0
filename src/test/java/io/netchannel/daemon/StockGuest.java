package io.netchannel.daemon;

import io.netchannel.vdevice.SharedRing;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A disk as libxl makes it for blkback or qdisk, its frontend, and a backend that answers when it
 * is told to.
 */
final class StockGuest implements AutoCloseable {
  private static final int BLOCK_BYTES = 4096;

  private static final long CONNECT_NANOS = TimeUnit.SECONDS.toNanos(20);

  /** Sectors of the disk. */
  private static final long SECTORS = 1 << 20;

  final String frontend;
  final String backend;
  private final XenStore store;
  private final GrantTable grants;
  private final EmbeddedDomain domain;
  private final int devid;
  private final List<GrantTable.Mapping> backendsRings = new ArrayList<>();
  private Blkfront blkfront;

  /**
   * Makes the nodes.
   *
   * @param type "vbd", "qdisk"
   * @param backendDomid 0, or a driver domain
   */
  StockGuest(
      EmbeddedHypervisor hypervisor,
      EmbeddedDomain domain,
      String target,
      String type,
      int backendDomid) {
    this.domain = domain;
    store = hypervisor.xenStore(0);
    grants = hypervisor.grantTable(0);
    devid = DiskName.devid(target);
    frontend = "/local/domain/%d/device/vbd/%d".formatted(domain.domid(), devid);
    backend =
        "/local/domain/%d/backend/%s/%d/%d".formatted(backendDomid, type, domain.domid(), devid);
    store.transaction(
        nodes -> {
          nodes.mkdir(frontend);
          nodes.setPermissions(
              frontend,
              List.of(
                  new XenStorePermission(domain.domid(), Access.NONE),
                  new XenStorePermission(0, Access.READ)));
          nodes.write(frontend + "/backend", backend);
          nodes.write(frontend + "/backend-id", Integer.toString(backendDomid));
          nodes.write(frontend + "/state", XenbusState.INITIALISING.text());
          nodes.mkdir(backend);
          nodes.setPermissions(
              backend,
              List.of(
                  new XenStorePermission(0, Access.NONE),
                  new XenStorePermission(domain.domid(), Access.READ)));
          nodes.write(backend + "/dev", target);
          nodes.write(backend + "/state", XenbusState.INIT_WAIT.text());
          return true;
        });
  }

  /** The guest's driver and the backend connect. */
  StockGuest connect(BlkfrontOptions options) {
    store.write(backend + "/max-ring-page-order", "4");
    store.write(backend + "/multi-queue-max-queues", "8");
    blkfront = new Blkfront(domain, devid, options.withMerge(false), () -> {});
    blkfront.poll();
    store.write(backend + "/sectors", Long.toString(SECTORS));
    store.write(backend + "/state", XenbusState.CONNECTED.text());
    long deadline = System.nanoTime() + CONNECT_NANOS;
    do {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("the frontend is " + blkfront.connection());
      }
      blkfront.poll(); // it may be told on another thread that the backend is there
    } while (blkfront.connection() != Blkfront.Connection.CONNECTED);
    for (int queue = 0; queue < blkfront.queues(); queue++) {
      int[] first = {Integer.parseInt(store.read(ringNode(queue)).orElseThrow())};
      backendsRings.add(grants.map(domain.domid(), first));
    }
    return this;
  }

  private String ringNode(int queue) {
    String directory = blkfront.queues() == 1 ? frontend : frontend + "/queue-" + queue;
    return directory + (store.exists(directory + "/ring-ref") ? "/ring-ref" : "/ring-ref0");
  }

  /** Puts requests on the rings. */
  void request(int count) {
    for (int i = 0; i < count; i++) {
      blkfront.write((long) i * BLOCK_BYTES, ByteBuffer.allocate(BLOCK_BYTES), done -> {});
    }
    blkfront.poll();
    if (blkfront.onRings() < count) {
      throw new AssertionError("only %d requests on the rings".formatted(blkfront.onRings()));
    }
  }

  /** The backend answers one request of each ring that has one. */
  void answerOne() {
    for (GrantTable.Mapping ring : backendsRings) {
      ByteBuffer memory = ring.memory();
      int answered = SharedRing.readIndex(memory, SharedRing.RSP_PROD_OFFSET);
      if (answered != SharedRing.readIndex(memory, SharedRing.REQ_PROD_OFFSET)) {
        SharedRing.writeIndex(memory, SharedRing.RSP_PROD_OFFSET, answered + 1);
      }
    }
  }

  void answerAll() {
    for (GrantTable.Mapping ring : backendsRings) {
      ByteBuffer memory = ring.memory();
      int requested = SharedRing.readIndex(memory, SharedRing.REQ_PROD_OFFSET);
      SharedRing.writeIndex(memory, SharedRing.RSP_PROD_OFFSET, requested);
    }
  }

  /** The guest writes an index of its first ring as it likes. */
  void index(int offset, int value) {
    SharedRing.writeIndex(backendsRings.get(0).memory(), offset, value);
  }

  int index(int offset) {
    return SharedRing.readIndex(backendsRings.get(0).memory(), offset);
  }

  int slots() {
    return blkfront.ringSize();
  }

  /** The backend lets go of the rings. */
  @Override
  public void close() {
    backendsRings.forEach(GrantTable.Mapping::close);
  }
}
