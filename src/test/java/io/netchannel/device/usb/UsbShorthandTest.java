package io.netchannel.device.usb;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class UsbShorthandTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "3-1 | usb:port=3-1",
        "3-1.2.4 | usb:port=3-1.2.4",
        "1209:0003 | usb:id=1209:0003",
        "1D6B:00fE | usb:id=1D6B:00fE",
        "1209:0003,serial=NC42 | usb:id=1209:0003,serial=NC42",
        "usb:port=3-1 | usb:port=3-1",
        "netchannel://hostb/usb/stick | netchannel://hostb/usb/stick",
        "usb-soft:keyboard | usb-soft:keyboard",
        "12:34 | 12:34",
        "3-1. | 3-1."
      })
  void portsAndIdsMayBeWrittenInShort(String text, String source) {
    assertThat(UsbShorthand.expand(text)).isEqualTo(source);
  }
}
