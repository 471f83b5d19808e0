package io.netchannel.xen.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantCopy.Direction;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import org.junit.jupiter.api.Test;

class EmbeddedGrantsTest {
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final EmbeddedDomain guest = hypervisor.createDomain();
  private final GrantTable table = hypervisor.grantTable(0);

  @Test
  void aMappingIsTheGuestsMemory() {
    GuestPages ring = guest.allocatePages(2);
    int[] references = guest.grantAccess(0, ring, false);
    try (GrantTable.Mapping mapping = table.map(guest.domid(), references)) {
      assertThat(mapping.memory().capacity()).isEqualTo(2 * GrantTable.PAGE_BYTES);
      ring.memory().putInt(GrantTable.PAGE_BYTES + 8, 0x12345678);
      assertThat(mapping.memory().getInt(GrantTable.PAGE_BYTES + 8)).isEqualTo(0x12345678);
      mapping.memory().putInt(4, 99);
      assertThat(ring.page(0).getInt(4)).isEqualTo(99);
      assertThat(ring.page(1).getInt(8)).isEqualTo(0x12345678);
    }
    guest.endAccess(references);
    assertThat(guest.activeGrants()).isZero();
  }

  @Test
  void aPageInsideAnAllocationMapsAlone() {
    GuestPages pages = guest.allocatePages(3);
    pages.page(2).putLong(0, 7L);
    try (GrantTable.Mapping mapping =
        table.map(guest.domid(), new int[] {guest.grantAccess(0, pages, 2, false)})) {
      assertThat(mapping.memory().getLong(0)).isEqualTo(7L);
    }
  }

  @Test
  void pagesThatAreNotContiguousAreRefusedAndNothingStaysMapped() {
    int first = guest.grantAccess(0, guest.allocatePage(), 0, false);
    int second = guest.grantAccess(0, guest.allocatePage(), 0, false);
    assertThatThrownBy(() -> table.map(guest.domid(), new int[] {first, second}))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("one allocatePages call");
    guest.endAccess(first);
    guest.endAccess(second);
  }

  @Test
  void oneBadReferenceMapsNothing() {
    GuestPages pages = guest.allocatePages(2);
    int good = guest.grantAccess(0, pages, 0, false);
    for (int bad :
        new int[] {
          12345, guest.grantAccess(7, pages, 1, false), guest.grantAccess(0, pages, 1, true)
        }) {
      assertThatThrownBy(() -> table.map(guest.domid(), new int[] {good, bad}))
          .isInstanceOf(XenException.class)
          .hasMessageContaining("grant " + bad);
    }
    guest.endAccess(good);
  }

  @Test
  void aReadOnlyGrantCanBeMappedToLookAtOnly() {
    GuestPages pages = guest.allocatePages(2);
    int[] references = guest.grantAccess(0, pages, true);
    assertThatThrownBy(() -> table.map(guest.domid(), references))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("reading and writing");
    try (GrantTable.Mapping mapping = table.mapReadOnly(guest.domid(), references)) {
      pages.memory().putInt(GrantTable.PAGE_BYTES + 8, 0x01020304);
      ByteBuffer memory = mapping.memory();
      assertThat(memory.isDirect()).isTrue();
      assertThat(memory.capacity()).isEqualTo(2 * GrantTable.PAGE_BYTES);
      assertThat(memory.getInt(GrantTable.PAGE_BYTES + 8)).isEqualTo(0x01020304);
      assertThatThrownBy(() -> memory.put(0, (byte) 1)).isInstanceOf(ReadOnlyBufferException.class);
    }
    guest.endAccess(references);
  }

  @Test
  void oneGrantMayBeMappedSeveralTimesSideBySide() {
    GuestPages page = guest.allocatePage();
    int reference = guest.grantAccess(0, page, 0, false);
    int[] references = {reference};
    GrantTable.Mapping backends = table.map(guest.domid(), references);
    GrantTable.Mapping first = hypervisor.grantTable(0).mapReadOnly(guest.domid(), references);
    GrantTable.Mapping second = table.mapReadOnly(guest.domid(), references);
    backends.memory().putInt(8, 77);
    assertThat(first.memory().getInt(8)).isEqualTo(77);
    first.close();
    first.close();
    backends.close();
    page.memory().putInt(8, 78);
    assertThat(second.memory().getInt(8)).isEqualTo(78);
    assertThatThrownBy(() -> guest.endAccess(reference)).hasMessageContaining("still in use");
    second.close();
    guest.endAccess(reference);
  }

  @Test
  void whatIsNotGrantedCannotBeLookedAt() {
    GuestPages pages = guest.allocatePages(2);
    int good = guest.grantAccess(0, pages, 0, true);
    int others = guest.grantAccess(7, pages, 1, true);
    for (int bad : new int[] {12345, others}) {
      assertThatThrownBy(() -> table.mapReadOnly(guest.domid(), new int[] {good, bad}))
          .isInstanceOf(XenException.class)
          .hasMessageContaining("grant " + bad);
    }
    guest.endAccess(good);
    assertThatThrownBy(() -> table.mapReadOnly(99, new int[] {good}))
        .hasMessageContaining("no such domain");
  }

