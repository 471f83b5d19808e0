package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.xen.XenException;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Rings as frontends publish them, old and new ways. */
final class StockRingsTest {
  private final TestHost host = new TestHost();
  private final EmbeddedDomain domain = host.domain();
  private final String frontend = host.address(domain).frontendPath();
  private final List<GuestPages> rings = new ArrayList<>();

  /** A ring with {@code unanswered} requests, readable for us or writable. */
  private int ring(int pages, int unanswered, boolean readOnly) {
    GuestPages ring = domain.allocatePages(pages);
    SharedRing.writeIndex(ring.memory(), SharedRing.RSP_PROD_OFFSET, 100);
    SharedRing.writeIndex(ring.memory(), SharedRing.REQ_PROD_OFFSET, 100 + unanswered);
    rings.add(ring);
    return domain.grantAccess(0, ring, 0, readOnly);
  }

  private void node(String name, int value) {
    host.store.write(frontend + "/" + name, Integer.toString(value));
  }

  private int unanswered() throws Exception {
    try (StockRings mapped = StockRings.map(host.store, host.grants, domain.domid(), frontend)) {
      return mapped.unanswered();
    }
  }

  @Test
  void oneRingOfOnePage() throws Exception {
    int reference = ring(1, 3, false);
    node("ring-ref", reference);
    assertThat(unanswered()).isEqualTo(3);
    domain.endAccess(reference);
  }

  @Test
  void aGrantToLookAtIsEnough() throws Exception {
    node("ring-ref", ring(1, 3, true));
    assertThat(unanswered()).isEqualTo(3);
  }

  @Test
  void aRingOfOnePageMayNameItsOrderAndHaveEitherNode() throws Exception {
    node("ring-page-order", 0);
    node("ring-ref", ring(1, 3, false));
    assertThat(unanswered()).isEqualTo(3);
    node("ring-ref0", ring(1, 4, false));
    assertThat(unanswered()).isEqualTo(4);
  }

  @Test
  void withoutAnOrderANodeLeftFromAnEarlierConnectionIsNotTheRing() throws Exception {
    node("ring-ref0", ring(1, 4, false));
    node("ring-ref", ring(1, 3, false));
    assertThat(unanswered()).isEqualTo(3);
  }

  @Test
  void aLargerRingHoldsMore() throws Exception {
    node("ring-page-order", 4);
    node("ring-ref0", ring(16, 512, false));
    assertThat(unanswered()).isEqualTo(512);
    node("ring-page-order", 3);
    assertThatThrownBy(this::unanswered).hasMessageContaining("256 slots");
  }

  @Test
  void allQueuesCount() throws Exception {
    node("multi-queue-num-queues", 3);
    for (int queue = 0; queue < 3; queue++) {
      node("queue-" + queue + "/ring-ref", ring(1, queue + 1, false));
    }
    assertThat(unanswered()).isEqualTo(1 + 2 + 3);
  }

  @Test
  void itIsSeenWhatTheBackendDoesMeanwhile() throws Exception {
    node("ring-ref", ring(1, 3, false));
    try (StockRings mapped = StockRings.map(host.store, host.grants, domain.domid(), frontend)) {
      assertThat(mapped.unanswered()).isEqualTo(3);
      SharedRing.writeIndex(rings.get(0).memory(), SharedRing.RSP_PROD_OFFSET, 103);
      assertThat(mapped.unanswered()).isZero();
    }
  }

  @Test
  void aQueueThatFailsLeavesNothingMapped() {
    node("multi-queue-num-queues", 2);
    int first = ring(1, 0, false);
    node("queue-0/ring-ref", first);
    assertThatThrownBy(this::unanswered)
        .isInstanceOf(HandshakeException.class)
        .hasMessageContaining("queue-1 names no ring");
    node("queue-1/ring-ref", domain.grantAccess(7, domain.allocatePage(), 0, false));
    assertThatThrownBy(this::unanswered).isInstanceOf(XenException.class);
    domain.endAccess(first);
  }
}
