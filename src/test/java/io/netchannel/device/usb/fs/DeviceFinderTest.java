package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DeviceFinderTest {
  @TempDir private Path directory;

  @Test
  void devicesAreFoundByBusAndAddress() throws Exception {
    FakeSysfs sysfs = new FakeSysfs(directory);
    sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42 ");
    sysfs.plug("3-4", 3, 2, TestDescriptors.usual(), null, "480", "");
    sysfs.plug("usb3", 3, 1, TestDescriptors.hub(), null);
    sysfs.plug("10-1", 10, 2, TestDescriptors.of(1, 2), null);
    sysfs.bind("3-1.2", 1, 1, "snd-usb-audio");
    sysfs.bind("3-1.2", 1, 0, "usbhid");
    assertThat(sysfs.finder().list())
        .extracting(HostUsbDevice::port)
        .containsExactly("usb3", "3-4", "3-1.2", "10-1");
    HostUsbDevice found = sysfs.finder().list().get(2);
    assertThat(found.serial()).as("a space at its end is part of it").contains("NC42 ");
    assertThat(found.drivers()).containsEntry(0, "usbhid").containsEntry(1, "snd-usb-audio");
    assertThat(found.product()).as("nothing for a terminal").contains("Thing ?[31m");
    assertThat(found.node()).isEqualTo(sysfs.nodes().resolve("003/007"));
    assertThat(found.isHub()).isFalse();
    assertThat(sysfs.finder().list().get(0).isHub()).isTrue();
    assertThat(sysfs.finder().list().get(1).configuration()).isZero();
  }

  @Test
  void whatTellsNoDeviceIsPassedOver() throws Exception {
    FakeSysfs sysfs = new FakeSysfs(directory);
    sysfs.plug("3-1", 3, 2, new byte[] {18, 1, 0}, null);
    sysfs.plug("3-2", 3, 3, new byte[18], null, "5000", "1");
    sysfs.plug("3-3", 3, 4, TestDescriptors.usual(), null);
    assertThat(sysfs.finder().list()).extracting(HostUsbDevice::port).containsExactly("3-3");
  }

  @Test
  void aHostWithoutUsbHasNone() throws Exception {
    assertThat(new DeviceFinder(directory).list()).isEmpty();
  }
}
