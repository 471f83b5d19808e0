package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class SoftKeyboardTest {
  private static final int IN = 0x81;

  private final VirtualTime time = new VirtualTime();

  /** What a host sees typed in its next reports. */
  private static String typed(UsbHost host, int reports) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < reports; i++) {
      Transfer read = host.submit(Transfer.interrupt(IN, new byte[8]));
      int usage = read.data()[2];
      text.append(usage == 0 ? "" : usage == 40 ? "\n" : usage == 44 ? " " : key(usage));
    }
    return text.toString();
  }

  private static String key(int usage) {
    return String.valueOf((char) (usage < 30 ? 'a' + usage - 4 : '0' + (usage - 29) % 10));
  }

  @Test
  void typesWhatItIsTold() {
    SoftKeyboard keyboard = new SoftKeyboard("S", Optional.empty());
    try (SoftPort port = new SoftPort(keyboard, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      host.enumerate();
      assertThat(keyboard.type("hello 1029\n")).isEqualTo(11);
      assertThat(typed(host, 22)).isEqualTo("hello 1029\n");
      assertThatThrownBy(() -> keyboard.type("?")).isInstanceOf(IllegalArgumentException.class);
    }
  }

  /** Nobody reads: what it keeps is bounded, and it says how much it took. */
  @Test
  void keepsOnlySoMuch() {
    SoftKeyboard keyboard = new SoftKeyboard("S", Optional.empty());
    try (SoftPort port = new SoftPort(keyboard, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      host.enumerate();
      assertThat(keyboard.type("a".repeat(1000))).isEqualTo(128);
      assertThat(typed(host, 256)).isEqualTo("a".repeat(128));
      assertThat(host.submit(Transfer.interrupt(IN, new byte[8])).isDone()).isFalse();
    }
  }

  @Test
  void typesNumbersByItselfEachInItsTime() {
    SoftKeyboard keyboard = new SoftKeyboard("S", Optional.of(Duration.ofMillis(100)));
    try (SoftPort port = new SoftPort(keyboard, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      host.enumerate();
      Transfer first = host.submit(Transfer.interrupt(IN, new byte[8]));
      time.advance(Duration.ofMillis(99));
      assertThat(first.isDone()).isFalse();
      time.advance(Duration.ofMillis(1));
      assertThat(first.data()[2]).isEqualTo((byte) 30);
      assertThat(typed(host, 3)).isEqualTo("\n");
      // Nobody has read for long: only one number was made.
      time.advance(Duration.ofMinutes(1));
      assertThat(typed(host, 4)).isEqualTo("2\n");
      assertThat(host.submit(Transfer.interrupt(IN, new byte[8])).isDone()).isFalse();
    }
  }

  @Test
  void doesTheRequestsOfItsClass() {
    SoftKeyboard keyboard = new SoftKeyboard("S", Optional.empty());
    try (SoftPort port = new SoftPort(keyboard, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      host.enumerate();
      assertThat(host.get(0x81, 6, 0x2200, 0, 63)).hasSize(63).startsWith(5, 1, 9, 6);
      assertThat(host.set(0x21, 10, 0x0700, 0)).isEqualTo(UrbStatus.OK);
      assertThat(host.get(0xa1, 2, 0, 0, 1)).containsExactly(7);
      assertThat(host.set(0x21, 11, 0, 0)).isEqualTo(UrbStatus.OK);
      assertThat(host.get(0xa1, 3, 0, 0, 1)).containsExactly(0);
      assertThat(host.set(0x21, 9, 0x0200, 0, (byte) 2)).isEqualTo(UrbStatus.OK);
      assertThat(keyboard.summary()).contains("LEDs 0x02");
      assertThat(host.get(0xa1, 1, 0x0100, 0, 8)).hasSize(8);
    }
  }
}
