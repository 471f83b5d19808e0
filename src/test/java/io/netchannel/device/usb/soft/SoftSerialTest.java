package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class SoftSerialTest {
  private static final int IN = 0x81;
  private static final int OUT = 0x02;
  private static final int NOTIFICATIONS = 0x83;

  private final VirtualTime time = new VirtualTime();
  private final SoftSerial serial = new SoftSerial("S", Optional.of(Duration.ofMillis(10)));
  private final SoftPort port = new SoftPort(serial, time, time::nanoTime);
  private final UsbHost host = new UsbHost(port, time);

  @BeforeEach
  void enumerate() {
    host.enumerate();
  }

  @AfterEach
  void close() {
    port.close();
  }

  private static String text(Transfer transfer) {
    return new String(transfer.data(), StandardCharsets.US_ASCII);
  }

  @Test
  void sendsNumberedLines() {
    Transfer first = host.submit(Transfer.bulk(IN, new byte[512]));
    Transfer second = host.submit(Transfer.bulk(IN, new byte[512]));
    assertThat(first.isDone()).isFalse();
    time.advance(Duration.ofMillis(10));
    assertThat(text(first)).isEqualTo("000000000000001\n");
    assertThat(second.isDone()).isFalse();
    time.advance(Duration.ofMillis(10));
    assertThat(text(second)).isEqualTo("000000000000002\n");
  }

  /** A line that does not fit goes on in the next transfer, and is no line more. */
  @Test
  void aLineMayBeCut() {
    Transfer first = host.submit(Transfer.bulk(IN, new byte[10]));
    Transfer second = host.submit(Transfer.bulk(IN, new byte[512]));
    time.advance(Duration.ofMillis(10));
    assertThat(text(first) + text(second)).isEqualTo("000000000000001\n");
  }

  @Test
  void lessThanAskedForIsShortWhereThatIsAnError() {
    Transfer whole = host.submit(Transfer.wholeBulk(IN, 512));
    time.advance(Duration.ofMillis(10));
    assertThat(whole.status()).isEqualTo(UrbStatus.SHORT);
    assertThat(whole.data()).hasSize(16);
  }

  @Test
  void keepsTheLastThatItReceives() {
    byte[] all = new byte[150_000];
    new Random(5).nextBytes(all);
    for (int at = 0; at < all.length; at += 50_000) {
      Transfer write = Transfer.bulk(OUT, Arrays.copyOfRange(all, at, at + 50_000));
      assertThat(host.submit(write).status()).isEqualTo(UrbStatus.OK);
      assertThat(write.urb.actualBytes()).isEqualTo(50_000);
    }
    assertThat(host.submit(Transfer.bulk(OUT)).status()).isEqualTo(UrbStatus.OK);
    assertThat(serial.receivedBytes()).isEqualTo(all.length);
    assertThat(serial.received())
        .isEqualTo(Arrays.copyOfRange(all, all.length - 65_536, all.length));
  }

  @Test
  void tellsItsLinesWhenItIsOpened() {
    Transfer notification = host.submit(Transfer.interrupt(NOTIFICATIONS, new byte[16]));
    assertThat(host.set(0x21, 0x22, 3, 0)).isEqualTo(UrbStatus.OK);
    assertThat(notification.data()).containsExactly(0xa1, 0x20, 0, 0, 0, 0, 2, 0, 3, 0);
    assertThat(host.submit(Transfer.interrupt(NOTIFICATIONS, new byte[16])).isDone()).isFalse();
  }

  @Test
  void keepsItsLineCoding() {
    assertThat(host.get(0xa1, 0x21, 0, 0, 7)).containsExactly(0, 0xc2, 1, 0, 0, 0, 8);
    byte[] coding = {(byte) 0x80, 0x25, 0, 0, 0, 0, 7};
    assertThat(host.set(0x21, 0x20, 0, 0, coding)).isEqualTo(UrbStatus.OK);
    assertThat(host.get(0xa1, 0x21, 0, 0, 7)).isEqualTo(coding);
    assertThat(host.set(0x21, 0x20, 0, 0, (byte) 1)).isEqualTo(UrbStatus.STALL);
    assertThat(host.get(0xa1, 0x21, 0, 0, 7)).isEqualTo(coding);
  }
}
