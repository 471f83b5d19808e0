package io.netchannel.device.usb.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import io.netchannel.device.usb.soft.CounterPattern;
import io.netchannel.device.usb.soft.SoftPort;
import io.netchannel.device.usb.soft.SoftSourceSink;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class UrbDelayTest {
  private static final int BULK_IN = 0x81;
  private static final int BULK_OUT = 0x01;
  private static final int INTERRUPT_OUT = 0x02;

  private final VirtualTime time = new VirtualTime();
  private final SoftSourceSink device = new SoftSourceSink("S");
  private final SoftPort port = new SoftPort(device, time, time::nanoTime);

  @AfterEach
  void close() {
    port.close();
  }

  private UsbDevice slow(String options) throws Exception {
    new UsbHost(port, time).enumerate();
    return UrbDelay.parse(options, time).around(port);
  }

  private static byte[] word(int number) {
    byte[] word = new byte[4];
    ByteBuffer.wrap(word).putInt(Integer.reverseBytes(number));
    return word;
  }

  private void pass(long millis) {
    time.advance(Duration.ofMillis(millis));
  }

  @Test
  void eachTypeIsHeldForItsTime() throws Exception {
    UsbDevice slow = slow("control=10ms,bulk=20ms");
    Transfer control = Transfer.control(0x80, 8, 0, 0, 1, new byte[1]).submitTo(slow, 1);
    Transfer bulk = Transfer.bulk(BULK_OUT, word(0)).submitTo(slow, 1);
    Transfer interrupt = Transfer.interrupt(INTERRUPT_OUT, word(0)).submitTo(slow, 1);
    pass(0);
    assertThat(interrupt.isDone()).isTrue();
    pass(9);
    assertThat(control.isDone()).isFalse();
    pass(1);
    assertThat(control.data()).containsExactly(1);
    pass(9);
    assertThat(bulk.isDone()).isFalse();
    assertThat(device.sink(BULK_OUT).words()).as("held before the device").isZero();
    pass(1);
    assertThat(bulk.status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void jitterLeavesTheOrderOfAnEndpoint() throws Exception {
    UsbDevice slow = slow("bulk=1ms,jitter=50ms,seed=3");
    List<Transfer> all = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      all.add(Transfer.bulk(BULK_OUT, word(i)).submitTo(slow, 1));
      pass(1);
    }
    assertThat(all.stream().filter(Transfer::isDone).count()).isBetween(150L, 199L);
    pass(50);
    assertThat(all.stream().allMatch(Transfer::isDone)).isTrue();
    assertThat(device.sink(BULK_OUT)).isEqualTo(new CounterPattern.Counts(200, 0, 0));
  }

  @Test
  void anUnlinkedOneNeverReachesTheDevice() throws Exception {
    UsbDevice slow = slow("bulk=20ms");
    Transfer first = Transfer.bulk(BULK_OUT, word(7)).submitTo(slow, 1);
    Transfer second = Transfer.bulk(BULK_OUT, word(0)).submitTo(slow, 1);
    pass(5);
    slow.unlink(first.urb);
    assertThat(first.isDone()).as("completed within unlink").isFalse();
    slow.unlink(first.urb);
    pass(0);
    assertThat(first.status()).isEqualTo(UrbStatus.CANCELLED);
    pass(100);
    assertThat(second.status()).isEqualTo(UrbStatus.OK);
    assertThat(device.sink(BULK_OUT)).isEqualTo(new CounterPattern.Counts(1, 0, 0));
  }

  /** A URB may be submitted again as soon as it is its owner's, and is another one then. */
  @Test
  void anUnlinkedOneMayBeSubmittedAgain() throws Exception {
    UsbDevice slow = slow("bulk=20ms");
    Transfer transfer = Transfer.bulk(BULK_OUT, word(0));
    int[] completions = new int[1];
    slow.submit(transfer.urb, 1, urb -> completions[0]++);
    pass(15);
    slow.unlink(transfer.urb);
    pass(0);
    transfer.submitTo(slow, 1);
    pass(10);
    assertThat(transfer.isDone()).as("released by the time of the one before").isFalse();
    pass(10);
    assertThat(transfer.status()).isEqualTo(UrbStatus.OK);
    assertThat(completions[0]).isEqualTo(1);
  }

  @Test
  void oneThatHasGoneOnIsUnlinkedThere() throws Exception {
    UsbDevice slow = slow("interrupt=5ms");
    Transfer waiting = Transfer.interrupt(0x82, new byte[64]).submitTo(slow, 1);
    port.unplug();
    port.plug();
    new UsbHost(port, time).enumerate();
    pass(5);
    assertThat(waiting.status()).as("of an older incarnation").isEqualTo(UrbStatus.NO_DEVICE);
    Transfer other = Transfer.interrupt(0x82, new byte[64]).submitTo(slow, 2);
    pass(5);
    Transfer second = Transfer.interrupt(0x82, new byte[64]).submitTo(slow, 2);
    Transfer third = Transfer.interrupt(0x82, new byte[64]).submitTo(slow, 2);
    assertThat(other.isDone()).isTrue();
    pass(5);
    slow.unlink(third.urb);
    pass(0);
    assertThat(second.status()).isEqualTo(UrbStatus.OK);
    assertThat(third.status()).isEqualTo(UrbStatus.CANCELLED);
  }

  @Test
  void unpluggingEndsWhatIsHeldBeforeItIsTold() throws Exception {
    UsbDevice slow = slow("bulk=20ms");
    List<Boolean> told = new ArrayList<>();
    Transfer held = Transfer.bulk(BULK_IN, new byte[4]).submitTo(slow, 1);
    slow.listen(() -> told.add(held.isDone()));
    port.unplug();
    time.run();
    assertThat(told).containsExactly(false, true);
    assertThat(held.status()).isEqualTo(UrbStatus.NO_DEVICE);
    pass(20);
  }

  @Test
  void aResetEndsWhatIsHeld() throws Exception {
    UsbDevice slow = slow("bulk=20ms");
    Transfer held = Transfer.bulk(BULK_OUT, word(0)).submitTo(slow, 1);
    CompletableFuture<UrbStatus> reset = slow.reset();
    pass(0);
    assertThat(held.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(reset).isCompletedWithValue(UrbStatus.OK);
    pass(20);
  }

  @Test
  void whenItIsClosedAllIsComplete() throws Exception {
    UsbDevice slow = slow("bulk=20ms");
    Transfer held = Transfer.bulk(BULK_OUT, word(0)).submitTo(slow, 1);
    slow.close();
    assertThat(held.isDone()).isTrue();
    pass(20);
  }

  @ParameterizedTest
  @CsvSource({
    "'bulk=soon', 'filter delay: bulk=soon is not a duration such as'",
    "'read=1s', 'filter delay has no option \"read\"; its options are: control, bulk, interrupt'",
    "'iso', 'filter delay: \"iso\" is not name=value'",
  })
  void saysWhatIsWrongWithItsOptions(String options, String words) {
    assertThatThrownBy(() -> UrbDelay.parse(options, time))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(words);
  }
}
