package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.DeviceException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class UsbSourceTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "port=3-1",
        "port=3-1.2",
        "port=10-1.12.3,driver=keep",
        "id=1209:0003,serial=NC42"
      })
  void theseAreSources(String text) throws Exception {
    assertThat(UsbSource.parse(text)).hasToString("usb:" + text.replace(",driver=keep", ""));
    assertThat(UsbSource.parse(text).isManaged()).isEqualTo(!text.contains("keep"));
  }

  @Test
  void anIdIsAsLsusbHasIt() throws Exception {
    assertThat(UsbSource.parse("id=abcd:EF01,serial=x y"))
        .hasToString("usb:id=abcd:ef01,serial=x y");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "port=3 | such as 3-1.2",
        "port=usb3 | such as 3-1.2",
        "port=3-1.0 | such as 3-1.2",
        "port=3-1/../2 | such as 3-1.2",
        "id=1209:0003 | known by its port only",
        "serial=x | known by its port only",
        "port=3-1,id=1209:0003,serial=x | expected usb:port=3-1.2, or usb:id=",
        "id=1209-0003,serial=x | expected vendor and product",
        "id=1209:00031,serial=x | expected vendor and product",
        "port=3-1,driver=none | expected driver=managed",
        "bus=3 | has no option",
        "'' | expected usb:port=3-1.2",
      })
  void theseAreNot(String text, String why) {
    assertThatThrownBy(() -> UsbSource.parse(text))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(why);
  }
}