  @Test
  void endingAMappedGrantIsStillInUse() {
    int reference = guest.grantAccess(0, guest.allocatePage(), 0, false);
    GrantTable.Mapping mapping = table.map(guest.domid(), new int[] {reference});
    assertThatThrownBy(() -> guest.endAccess(reference))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("still in use");
    mapping.close();
    mapping.close();
    guest.endAccess(reference);
    assertThatThrownBy(() -> guest.endAccess(reference)).isInstanceOf(XenException.class);
    assertThatThrownBy(mapping::memory).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void copiesBothWaysWhateverTheLimitsOfTheBuffersAre() {
    GuestPages pages = guest.allocatePages(2);
    int[] references = guest.grantAccess(0, pages, false);
    ByteBuffer local = ByteBuffer.allocateDirect(GrantTable.PAGE_BYTES);
    for (int i = 0; i < 1024; i++) {
      local.put(512 + i, (byte) i);
    }
    local.position(100).limit(200);
    pages.memory().limit(0);
    GrantCopy batch = new GrantCopy(2).reset(guest.domid(), Direction.TO_GUEST, local);
    batch.add(references[0], 3584, 512, 512);
    batch.add(references[1], 0, 512, 1024);
    assertThat(table.copy(batch)).isTrue();
    pages.memory().clear();
    for (int i = 0; i < 1024; i++) {
      assertThat(pages.memory().get(3584 + i)).isEqualTo((byte) i);
    }
    batch.reset(guest.domid(), Direction.FROM_GUEST, local);
    batch.add(references[1], 0, 512, 0);
    assertThat(table.copy(batch)).isTrue();
    local.clear();
    assertThat(local.slice(0, 512)).isEqualTo(pages.page(1).slice(0, 512));
    assertThat(local.position()).isZero();
  }

  @Test
  void aBadReferenceFailsItsOwnSegmentOnly() {
    GuestPages pages = guest.allocatePages(2);
    int good = guest.grantAccess(0, pages, 0, false);
    int readOnly = guest.grantAccess(0, pages, 1, true);
    ByteBuffer local = ByteBuffer.allocateDirect(16).putLong(0, 1).putLong(8, 2);
    GrantCopy batch = new GrantCopy(3).reset(guest.domid(), Direction.TO_GUEST, local);
    batch.add(4711, 0, 8, 0);
    batch.add(readOnly, 0, 8, 0);
    batch.add(good, 0, 8, 8);
    assertThat(table.copy(batch)).isFalse();
    assertThat(pages.page(0).slice(0, 8)).isEqualTo(local.slice(8, 8));
    assertThat(pages.page(1).getLong(0)).isZero();
    batch.reset(guest.domid(), Direction.FROM_GUEST, local);
    batch.add(readOnly, 0, 8, 0);
    assertThat(table.copy(batch)).as("reading a read-only grant").isTrue();
  }

  @Test
  void aDestroyedDomainIsAZombieUntilItsPagesAreLetGo() {
    int reference = guest.grantAccess(0, guest.allocatePage(), 0, false);
    GrantTable.Mapping mapping = table.map(guest.domid(), new int[] {reference});
    guest.destroy();
    guest.destroy();
    assertThat(hypervisor.zombies()).containsExactly(guest.domid());
    assertThat(hypervisor.domains()).containsExactly(0);
    mapping.memory().putInt(0, 5);
    assertThatThrownBy(() -> table.map(guest.domid(), new int[] {reference}))
        .isInstanceOf(XenException.class);
    GrantCopy batch =
        new GrantCopy(1).reset(guest.domid(), Direction.FROM_GUEST, ByteBuffer.allocateDirect(8));
    batch.add(reference, 0, 8, 0);
    assertThat(table.copy(batch)).isFalse();
    mapping.close();
    assertThat(hypervisor.zombies()).isEmpty();
  }

  @Test
  void closingTheTableLetsEverythingGo() {
    int reference = guest.grantAccess(0, guest.allocatePage(), 0, false);
    GrantTable.Mapping mapping = table.map(guest.domid(), new int[] {reference});
    table.close();
    guest.endAccess(reference);
    assertThatThrownBy(mapping::memory).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> table.map(guest.domid(), new int[] {reference}))
        .isInstanceOf(XenException.class);
  }

  @Test
  void aGuestGrantsOnlyItsOwnPages() {
    GuestPages foreign = hypervisor.createDomain().allocatePage();
    assertThatThrownBy(() -> guest.grantAccess(0, foreign, 0, false))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> guest.grantAccess(0, guest.allocatePage(), 1, false))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
