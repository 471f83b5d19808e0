package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceNodes.Outcome;
import io.netchannel.vdevice.block.VbdNodes.Detail;
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
          DeviceDetail.PARAMS, "file:/dev/vdb",
          Detail.DEV, "xvdb",
          DeviceDetail.DOMAIN, "web1",
          DeviceDetail.UUID, "e2ad8a1c-5f0e-4a52-9d5d-5be24d2d2f3b",
          DeviceDetail.GENERATION, "3",
          Detail.MODE, "w");

  private final TestHost host = new TestHost();
  private final EmbeddedDomain domain = host.domain();
  private final DeviceAddress address = host.address(domain);

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
    assertThat(DeviceNodes.details(host.store, address)).isEqualTo(DETAILS);
    assertThat(DeviceNodes.list(host.store, VbdNodes.TYPE, 0)).containsExactly(address);
    assertThat(publish()).isEqualTo(Outcome.ALREADY);
  }

  @Test
  void changesADetailOnlyWhileTheBackendIsThere() {
    publish();
    assertThat(DeviceNodes.setDetail(host.store, address, DeviceDetail.GENERATION, "4")).isTrue();
    assertThat(DeviceNodes.details(host.store, address))
        .containsEntry(DeviceDetail.GENERATION, "4");
    DeviceNodes.remove(host.store, address);
    assertThat(DeviceNodes.setDetail(host.store, address, DeviceDetail.GENERATION, "5")).isFalse();
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
    DeviceAddress other = VbdNodes.TYPE.address(1, 51744, 0);
    VbdNodes.publish(host.store, other, DETAILS, VbdLimits.DEFAULT);
    host.store.write(address.errorPath() + "/error", "22 x");
    DeviceNodes.remove(host.store, address);
    assertThat(DeviceNodes.list(host.store, VbdNodes.TYPE, 0)).containsExactly(other);
    assertThat(host.node(address.frontendPath())).isEmpty();
    assertThat(host.node(other.frontendPath() + "/state")).contains("1");
    DeviceNodes.remove(host.store, other);
    DeviceNodes.remove(host.store, other);
    assertThat(host.store.directory("/local/domain/0/backend/netchannel")).isEmpty();
    assertThat(host.store.directory("/local/domain/0/error/backend/netchannel")).isEmpty();
  }

  @Test
  void leavesAFrontendThatPointsElsewhereByNow() {
    publish();
    host.store.write(address.frontendPath() + "/backend", "/local/domain/0/backend/vbd/1/51728");
    DeviceNodes.remove(host.store, address);
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
