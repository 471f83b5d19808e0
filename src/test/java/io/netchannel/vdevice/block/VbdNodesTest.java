package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.block.VbdNodes.Detail;
import io.netchannel.vdevice.block.VbdNodes.Outcome;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import io.netchannel.xen.embedded.EmbeddedDomain;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is in xenstore for a disk, who may read it, and that nothing stays behind. */
final class VbdNodesTest {
  private static final ImmutableMap<String, String> DETAILS =
      ImmutableMap.of(
          Detail.PARAMS, "file:/dev/vdb",
          Detail.DEV, "xvdb",
          Detail.DOMAIN, "web1",
          Detail.UUID, "e2ad8a1c-5f0e-4a52-9d5d-5be24d2d2f3b",
          Detail.GENERATION, "3",
          Detail.MODE, "w");

  private final TestHost host = new TestHost();
  private final EmbeddedDomain domain = host.domain();
  private final VbdAddress address = host.address(domain);

  private Outcome publish() {
    return VbdNodes.publish(host.store, address, DETAILS, VbdLimits.DEFAULT);
  }

  private Outcome redirect() {
    return VbdNodes.redirect(host.store, address, DETAILS, VbdLimits.DEFAULT);
  }

  /** The nodes libxl makes for a phy disk. */
  private void libxlDisk(String state) {
    String old = "/local/domain/0/backend/vbd/1/51728";
    host.store.write(old + "/frontend", address.frontendPath());
    host.store.write(address.frontendPath() + "/backend", old);
    host.store.write(address.frontendPath() + "/backend-id", "0");
    host.store.write(address.frontendPath() + "/state", state);
  }

  @Test
  void publishesBothEndsAsLibxlDoes() {
    assertThat(publish()).isEqualTo(Outcome.PUBLISHED);
    String backend = "/local/domain/0/backend/netchannel/1/51728";
    String frontend = "/local/domain/1/device/vbd/51728";
    assertThat(host.node(frontend + "/backend")).contains(backend);
    assertThat(host.node(frontend + "/backend-id")).contains("0");
    assertThat(host.node(frontend + "/state")).contains("1");
    assertThat(host.node(frontend + "/virtual-device")).contains("51728");
    assertThat(host.node(frontend + "/device-type")).contains("disk");
    assertThat(host.node(backend + "/frontend")).contains(frontend);
    assertThat(host.node(backend + "/frontend-id")).contains("1");
    assertThat(host.node(backend + "/online")).contains("1");
    assertThat(host.node(backend + "/state")).contains("1");
    assertThat(host.store.permissions(backend + "/params"))
        .containsExactly(
            new XenStorePermission(0, Access.NONE), new XenStorePermission(1, Access.READ));
    assertThat(host.store.permissions(frontend + "/state"))
        .containsExactly(
            new XenStorePermission(1, Access.NONE), new XenStorePermission(0, Access.READ));
    assertThat(VbdNodes.details(host.store, address)).isEqualTo(DETAILS);
    assertThat(VbdNodes.list(host.store, 0)).containsExactly(address);
    assertThat(publish()).isEqualTo(Outcome.ALREADY);
  }

  @Test
  void changesADetailOnlyWhileTheBackendIsThere() {
    publish();
    assertThat(VbdNodes.setDetail(host.store, address, Detail.GENERATION, "4")).isTrue();
    assertThat(VbdNodes.details(host.store, address)).containsEntry(Detail.GENERATION, "4");
    VbdNodes.remove(host.store, address);
    assertThat(VbdNodes.setDetail(host.store, address, Detail.GENERATION, "5")).isFalse();
    assertThat(host.node(address.backendPath())).isEmpty();
  }

  @Test
  void makesNoNodesOfADomainThatHasGone() {
    host.store.remove("/local/domain/1");
    assertThat(publish()).isEqualTo(Outcome.NO_DOMAIN);
    assertThat(redirect()).isEqualTo(Outcome.NO_DOMAIN);
    assertThat(host.node("/local/domain/1")).isEmpty();
    assertThat(host.node("/local/domain/0/backend/netchannel")).isEmpty();
  }

  @Test
  void doesNotTakeAnotherBackendsDiskAway() {
    libxlDisk("1");
    assertThat(publish()).isEqualTo(Outcome.TAKEN);
    assertThat(host.node(address.frontendPath() + "/backend"))
        .contains("/local/domain/0/backend/vbd/1/51728");
  }

  @Test
  void redirectsAFrontendThatHasNotBegun() {
    libxlDisk("1");
    host.store.remove("/local/domain/0/backend/vbd/1/51728");
    assertThat(redirect()).isEqualTo(Outcome.PUBLISHED);
    assertThat(host.node(address.frontendPath() + "/backend")).contains(address.backendPath());
    assertThat(redirect()).isEqualTo(Outcome.ALREADY);
  }

  @ParameterizedTest
  @ValueSource(strings = {"2", "3", "4", "5", "6", "nonsense"})
  void doesNotRedirectAFrontendThatHasBegun(String state) {
    libxlDisk(state);
    assertThat(redirect()).isEqualTo(Outcome.TOO_LATE);
    assertThat(host.node(address.backendPath())).isEmpty();
  }

  @Test
  void doesNotRedirectWhatIsNotThere() {
    assertThat(redirect()).isEqualTo(Outcome.NO_FRONTEND);
  }

  @Test
  void removesEverythingAndNothingElse() {
    publish();
    VbdAddress other = new VbdAddress(1, 51744, 0);
    VbdNodes.publish(host.store, other, DETAILS, VbdLimits.DEFAULT);
    host.store.write(VbdNodes.errorPath(address) + "/error", "22 x");
    VbdNodes.remove(host.store, address);
    assertThat(VbdNodes.list(host.store, 0)).containsExactly(other);
    assertThat(host.node(address.frontendPath())).isEmpty();
    assertThat(host.node(other.frontendPath() + "/state")).contains("1");
    VbdNodes.remove(host.store, other);
    VbdNodes.remove(host.store, other);
    assertThat(host.store.directory("/local/domain/0/backend/netchannel")).isEmpty();
    assertThat(host.store.directory("/local/domain/0/error/backend/netchannel")).isEmpty();
  }

  @Test
  void leavesAFrontendThatPointsElsewhereByNow() {
    publish();
    host.store.write(address.frontendPath() + "/backend", "/local/domain/0/backend/vbd/1/51728");
    VbdNodes.remove(host.store, address);
    assertThat(host.node(address.frontendPath() + "/state")).contains("1");
    assertThat(host.node(address.backendPath())).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "xvda, 51712",
    "xvdb, 51728",
    "xvdb1, 51729",
    "xvdp15, 51967",
    "xvdq, 268439552",
    "xvdaa, 268442112",
    "xvda16, 268435472",
    "sda, 2048",
    "sdb2, 2066",
    "hda, 768",
    "hdb, 832",
    "hdc, 5632",
    "hdd1, 5697",
  })
  void aDisksNameHasANumber(String name, int devid) {
    assertThat(DiskName.devid(name)).isEqualTo(devid);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "xvd", "vda", "xvdA", "/dev/xvda", "sdq", "hde", "xvda256", "sda16"})
  void otherNamesAreRefused(String name) {
    assertThatThrownBy(() -> DiskName.devid(name))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("is no disk's name");
  }
}
