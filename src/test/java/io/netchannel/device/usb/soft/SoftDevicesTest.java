package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.VirtualTime;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class SoftDevicesTest {
  private final VirtualTime time = new VirtualTime();
  private final List<String> opened = new ArrayList<>();
  private final UsbOpener opener =
      new UsbOpener(
          ImmutableMap.of(
              SoftDevices.SCHEME,
              new SoftDevices(
                  time,
                  time::nanoTime,
                  (source, options) -> {
                    opened.add(source);
                    return new MemoryStorage(1 << 20);
                  })),
          ImmutableMap.of());

  @ParameterizedTest
  @CsvSource({
    "usb-soft:keyboard, 1",
    "'usb-soft:keyboard,every=500ms', 1",
    "'usb-soft:serial,every=10ms', 2",
    "'usb-soft:stick,size=64M', 3",
    "'usb-soft:stick,source=file:/srv/a!b.img', 3",
    "usb-soft:sourcesink, 4",
    "usb-soft:audio, 5",
  })
  void opensEachDevice(String source, int product) throws Exception {
    opener.check(source);
    assertThat(opened).isEmpty();
    try (UsbDevice device = opener.open(source, UsbOpenOptions.PLAIN)) {
      PortState.Plugged plugged = device.port().plugged().orElseThrow();
      assertThat(plugged.descriptors().product()).isEqualTo(product);
      assertThat(plugged.serial()).contains("4E4330303031");
    }
    if (source.contains("source=")) {
      assertThat(opened).containsExactly("file:/srv/a!b.img");
    }
  }

  @Test
  void hasTheSerialNumberThatItIsGiven() throws Exception {
    try (UsbDevice device = opener.open("usb-soft:audio,serial=X7", UsbOpenOptions.PLAIN)) {
      assertThat(device.port().plugged().orElseThrow().serial()).contains("X7");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "usb-soft:mouse, 'usb-soft: \"mouse\" is no known device in software; known are audio,"
        + " keyboard, serial, sourcesink, stick'",
    "'usb-soft:', '\"\" is no known device in software'",
    "'usb-soft:audio,every=1s', 'usb-soft:audio has no option \"every\"; its options are: serial'",
    "'usb-soft:keyboard,every=soon', 'usb-soft:keyboard: every=soon is not a duration such as'",
    "'usb-soft:keyboard,every', '\"every\" is not name=value; its options are: serial, every'",
    "'usb-soft:stick,size=1', 'usb-soft:stick: size=1 is not a size such as 512K'",
    "'usb-soft:stick,size=65M', 'expected 1K to 64M of memory, found 65M'",
    "'usb-soft:stick,size=0K', 'expected 1K to 64M of memory, found 0M'",
    "'usb-soft:stick,size=1M,source=file:/a', 'expected either size or source, found both'",
    "'usb-soft:stick,size=1M,size=2M', 'option size is given twice'",
  })
  void saysWhatIsWrong(String source, String words) {
    assertThatThrownBy(() -> opener.check(source))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(words);
  }

  @Test
  void aSerialNumberHasToFitItsDescriptor() throws Exception {
    opener.check("usb-soft:audio,serial=" + "1".repeat(126));
    assertThatThrownBy(() -> opener.check("usb-soft:audio,serial=" + "1".repeat(127)))
        .hasMessageContaining("expected a serial number of at most 126 characters, found 127");
  }
}
