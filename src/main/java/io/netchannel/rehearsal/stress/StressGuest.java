package io.netchannel.rehearsal.stress;

import io.netchannel.rehearsal.Await;
import io.netchannel.vdevice.block.ResponseStatus;
import io.netchannel.vdevice.block.RingLayout;
import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.function.Consumer;

/**
 * A guest that always has the same number of 1 MiB requests on its ring, three reads for each
 * write, one after the other over the disk. All of them use the same few pages, which a guest may
 * do; its mark is in what it writes and must be in what it reads.
 */
final class StressGuest {
  /** Slots of a ring of one page. */
  static final int MAX_DEPTH = 32;

  private static final Duration BOUND = Duration.ofSeconds(30);
  private static final int REQUEST_BYTES = 1 << 20;
  private static final int SEGMENTS = REQUEST_BYTES / GrantTable.PAGE_BYTES;
  private static final int LAST_SECTOR = GrantTable.PAGE_BYTES / RingLayout.SECTOR_BYTES - 1;
  private static final int REQUEST_SECTORS = REQUEST_BYTES / RingLayout.SECTOR_BYTES;
  private static final int DATA_PAGES = 4;
  private static final int WRITE_EACH = 4;
  private static final long NEVER = 0;

  private final RingLayout layout = RingLayout.X86_64;
  private final ByteBuffer response =
      ByteBuffer.allocate(layout.slotBytes()).order(ByteOrder.LITTLE_ENDIAN);
  private final EmbeddedDomain domain;
  private final long mark;
  private final int depth;
  private final Consumer<String> violations;
  private final FrontRing ring;
  private final int port;
  private final int handle;
  private final GuestPages readPages;
  private final int readSegments;
  private final int writeSegments;

  // Guarded by this.
  private boolean sending;
  private int outstanding;
  private long sent;
  private long completed;

  /**
   * Connects to its disk.
   *
   * @param mark of its data, its own; not 0
   */
  StressGuest(EmbeddedDomain domain, int devid, long mark, int depth, Consumer<String> violations) {
    this.domain = domain;
    this.mark = mark;
    this.depth = depth;
    this.violations = violations;
    handle = devid;
    GuestPages ringPages = domain.allocatePage();
    ring = new FrontRing(ringPages.memory(), layout.slotBytes());
    readPages = domain.allocatePages(DATA_PAGES);
    GuestPages writePages = domain.allocatePages(DATA_PAGES);
    ByteBuffer written = writePages.memory().duplicate().order(ByteOrder.BIG_ENDIAN);
    while (written.hasRemaining()) {
      written.putLong(mark);
    }
    readSegments = segments(domain.grantAccess(0, readPages, false));
    writeSegments = segments(domain.grantAccess(0, writePages, true));
    port = domain.allocUnbound(0);
    domain.onEvent(port, this::interrupt);
    connect(domain.grantAccess(0, ringPages, 0, false));
  }

  /** A page that names the data pages again and again, as one request's segments. */
  private int segments(int[] references) {
    GuestPages indirect = domain.allocatePage();
    for (int i = 0; i < SEGMENTS; i++) {
      RingLayout.writeSegment(
          indirect.memory(),
          i * RingLayout.SEGMENT_BYTES,
          references[i % references.length],
          0,
          LAST_SECTOR);
    }
    return domain.grantAccess(0, indirect, 0, true);
  }

  private void connect(int ringReference) {
    String frontend = "/local/domain/%d/device/vbd/%d".formatted(domain.domid(), handle);
    try (XenStore store = domain.xenStore()) {
      Await.until("the nodes of a disk", BOUND, () -> store.exists(frontend + "/backend"));
      String backend = store.read(frontend + "/backend").orElseThrow();
      Await.until("a backend", BOUND, () -> isInState(store, backend, "2"));
      store.write(frontend + "/ring-ref", Integer.toString(ringReference));
      store.write(frontend + "/event-channel", Integer.toString(port));
      store.write(frontend + "/protocol", layout.protocol());
      store.write(frontend + "/state", "3");
      Await.until("a disk to connect", BOUND, () -> isInState(store, backend, "4"));
      store.write(frontend + "/state", "4");
    }
  }

  private static boolean isInState(XenStore store, String path, String state) {
    return store.read(path + "/state").filter(state::equals).isPresent();
  }

  synchronized void start() {
    sending = true;
    fill();
  }

  /** Sends no more; what is outstanding is still waited for. */
  synchronized void stop() {
    sending = false;
  }

  synchronized long completed() {
    return completed;
  }

  synchronized int outstanding() {
    return outstanding;
  }

  private synchronized void interrupt() {
    do {
      int waiting = ring.responses();
      for (; waiting > 0; waiting--) {
        ring.take(response);
        complete();
      }
    } while (ring.finalCheckForResponses());
    fill();
  }

  private void complete() {
    outstanding--;
    completed++;
    if (RingLayout.responseStatus(response) != ResponseStatus.OKAY.code()) {
      violations.accept(
          "guest %d: a request failed with status %d"
              .formatted(mark, RingLayout.responseStatus(response)));
    }
    for (int page = 0; page < DATA_PAGES; page++) {
      long found = Long.reverseBytes(readPages.memory().getLong(page * GrantTable.PAGE_BYTES));
      if (found != mark && found != NEVER) {
        violations.accept("guest %d has read what is guest %x's".formatted(mark, found));
      }
    }
  }

  private void fill() {
    boolean put = false;
    while (sending && outstanding < depth) {
      boolean write = sent % WRITE_EACH == WRITE_EACH - 1;
      long sector = sent % (StressDevices.DISK_BYTES / REQUEST_BYTES) * REQUEST_SECTORS;
      layout.writeIndirect(
          ring.memory(),
          ring.requestOffset(),
          write ? Wire.WRITE : Wire.READ,
          SEGMENTS,
          handle,
          sent,
          sector,
          write ? writeSegments : readSegments);
      ring.put();
      sent++;
      outstanding++;
      put = true;
    }
    if (put && ring.push()) {
      domain.notify(port);
    }
  }
}
