package io.netchannel.device.usb.redir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.soft.CounterPattern;
import io.netchannel.device.usb.soft.SoftFunction;
import io.netchannel.device.usb.soft.SoftPort;
import io.netchannel.device.usb.soft.SoftSerial;
import io.netchannel.device.usb.soft.SoftSourceSink;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Over TCP, with a device in software behind it. */
final class RedirDeviceTest {
  private static final int BULK_IN = 0x81;
  private static final int BULK_OUT = 0x01;
  private static final int INTERRUPT_IN = 0x82;
  private static final int ISO_IN = 0x83;
  private static final int ISO_OUT = 0x03;
  private static final int PACKET_BYTES = 192;

  /** Far longer than anything takes; only what never comes reaches it. */
  private static final long BOUND_SECONDS = 60;

  private final ScheduledExecutorService executor = Executors.newScheduledThreadPool(1);
  private final SoftSourceSink soft = new SoftSourceSink("NC42");

  /** Its bulk IN endpoint has never anything: what reads there waits. */
  private final SoftSerial silent = new SoftSerial("NC43", Optional.empty());

  private SoftPort port;
  private RedirHost host;
  private UsbDevice device;

  private void open(SoftFunction function) throws Exception {
    port = new SoftPort(function, executor, System::nanoTime);
    host = new RedirHost(port);
    device = opener().open("usbredir://localhost:" + host.port(), UsbOpenOptions.PLAIN);
    awaitIncarnation(1);
  }

  @AfterEach
  void close() throws Exception {
    if (device != null) {
      device.close();
      host.close();
      port.close();
    }
    executor.shutdownNow();
  }

  private static UsbOpener opener() {
    return new UsbOpener(
        ImmutableMap.of(RedirDevices.SCHEME, new RedirDevices(System::nanoTime, new Random(1))),
        ImmutableMap.of());
  }

  private void awaitIncarnation(int incarnation) throws Exception {
    await(() -> device.port().plugged().isPresent() && device.port().incarnation() == incarnation);
  }

  /** Until the port has changed so. */
  private void await(BooleanSupplier condition) throws Exception {
    Object changed = new Object();
    device.listen(
        () -> {
          synchronized (changed) {
            changed.notifyAll();
          }
        });
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(BOUND_SECONDS);
    synchronized (changed) {
      while (!condition.getAsBoolean()) {
        long left = end - System.nanoTime();
        assertThat(left).as("the port changes; " + device.problem()).isPositive();
        TimeUnit.NANOSECONDS.timedWait(changed, left);
      }
    }
  }

  private Transfer submit(Transfer transfer) {
    return transfer.submitTo(device, device.port().incarnation());
  }

  private Transfer run(Transfer transfer)
      throws InterruptedException, ExecutionException, TimeoutException {
    submit(transfer).awaitDone(BOUND_SECONDS);
    return transfer;
  }

  private void set(int type, int request, int value, int index) throws Exception {
    assertThat(run(Transfer.control(type, request, value, index, 0)).status())
        .isEqualTo(UrbStatus.OK);
  }

  private static byte[] words(int first, int count) {
    ByteBuffer words = ByteBuffer.allocate(count * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      words.putInt(first + i);
    }
    return words.array();
  }

  @Test
  void isTheDeviceThatThePeerHas() throws Exception {
    open(soft);
    assertThat(device.port().plugged().orElseThrow().descriptors())
        .isEqualTo(port.port().plugged().orElseThrow().descriptors());
    assertThat(device.port().plugged().orElseThrow().serial()).contains("NC42");
    assertThat(device.port().plugged().orElseThrow().configuration()).isEqualTo(1);
    assertThat(run(Transfer.control(0x80, 6, 0x100, 0, 18, new byte[18])).data()).hasSize(18);
    assertThat(run(Transfer.control(0xc0, 0x77, 0, 0, 8, new byte[8])).status())
        .isEqualTo(UrbStatus.STALL);
    assertThat(device.problem()).isEmpty();
  }

  @Test
  void streamsHaveNeitherGapsNorRepeats() throws Exception {
    open(soft);
    List<Transfer> reads = new ArrayList<>();
    List<Transfer> writes = new ArrayList<>();
    for (int i = 0; i < 32; i++) {
      reads.add(submit(Transfer.bulk(BULK_IN, new byte[65_536])));
      writes.add(submit(Transfer.bulk(BULK_OUT, words(i * 16_384, 16_384))));
    }
    for (int i = 0; i < 32; i++) {
      reads.get(i).awaitDone(BOUND_SECONDS);
      writes.get(i).awaitDone(BOUND_SECONDS);
      assertThat(reads.get(i).data()).isEqualTo(words(i * 16_384, 16_384));
      assertThat(writes.get(i).status()).isEqualTo(UrbStatus.OK);
    }
    assertThat(soft.sink(BULK_OUT)).isEqualTo(new CounterPattern.Counts(32 * 16_384, 0, 0));
    for (int i = 0; i < 50; i++) {
      assertThat(run(Transfer.interrupt(INTERRUPT_IN, new byte[64])).data())
          .isEqualTo(words(i * 16, 16));
    }
  }

