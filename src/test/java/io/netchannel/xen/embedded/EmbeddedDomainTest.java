package io.netchannel.xen.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.Domains;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import io.netchannel.xen.embedded.EmbeddedDomain.State;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class EmbeddedDomainTest {
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
  private final XenStore dom0 = hypervisor.xenStore(0);
  private final EmbeddedDomain guest = hypervisor.createDomain();

  @Test
  void livesThroughItsStates() {
    assertThat(guest.state()).isEqualTo(State.CREATED);
    assertThatThrownBy(guest::suspend)
        .isInstanceOf(XenException.class)
        .hasMessageContaining("expected RUNNING, found CREATED");
    guest.unpause();
    guest.suspend();
    assertThatThrownBy(guest::unpause).isInstanceOf(XenException.class);
    guest.resume();
    assertThat(guest.state()).isEqualTo(State.RUNNING);
    guest.suspend();
    guest.destroy();
    assertThat(guest.state()).isEqualTo(State.DESTROYED);
    assertThatThrownBy(guest::resume).isInstanceOf(XenException.class);
    assertThatThrownBy(guest::allocatePage).isInstanceOf(XenException.class);
  }

  @Test
  void domainZeroIsToldWhatADomainDoes() {
    try (Domains domains = hypervisor.domainStates()) {
      assertThat(domains.canTell()).isTrue();
      assertThat(domains.state(0)).isEqualTo(Domains.State.RUNNING);
      assertThat(domains.state(99)).isEqualTo(Domains.State.UNKNOWN);
      assertThat(domains.state(guest.domid())).as("paused").isEqualTo(Domains.State.RUNNING);
      guest.unpause();
      assertThat(domains.state(guest.domid())).isEqualTo(Domains.State.RUNNING);
      guest.suspend();
      assertThat(domains.state(guest.domid())).isEqualTo(Domains.State.SUSPENDED);
      guest.resume();
      assertThat(domains.state(guest.domid())).isEqualTo(Domains.State.RUNNING);
      int reference = guest.grantAccess(0, guest.allocatePage(), 0, false);
      GrantTable.Mapping mapping =
          hypervisor.grantTable(0).map(guest.domid(), new int[] {reference});
      guest.destroy();
      assertThat(domains.state(guest.domid())).as("zombie").isEqualTo(Domains.State.ENDED);
      mapping.close();
      assertThat(domains.state(guest.domid())).isEqualTo(Domains.State.UNKNOWN);
    }
  }

  @Test
  void domainZeroIsAlwaysThere() {
    assertThat(hypervisor.domain(0).state()).isEqualTo(State.RUNNING);
    assertThatThrownBy(() -> hypervisor.domain(0).destroy()).isInstanceOf(XenException.class);
    assertThatThrownBy(() -> hypervisor.domain(99))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("no domain 99");
  }

  @Test
  void xenstoreIsToldOnceThatADomainCameAndEachTimeItShutDown() {
    List<String> events = new ArrayList<>();
    dom0.watch("@introduceDomain", events::add);
    dom0.watch("@releaseDomain", events::add);
    events.clear();
    guest.introduce();
    guest.unpause();
    guest.suspend();
    guest.destroy();
    assertThat(events).containsExactly("@introduceDomain", "@releaseDomain", "@releaseDomain");
  }

  @Test
  void aGuestThatDoesNotRunGetsItsWatchesLater() {
    String path = "/local/domain/%d/device".formatted(guest.domid());
    dom0.write(path, "");
    dom0.setPermissions(path, List.of(new XenStorePermission(guest.domid(), Access.NONE)));
    List<String> events = new ArrayList<>();
    guest.xenStore().watch(path, events::add);
    assertThat(events).isEmpty();
    guest.unpause();
    assertThat(events).containsExactly(path);
    guest.suspend();
    dom0.write(path + "/x", "1");
    assertThat(events).hasSize(1);
    guest.resume();
    assertThat(events).containsExactly(path, path + "/x");
  }

  @Test
  void theConnectionOfADestroyedDomainIsGone() {
    guest.unpause();
    XenStore store = guest.xenStore();
    guest.destroy();
    assertThatThrownBy(() -> store.read("/"))
        .isInstanceOfSatisfying(
            XenStoreException.class,
            e -> assertThat(e.reason()).isEqualTo(XenStoreException.Reason.IO));
  }

  @Test
  void twoHypervisorsAreTwoHosts() {
    EmbeddedHypervisor other = new EmbeddedHypervisor(Runnable::run);
    EmbeddedDomain there = other.createDomain();
    assertThat(there.domid()).isEqualTo(guest.domid());
    dom0.write("/x", "here");
    assertThat(other.xenStore(0).exists("/x")).isFalse();
    int reference = there.grantAccess(0, there.allocatePage(), 0, false);
    assertThatThrownBy(() -> hypervisor.grantTable(0).map(guest.domid(), new int[] {reference}))
        .isInstanceOf(XenException.class);
    assertThatThrownBy(() -> guest.grantAccess(0, there.allocatePage(), 0, false))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aListenerThatThrowsStopsNobody() {
    List<String> events = new ArrayList<>();
    dom0.watch(
        "/x",
        path -> {
          throw new IllegalStateException("on purpose");
        });
    dom0.watch("/x", events::add);
    dom0.write("/x", "1");
    assertThat(events).containsExactly("/x", "/x");
  }
}
