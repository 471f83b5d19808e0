package io.netchannel.xen.jna;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.XenException;
import org.junit.jupiter.api.Test;

/** On a machine without Xen, and on one with it. */
class XenHostTest {
  @Test
  void opensOrSaysAllThatIsMissing() {
    if (XenHost.problems().isEmpty()) {
      try (XenHost host = XenHost.open()) {
        assertThat(host.store().exists("/")).isTrue();
      }
      return;
    }
    assertThatThrownBy(XenHost::open)
        .isInstanceOf(XenException.class)
        .hasMessageContainingAll(XenHost.problems().toArray(new CharSequence[0]));
  }

  @Test
  void theDevicesSayWhichFileIsMissing() {
    if (XenHost.problems().isEmpty()) {
      JnaGrantTable.open().close();
      JnaEventChannels.open().close();
      return;
    }
    assertThatThrownBy(JnaGrantTable::open)
        .isInstanceOf(XenException.class)
        .hasMessageContaining("/dev/xen/gntdev")
        .hasMessageContaining("modprobe xen-gntdev");
    assertThatThrownBy(JnaEventChannels::open)
        .isInstanceOf(XenException.class)
        .hasMessageContaining("/dev/xen/evtchn")
        .hasMessageContaining("modprobe xen-evtchn");
  }
}