  @Test
  void isochronousStreamsRunBothWays() throws Exception {
    open(soft);
    set(1, 11, 1, 0);
    assertThat(device.port().plugged().orElseThrow().alternates()).containsEntry(0, 1);
    List<Transfer> reads = new ArrayList<>();
    List<Transfer> writes = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      reads.add(submit(Transfer.isochronous(ISO_IN, PACKET_BYTES, new byte[8 * PACKET_BYTES])));
      writes.add(submit(Transfer.isochronous(ISO_OUT, PACKET_BYTES, words(i * 8 * 48, 8 * 48))));
    }
    int last = -1;
    for (int i = 0; i < 4; i++) {
      reads.get(i).awaitDone(BOUND_SECONDS);
      writes.get(i).awaitDone(BOUND_SECONDS);
      // Each packet is one of the device's, and later than the one before: a busy machine may miss
      // frames, as the device's clock is the real one.
      ByteBuffer heard = ByteBuffer.wrap(reads.get(i).data()).order(ByteOrder.LITTLE_ENDIAN);
      assertThat(heard.remaining()).isEqualTo(8 * PACKET_BYTES);
      for (int at = 0; at < heard.limit(); at += PACKET_BYTES) {
        int first = heard.getInt(at);
        assertThat(first).isGreaterThan(last);
        last = first + PACKET_BYTES / 4 - 1;
        assertThat(heard.getInt(at + PACKET_BYTES - 4)).isEqualTo(last);
      }
      assertThat(writes.get(i).urb.actualBytes()).isEqualTo(8 * PACKET_BYTES);
    }
  }

  @Test
  void whatWaitsIsUnlinked() throws Exception {
    open(silent);
    Transfer zero = submit(Transfer.bulk(0x77, new byte[8]));
    zero.awaitDone(BOUND_SECONDS);
    assertThat(zero.status()).isEqualTo(UrbStatus.INVALID);
    Transfer waiting = submit(Transfer.bulk(BULK_IN, new byte[512]));
    device.unlink(waiting.urb);
    waiting.awaitDone(BOUND_SECONDS);
    assertThat(waiting.status()).isEqualTo(UrbStatus.CANCELLED);
    device.unlink(waiting.urb);
    assertThat(device.reset().get(BOUND_SECONDS, TimeUnit.SECONDS)).isEqualTo(UrbStatus.OK);
  }

  @Test
  void aDeviceIsUnpluggedAndPluggedAgain() throws Exception {
    open(silent);
    Transfer waiting = submit(Transfer.bulk(BULK_IN, new byte[512]));
    port.unplug();
    await(() -> device.port().plugged().isEmpty());
    waiting.awaitDone(BOUND_SECONDS);
    assertThat(waiting.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(run(Transfer.bulk(BULK_IN, new byte[4])).status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(device.reset().get(BOUND_SECONDS, TimeUnit.SECONDS)).isEqualTo(UrbStatus.NO_DEVICE);
    port.plug();
    awaitIncarnation(2);
    assertThat(run(Transfer.control(0x80, 8, 0, 0, 1, new byte[1])).data()).containsExactly(1);
  }

  @Test
  void aLostConnectionIsMadeAgain() throws Exception {
    open(silent);
    Transfer waiting = submit(Transfer.bulk(BULK_IN, new byte[512]));
    host.cut();
    awaitIncarnation(2);
    waiting.awaitDone(BOUND_SECONDS);
    assertThat(waiting.status()).isEqualTo(UrbStatus.NO_DEVICE);
    Transfer old = Transfer.bulk(BULK_IN, new byte[4]).submitTo(device, 1);
    old.awaitDone(BOUND_SECONDS);
    assertThat(old.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(run(Transfer.control(0x80, 8, 0, 0, 1, new byte[1])).data()).containsExactly(1);
    assertThat(device.problem()).isEmpty();
  }

  @Test
  void aPeerThatSpeaksSomethingElseIsNamed() throws Exception {
    open(silent);
    host.answerWith(
        Optional.of("HTTP/1.1 400 Bad Request\r\n".getBytes(StandardCharsets.US_ASCII)));
    host.cut();
    await(() -> device.port().plugged().isEmpty());
    String expected = "usbredir://localhost:%d: expected a packet".formatted(host.port());
    // Between two attempts it may be another one for a moment: the nonsense is on its way.
    Waiting.until(
        "it is named",
        () -> device.problem().filter(words -> words.startsWith(expected)).isPresent());
    assertThat(run(Transfer.bulk(BULK_IN, new byte[4])).status()).isEqualTo(UrbStatus.NO_DEVICE);
    host.answerWith(Optional.empty());
    awaitIncarnation(2);
  }

  @Test
  void whenItIsClosedAllIsComplete() throws Exception {
    open(silent);
    Transfer waiting = submit(Transfer.bulk(BULK_IN, new byte[512]));
    device.close();
    assertThat(waiting.status()).isEqualTo(UrbStatus.NO_DEVICE);
    device.close();
    assertThat(run(Transfer.bulk(BULK_IN, new byte[4])).status()).isEqualTo(UrbStatus.NO_DEVICE);
  }

  @ParameterizedTest
  @CsvSource({
    "'usbredir:hosta:4000', 'expected usbredir://HOST:PORT'",
    "'usbredir://hosta', 'expected a port, as usbredir://hosta:4000'",
    "'usbredir://:4000', 'no host'",
    "'usbredir://hosta:x', 'usbredir://hosta:x'",
  })
  void saysWhatIsWrongWithAnAddress(String source, String words) {
    assertThatThrownBy(() -> opener().check(source))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(words);
  }
}
