package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class SoftSourceSinkTest {
  private static final int BULK_IN = 0x81;
  private static final int BULK_OUT = 0x01;
  private static final int INTERRUPT_IN = 0x82;
  private static final int INTERRUPT_OUT = 0x02;
  private static final int ISO_IN = 0x83;
  private static final int ISO_OUT = 0x03;
  private static final int PACKET_BYTES = 192;

  private final VirtualTime time = new VirtualTime();
  private final SoftSourceSink device = new SoftSourceSink("S");
  private final SoftPort port = new SoftPort(device, time, time::nanoTime);
  private final UsbHost host = new UsbHost(port, time);

  @BeforeEach
  void enumerate() {
    host.enumerate();
    assertThat(host.set(1, 11, 1, 0)).isEqualTo(UrbStatus.OK);
  }

  @AfterEach
  void close() {
    port.close();
  }

  private static byte[] words(int first, int count) {
    ByteBuffer words = ByteBuffer.allocate(count * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      words.putInt(first + i);
    }
    return words.array();
  }

  private static CounterPattern.Counts seen(long words, long gaps, long repeats) {
    return new CounterPattern.Counts(words, gaps, repeats);
  }

  @Test
  void bulkInIsOneStream() {
    Transfer first = host.submit(Transfer.bulk(BULK_IN, new byte[50_001]));
    Transfer second = host.submit(Transfer.bulk(BULK_IN, new byte[49_999]));
    byte[] both = Arrays.copyOf(first.data(), 100_000);
    System.arraycopy(second.data(), 0, both, 50_001, 49_999);
    assertThat(both).isEqualTo(words(0, 25_000));
    assertThat(host.submit(Transfer.bulk(BULK_IN)).data()).isEmpty();
  }

  @Test
  void bulkOutSeesGapsAndRepeats() {
    host.submit(Transfer.bulk(BULK_OUT, words(0, 1000)));
    assertThat(device.sink(BULK_OUT)).isEqualTo(seen(1000, 0, 0));
    host.submit(Transfer.bulk(BULK_OUT, words(1005, 10)));
    assertThat(device.sink(BULK_OUT)).isEqualTo(seen(1010, 5, 0));
    host.submit(Transfer.bulk(BULK_OUT, words(1005, 10)));
    assertThat(device.sink(BULK_OUT)).isEqualTo(seen(1020, 5, 10));
    host.submit(Transfer.bulk(BULK_OUT, words(1015, 2)));
    assertThat(device.sink(BULK_OUT)).isEqualTo(seen(1022, 5, 10));
    ByteBuffer report =
        ByteBuffer.wrap(host.get(0xc0, 1, 0, BULK_OUT, 24)).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(new long[] {report.getLong(), report.getLong(), report.getLong()})
        .containsExactly(1022, 5, 10);
    host.set(0, 9, 1, 0);
    assertThat(device.sink(BULK_OUT)).isEqualTo(seen(0, 0, 0));
  }

  @Test
  void interruptInComesInItsInterval() {
    Transfer first = host.submit(Transfer.interrupt(INTERRUPT_IN, new byte[64]));
    Transfer second = host.submit(Transfer.interrupt(INTERRUPT_IN, new byte[64]));
    time.advance(Duration.ofMillis(1));
    assertThat(first.data()).isEqualTo(words(0, 16));
    assertThat(second.isDone()).isFalse();
    time.advance(Duration.ofMillis(1));
    assertThat(second.data()).isEqualTo(words(16, 16));
    host.submit(Transfer.interrupt(INTERRUPT_OUT, words(0, 16)));
    assertThat(device.sink(INTERRUPT_OUT)).isEqualTo(seen(16, 0, 0));
  }

  @Test
  void isochronousInGoesOnWithoutAGapWhileOneWaits() {
    Transfer first = host.submit(in(8));
    time.advance(Duration.ofMillis(3));
    Transfer second = host.submit(in(8));
    time.advance(Duration.ofMillis(5));
    assertThat(first.isDone()).as("done with the end of its last frame").isFalse();
    time.advance(Duration.ofMillis(1));
    assertThat(first.urb.packetActualBytes(7)).isEqualTo(PACKET_BYTES);
    int begin = ByteBuffer.wrap(first.data()).order(ByteOrder.LITTLE_ENDIAN).getInt();
    assertThat(first.data()).isEqualTo(words(begin, 8 * 48));
    assertThat(second.isDone()).isFalse();
    time.advance(Duration.ofMillis(8));
    assertThat(second.data()).isEqualTo(words(begin + 8 * 48, 8 * 48));
    assertThat(second.urb.startFrame()).isEqualTo(first.urb.startFrame() + 8);
    // Nobody asked for 10 frames: they are gone.
    time.advance(Duration.ofMillis(10));
    Transfer late = host.submit(in(1));
    time.advance(Duration.ofMillis(2));
    assertThat(late.urb.startFrame()).isEqualTo(second.urb.startFrame() + 8 + 11);
    assertThat(late.data()).isEqualTo(words(begin + (16 + 11) * 48, 48));
  }

  private static Transfer in(int packets) {
    return Transfer.isochronous(ISO_IN, PACKET_BYTES, new byte[packets * PACKET_BYTES]);
  }

  @Test
  void isochronousOutTakesEachPacketInItsFrame() {
    Transfer first = host.submit(Transfer.isochronous(ISO_OUT, PACKET_BYTES, words(0, 8 * 48)));
    Transfer second =
        host.submit(Transfer.isochronous(ISO_OUT, PACKET_BYTES, words(8 * 48, 8 * 48)));
    time.advance(Duration.ofMillis(4));
    port.unlink(second.urb);
    time.run();
    assertThat(second.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(second.urb.packetStatus(0)).isEqualTo(UrbStatus.MISSED_FRAME);
    time.advance(Duration.ofMillis(20));
    assertThat(first.status()).isEqualTo(UrbStatus.OK);
    assertThat(first.urb.actualBytes()).isEqualTo(8 * PACKET_BYTES);
    assertThat(device.sink(ISO_OUT)).isEqualTo(seen(8 * 48, 0, 0));
  }

  /** What has been done in the frames that have passed is told. */
  @Test
  void anUnlinkedIsochronousTransferHasWhatCame() {
    Transfer transfer = host.submit(in(8));
    time.advance(Duration.ofMillis(4));
    port.unlink(transfer.urb);
    time.run();
    assertThat(transfer.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(transfer.urb.packetStatus(2)).isEqualTo(UrbStatus.OK);
    assertThat(transfer.urb.packetStatus(3)).isEqualTo(UrbStatus.MISSED_FRAME);
    assertThat(transfer.urb.actualBytes()).isEqualTo(3 * PACKET_BYTES);
  }

  @Test
  void aPacketThatIsTooLongIsAnErrorOfItsOwn() {
    Transfer transfer = Transfer.isochronous(ISO_OUT, 2 * PACKET_BYTES, words(0, 96));
    host.submit(transfer);
    time.advance(Duration.ofMillis(3));
    assertThat(transfer.status()).isEqualTo(UrbStatus.OK);
    assertThat(transfer.urb.packetStatus(0)).isEqualTo(UrbStatus.OVERFLOW);
    assertThat(transfer.urb.errorCount()).isEqualTo(1);
    assertThat(device.sink(ISO_OUT)).isEqualTo(seen(0, 0, 0));
  }

  @Test
  void givesBackWhatItWasGiven() {
    byte[] data = words(7, 500);
    assertThat(host.set(0x40, 0x5b, 0, 0, data)).isEqualTo(UrbStatus.OK);
    assertThat(host.get(0xc0, 0x5c, 0, 0, data.length)).isEqualTo(data);
  }

  /** A timer for what is due, and not one for each transfer. */
  @Test
  void keepsOneTimer() {
    for (int i = 0; i < 100; i++) {
      host.submit(in(8));
      host.submit(Transfer.interrupt(INTERRUPT_IN, new byte[64]));
    }
    assertThat(time.waiting()).isEqualTo(1);
    time.advance(Duration.ofSeconds(2));
    assertThat(time.waiting()).isZero();
  }
}
