package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.TestUrbs.bulk;
import static io.netchannel.device.usb.fs.TestUrbs.bulkOut;
import static io.netchannel.device.usb.fs.TestUrbs.clearHalt;
import static io.netchannel.device.usb.fs.TestUrbs.control;
import static io.netchannel.device.usb.fs.TestUrbs.interrupt;
import static io.netchannel.device.usb.fs.TestUrbs.setConfiguration;
import static io.netchannel.device.usb.fs.TestUrbs.setInterface;
import static io.netchannel.device.usb.fs.TestUrbs.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * What {@link UmockdevTest} runs in a process of its own, where the kernel's USB is played: the
 * scenario with the name in the first argument.
 */
final class UmockdevChild {
  private static final String SOURCE = "id=1209:0003,serial=NC42";

  // As in usbdevice.c.
  private static final int VENDOR_LOG = 1;
  private static final int VENDOR_UNPLUG = 2;
  private static final int VENDOR_MEMORY = 3;
  private static final int VENDOR_ANSWER = 4;

  private interface Scenario {
    void run(UsbDevice device) throws Exception;
  }

  private static final Map<String, Scenario> SCENARIOS =
      Map.of(
          "control", UmockdevChild::controlTransfers,
          "bulk", UmockdevChild::bulkTransfers,
          "interrupt", UmockdevChild::interruptTransfers,
          "iso", UmockdevChild::isochronousTransfers,
          "special", UmockdevChild::specialRequests,
          "memory", UmockdevChild::withoutMemory,
          "discard", UmockdevChild::discards,
          "unplug", UmockdevChild::unplugged,
          "replug", UmockdevChild::pluggedAgain);

  private UmockdevChild() {}

  public static void main(String[] arguments) throws Exception {
    try (UsbfsKind kind = UsbfsKind.ofThisHost(System::nanoTime)) {
      if (arguments[0].equals("busy")) {
        assertThatThrownBy(() -> kind.open(SOURCE, UsbOpenOptions.PLAIN))
            .isInstanceOf(DeviceException.class)
            .hasMessageContaining("in use by another guest or program of this host (EBUSY)")
            .hasMessageContaining("fuser -v /dev/bus/usb/001/002");
        return;
      }
      try (UsbDevice device = kind.open(SOURCE, UsbOpenOptions.PLAIN)) {
        SCENARIOS.get(arguments[0]).run(device);
      }
    }
    System.out.println("passed " + arguments[0]);
  }

  private static void controlTransfers(UsbDevice device) {
    assertThat(device.port().incarnation()).isEqualTo(1);
    PortState.Plugged plugged = device.port().plugged().orElseThrow();
    assertThat(plugged.speed()).isEqualTo(UsbSpeed.HIGH);
    assertThat(plugged.descriptors()).hasToString("1209:0003");
    assertThat(plugged.serial()).contains("NC42");
    assertThat(plugged.configuration()).isEqualTo(1);

    Urb descriptor = done(device, control(0x80, TestUrbs.GET_DESCRIPTOR, 0x0100, 0, 64));
    assertThat(descriptor.status()).isEqualTo(UrbStatus.OK);
    assertThat(descriptor.actualBytes()).isEqualTo(18);
    assertThat(descriptor.data().get(0)).isEqualTo((byte) 18);
    assertThat(descriptor.data().get(7)).as("what it says is 9").isEqualTo((byte) 64);
    assertThat(done(device, control(0x80, 99, 0, 0, 4)).status()).isEqualTo(UrbStatus.STALL);
    assertThat(done(device, control(0, TestUrbs.SET_ADDRESS, 5, 0, 0)).status())
        .isEqualTo(UrbStatus.INVALID);
    assertThat(log(device)).isEqualTo("claim 0\nclaim 1\n");
  }

  private static void bulkTransfers(UsbDevice device) {
    assertThat(done(device, bulkOut(TestDescriptors.BULK_OUT, "there and back")).actualBytes())
        .isEqualTo(14);
    assertThat(text(done(device, bulk(TestDescriptors.BULK_IN, 512)))).isEqualTo("there and back");
    Urb shortNotOk = new Urb();
    shortNotOk.bulk(TestDescriptors.BULK_IN, ByteBuffer.allocateDirect(512), true);
    assertThat(done(device, shortNotOk).status()).isEqualTo(UrbStatus.SHORT);
    byte[] most = new byte[Urb.MAX_DATA_BYTES];
    most[most.length - 1] = 7;
    Urb large = new Urb();
    large.bulk(
        TestDescriptors.BULK_OUT, ByteBuffer.allocateDirect(most.length).put(most).flip(), false);
    assertThat(done(device, large).actualBytes()).isEqualTo(most.length);
    Urb back = done(device, bulk(TestDescriptors.BULK_IN, most.length));
    assertThat(back.actualBytes()).isEqualTo(most.length);
    assertThat(back.data().get(most.length - 1)).isEqualTo((byte) 7);
  }

  private static void interruptTransfers(UsbDevice device) {
    for (int i = 1; i <= 3; i++) {
      Urb report = done(device, interrupt(TestDescriptors.INTERRUPT_IN, 8));
      assertThat(report.actualBytes()).isEqualTo(8);
      assertThat(report.data().get(7)).isEqualTo((byte) i);
    }
  }

