package io.netchannel.xen.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.ForeignMemory.GrantEntry;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ReadOnlyBufferException;
import org.junit.jupiter.api.Test;

class EmbeddedForeignMemoryTest {
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final ForeignMemory memory = hypervisor.foreignMemory();
  private final EmbeddedDomain guest = hypervisor.createDomain();

  @Test
  void aGrantLeadsToItsPage() {
    GuestPages pages = guest.allocatePages(3);
    int reference = guest.grantAccess(0, pages, 2, true);
    GrantEntry entry = memory.grantEntry(guest.domid(), reference).orElseThrow();
    assertThat(entry).isEqualTo(new GrantEntry(0, pages.firstFrame() + 2));
    pages.page(2).putInt(8, 0x1234);
    try (ForeignMemory.Mapping page = memory.map(guest.domid(), entry.gfn())) {
      assertThat(page.memory().getInt(8)).isEqualTo(0x1234);
      pages.page(2).putInt(8, 0x5678);
      assertThat(page.memory().getInt(8)).as("the very memory").isEqualTo(0x5678);
      assertThatThrownBy(() -> page.memory().putInt(0, 1))
          .isInstanceOf(ReadOnlyBufferException.class);
    }
  }

  @Test
  void aGrantThatWasEndedLeadsNowhere() {
    int reference = guest.grantAccess(0, guest.allocatePage(), 0, false);
    guest.endAccess(reference);
    assertThat(memory.grantEntry(guest.domid(), reference)).isEmpty();
    assertThat(memory.grantEntry(guest.domid(), -1)).isEmpty();
  }

  @Test
  void pagesHaveFramesOfTheirOwn() {
    GuestPages first = guest.allocatePages(2);
    GuestPages second = guest.allocatePage();
    assertThat(second.firstFrame()).isGreaterThanOrEqualTo(first.firstFrame() + 2);
    assertThatThrownBy(() -> memory.map(guest.domid(), first.firstFrame() - 1))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("no such page");
    assertThatThrownBy(() -> memory.map(guest.domid(), second.firstFrame() + 1))
        .isInstanceOf(XenException.class);
  }

  /** A domain that is restored elsewhere has its memory, and not a grant of before. */
  @Test
  void memoryMovesAndGrantsDoNot() {
    GuestPages page = guest.allocatePage();
    int reference = guest.grantAccess(0, page, 0, false);
    page.memory().putInt(0, 42);
    guest.unpause();
    guest.suspend();
    EmbeddedHypervisor other = new EmbeddedHypervisor(Runnable::run);
    EmbeddedDomain restored = other.createDomain();
    restored.restore(guest);
    ForeignMemory elsewhere = other.foreignMemory();
    assertThat(elsewhere.grantEntry(restored.domid(), reference)).isEmpty();
    try (ForeignMemory.Mapping mapping = elsewhere.map(restored.domid(), page.firstFrame())) {
      assertThat(mapping.memory().getInt(0)).isEqualTo(42);
    }
    assertThatThrownBy(() -> memory.map(guest.domid(), page.firstFrame()))
        .isInstanceOf(XenException.class);
    int again = restored.grantAccess(0, page, 0, false);
    try (GrantTable grants = other.grantTable(0);
        GrantTable.Mapping mapping = grants.map(restored.domid(), new int[] {again})) {
      assertThat(mapping.memory().getInt(0)).isEqualTo(42);
    }
    assertThat(restored.allocatePage().firstFrame()).isGreaterThan(page.firstFrame());
  }

  @Test
  void aDomainThatRunsKeepsItsMemory() {
    guest.unpause();
    EmbeddedDomain restored = hypervisor.createDomain();
    assertThatThrownBy(() -> restored.restore(guest))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("RUNNING");
  }

  @Test
  void aDestroyedDomainHasNoMemory() {
    GuestPages page = guest.allocatePage();
    guest.destroy();
    assertThatThrownBy(() -> memory.map(guest.domid(), page.firstFrame()))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("no such domain");
    assertThatThrownBy(() -> memory.grantEntry(guest.domid(), 8)).isInstanceOf(XenException.class);
  }

  @Test
  void closedMeansClosed() {
    ForeignMemory.Mapping mapping = memory.map(guest.domid(), guest.allocatePage().firstFrame());
    mapping.close();
    assertThatThrownBy(mapping::memory).isInstanceOf(IllegalStateException.class);
    memory.close();
    assertThatThrownBy(() -> memory.grantEntry(guest.domid(), 8))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("closed");
  }
}
