package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is the same for every device, shown with a keyboard. */
final class SoftPortTest {
  private static final int IN = 0x81;

  private final VirtualTime time = new VirtualTime();
  private final SoftKeyboard keyboard = new SoftKeyboard("S", Optional.empty());
  private final SoftPort port = new SoftPort(keyboard, time, time::nanoTime);
  private final UsbHost host = new UsbHost(port, time);

  @BeforeEach
  void enumerate() {
    host.enumerate();
  }

  @AfterEach
  void close() {
    port.close();
  }

  private Transfer read() {
    return Transfer.interrupt(IN, new byte[8]);
  }

  @Test
  void aTransferWaitsUntilThereIsSomething() {
    Transfer first = host.submit(read());
    Transfer second = host.submit(read());
    assertThat(first.isDone()).isFalse();
    keyboard.type("a");
    time.run();
    assertThat(first.data()).containsExactly(0, 0, 4, 0, 0, 0, 0, 0);
    assertThat(second.data()).containsOnly(0);
  }

  @Test
  void anUnlinkedTransferIsCancelledOnceAndTheNextGoesOn() {
    Transfer first = host.submit(read());
    Transfer second = host.submit(read());
    port.unlink(first.urb);
    assertThat(first.isDone()).as("completed within unlink").isFalse();
    port.unlink(first.urb);
    time.run();
    assertThat(first.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(first.urb.actualBytes()).isZero();
    keyboard.type("a");
    time.run();
    assertThat(second.data()).contains(4);
    port.unlink(second.urb);
    time.run();
    assertThat(second.status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void aHaltedEndpointStallsUntilItIsCleared() {
    Transfer waiting = host.submit(read());
    assertThat(host.set(2, 3, 0, IN)).isEqualTo(UrbStatus.OK);
    assertThat(waiting.status()).isEqualTo(UrbStatus.STALL);
    assertThat(host.submit(read()).status()).isEqualTo(UrbStatus.STALL);
    assertThat(host.get(0x82, 0, 0, IN, 2)).containsExactly(1, 0);
    assertThat(port.port().plugged().orElseThrow().halted()).containsExactly(IN);
    assertThat(host.set(2, 1, 0, IN)).isEqualTo(UrbStatus.OK);
    assertThat(host.get(0x82, 0, 0, IN, 2)).containsExactly(0, 0);
    assertThat(host.submit(read()).isDone()).isFalse();
  }

  @Test
  void whatDoesNotFitTheEndpointIsInvalid() {
    assertThat(host.submit(Transfer.bulk(IN, new byte[8])).status()).isEqualTo(UrbStatus.INVALID);
    assertThat(host.submit(Transfer.bulk(0x05, new byte[8])).status()).isEqualTo(UrbStatus.INVALID);
    host.set(0, 9, 0, 0);
    assertThat(host.submit(read()).status()).isEqualTo(UrbStatus.INVALID);
  }

  @Test
  void moreThanThereIsRoomForIsAnOverflow() {
    Transfer small = host.submit(Transfer.interrupt(IN, new byte[3]));
    keyboard.type("a");
    time.run();
    assertThat(small.status()).isEqualTo(UrbStatus.OVERFLOW);
    assertThat(small.data()).containsExactly(0, 0, 4);
  }

  @Test
  void unpluggingEndsAllBeforeItIsTold() {
    List<String> told = new ArrayList<>();
    Transfer waiting = host.submit(read());
    port.listen(() -> told.add(port.port().plugged().isPresent() + " " + waiting.isDone()));
    assertThat(told).containsExactly("true false");
    port.unplug();
    time.run();
    assertThat(told).containsExactly("true false", "false true");
    assertThat(waiting.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(host.submit(read()).status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(port.port()).isEqualTo(new PortState(1, Optional.empty()));

    port.plug();
    time.run();
    assertThat(told).hasSize(3).last().isEqualTo("true true");
    assertThat(port.port().incarnation()).isEqualTo(2);
    assertThat(port.port().plugged().orElseThrow().configuration()).isZero();
    Transfer late = Transfer.interrupt(IN, new byte[8]).submitTo(port, 1);
    time.run();
    assertThat(late.status()).isEqualTo(UrbStatus.NO_DEVICE);
  }

  @Test
  void aResetCancelsAllAndForgetsWhatWasSet() {
    Transfer waiting = host.submit(read());
    CompletableFuture<UrbStatus> reset = port.reset();
    assertThat(reset).isNotDone();
    time.run();
    assertThat(waiting.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(reset).isCompletedWithValue(UrbStatus.OK);
    assertThat(port.port().plugged().orElseThrow().configuration()).isZero();
    port.unplug();
    CompletableFuture<UrbStatus> ofNothing = port.reset();
    time.run();
    assertThat(ofNothing).isCompletedWithValue(UrbStatus.NO_DEVICE);
  }

  @Test
  void whenItIsClosedAllIsComplete() {
    Transfer waiting = host.submit(read());
    keyboard.type("a");
    port.close();
    assertThat(waiting.status()).isEqualTo(UrbStatus.OK);
    Transfer late = host.submit(read());
    assertThat(late.status()).isEqualTo(UrbStatus.NO_DEVICE);
    port.close();
    port.plug();
    assertThat(port.port().plugged()).isEmpty();
  }

  @Test
  void anAnswerIsCutToWhatWasAskedFor() {
    Transfer small = host.submit(Transfer.control(0x80, 6, 0x100, 0, 18, new byte[4]));
    assertThat(small.data()).containsExactly(18, 1, 0x10, 1);
    Transfer large = host.submit(Transfer.control(0x80, 6, 0x100, 0, 64, new byte[64]));
    assertThat(large.data()).hasSize(18);
  }
}