  private static void isochronousTransfers(UsbDevice device) {
    int packets = 8;
    int bytes = 192;
    Urb urb = new Urb();
    urb.isochronous(TestDescriptors.ISO_IN, ByteBuffer.allocateDirect(packets * bytes), 1);
    for (int i = packets - 1; i >= 0; i--) { // not one after the other
      urb.addPacket(i * bytes, bytes);
    }
    done(device, urb);
    assertThat(urb.status()).isEqualTo(UrbStatus.OK);
    assertThat(urb.actualBytes()).isEqualTo((packets - 1) * bytes);
    assertThat(urb.startFrame()).isEqualTo(77);
    assertThat(urb.errorCount()).isEqualTo(1);
    for (int i = 0; i < packets - 1; i++) {
      assertThat(urb.packetStatus(i)).isEqualTo(UrbStatus.OK);
      assertThat(urb.data().get(urb.packetOffset(i))).isEqualTo((byte) (i + 1));
      assertThat(urb.data().get(urb.packetOffset(i) + bytes - 1)).isEqualTo((byte) (i + 1));
    }
    assertThat(urb.packetStatus(packets - 1)).isEqualTo(UrbStatus.MISSED_FRAME);
    assertThat(urb.packetActualBytes(packets - 1)).isZero();
  }

  private static void specialRequests(UsbDevice device) {
    assertThat(done(device, setConfiguration(1)).status()).isEqualTo(UrbStatus.OK);
    assertThat(done(device, setInterface(1, 1)).status()).isEqualTo(UrbStatus.OK);
    assertThat(done(device, clearHalt(TestDescriptors.BULK_IN)).status()).isEqualTo(UrbStatus.OK);
    assertThat(device.port().plugged().orElseThrow().alternates()).containsEntry(1, 1);
    assertThat(device.reset().join()).isEqualTo(UrbStatus.OK);
    assertThat(done(device, setConfiguration(0)).status()).isEqualTo(UrbStatus.OK);
    assertThat(done(device, setConfiguration(1)).status()).isEqualTo(UrbStatus.OK);
    assertThat(log(device))
        .isEqualTo(
            """
            claim 0
            claim 1
            interface 101
            clear 130
            release 0
            release 1
            reset 0
            claim 0
            claim 1
            release 0
            release 1
            configuration 0
            configuration 1
            claim 0
            claim 1
            """);
  }

  private static void withoutMemory(UsbDevice device) {
    assertThat(done(device, control(0x40, VENDOR_MEMORY, 3, 0, 0)).status())
        .isEqualTo(UrbStatus.OK);
    Urb waits = done(device, bulkOut(TestDescriptors.BULK_OUT, "patience"));
    assertThat(waits.status()).isEqualTo(UrbStatus.OK);
    assertThat(text(done(device, bulk(TestDescriptors.BULK_IN, 64)))).isEqualTo("patience");
  }

  private static void discards(UsbDevice device) {
    Urb parked = bulk(TestDescriptors.PARKED_IN, 64);
    CompletableFuture<Urb> outcome = submit(device, parked);
    device.unlink(parked);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.CANCELLED);

    CompletableFuture<Urb> real = submit(device, parked);
    done(device, control(0x40, VENDOR_ANSWER, 0, 0, 0));
    device.unlink(parked); // it may have been reaped before: then that is nothing
    assertThat(text(real.join())).isEqualTo("real");
    assertThat(parked.status()).isEqualTo(UrbStatus.OK);
    assertThat(log(device)).startsWith("claim 0\nclaim 1\ndiscard 0\n");
  }

  private static void unplugged(UsbDevice device) throws InterruptedException {
    CompletableFuture<Urb> first = submit(device, bulk(TestDescriptors.PARKED_IN, 64));
    CompletableFuture<Urb> second = submit(device, bulk(TestDescriptors.PARKED_IN, 64));
    CountDownLatch told = new CountDownLatch(1);
    device.listen(
        () -> {
          if (device.port().plugged().isEmpty()) {
            assertThat(first).isDone();
            assertThat(second).isDone();
            told.countDown();
          }
        });
    assertThat(done(device, control(0x40, VENDOR_UNPLUG, 0, 0, 0)).status())
        .isEqualTo(UrbStatus.OK);
    assertThat(first.join().status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(second.join().status()).isEqualTo(UrbStatus.NO_DEVICE);
    told.await();
    assertThat(done(device, bulk(TestDescriptors.BULK_IN, 8)).status())
        .isEqualTo(UrbStatus.NO_DEVICE);
  }

  private static void pluggedAgain(UsbDevice device) throws InterruptedException {
    BlockingQueue<PortState> states = new LinkedBlockingQueue<>();
    device.listen(() -> states.add(device.port()));
    assertThat(states.take().incarnation()).isEqualTo(1);
    done(device, control(0x40, VENDOR_UNPLUG, 1, 0, 0));
    assertThat(states.take().plugged()).isEmpty();
    PortState again = states.take();
    assertThat(again.incarnation()).isEqualTo(2);
    assertThat(again.plugged()).isPresent();
    assertThat(text(done(device, bulkOut(TestDescriptors.BULK_OUT, "again")))).isEqualTo("again");
  }

  private static String log(UsbDevice device) {
    return text(done(device, control(0xc0, VENDOR_LOG, 0, 0, 4096)));
  }

  private static Urb done(UsbDevice device, Urb urb) {
    return submit(device, urb).join();
  }

  private static CompletableFuture<Urb> submit(UsbDevice device, Urb urb) {
    CompletableFuture<Urb> outcome = new CompletableFuture<>();
    device.submit(urb, device.port().incarnation(), outcome::complete);
    return outcome;
  }
}
