package io.netchannel.device.usb.redir;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.device.usb.fs.PlayedDevice;
import io.netchannel.xen.Waiting;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The real {@code usbredirect} (Debian package usbredirect), to which a device is played. */
final class UsbredirectTest {
  private static final int INTERRUPT_IN = 0x81;
  private static final int BULK_OUT = 0x02;
  private static final int BULK_IN = 0x82;
  private static final int PARKED_IN = 0x83;

  // As in usbdevice.c.
  private static final int VENDOR_UNPLUG = 2;
  private static final int VENDOR_ANSWER = 4;
  private static final int VENDOR_REPORT = 5;

  /** Far longer than anything takes; only what never comes reaches it. */
  private static final long BOUND_SECONDS = 60;

  @TempDir private static Path directory;
  private static PlayedDevice played;

  private Path output;
  private Process peer;
  private UsbDevice device;

  @BeforeAll
  static void compile() throws Exception {
    played = PlayedDevice.compile(directory);
  }

  @BeforeEach
  void open() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    String address = "127.0.0.1:" + port;
    output = Files.createTempFile(directory, "usbredirect", ".txt");
    peer = played.start(output, "usbredirect", "--device", "1209:0003", "--as", address);
    UsbOpener opener =
        new UsbOpener(
            ImmutableMap.of(RedirDevices.SCHEME, new RedirDevices(System::nanoTime, new Random(1))),
            ImmutableMap.of());
    device = opener.open("usbredir://" + address, UsbOpenOptions.PLAIN);
    Waiting.until(
        "its device is there",
        () -> {
          assertThat(peer.isAlive()).as(said()).isTrue();
          return device.port().plugged().isPresent();
        });
  }

  @AfterEach
  void close() {
    device.close();
    PlayedDevice.end(peer);
  }

  private String said() {
    try {
      return "usbredirect runs; it has said: " + Files.readString(output);
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private Transfer submit(Transfer transfer) {
    return transfer.submitTo(device, device.port().incarnation());
  }

  private Transfer run(Transfer transfer) throws Exception {
    submit(transfer).awaitDone(BOUND_SECONDS);
    return transfer;
  }

  private void vendor(int request, int value) throws Exception {
    assertThat(run(Transfer.control(0x40, request, value, 0, 0)).status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void showsWhatItHas() throws Exception {
    PortState.Plugged plugged = device.port().plugged().orElseThrow();
    assertThat(plugged.descriptors()).hasToString("1209:0003");
    assertThat(plugged.speed()).as("of one at SuperSpeed").isEqualTo(UsbSpeed.HIGH);
    assertThat(plugged.configuration()).isEqualTo(1);
    assertThat(device.problem()).isEmpty();
  }

  @Test
  void controlTransfersGoThrough() throws Exception {
    byte[] descriptor = run(Transfer.control(0x80, 6, 0x100, 0, 18, new byte[18])).data();
    assertThat(descriptor).hasSize(18).startsWith(18, 1).endsWith(1, 2, 3, 1);
    assertThat(run(Transfer.control(0xc0, 99, 0, 0, 4, new byte[4])).status())
        .isEqualTo(UrbStatus.STALL);
    assertThat(run(Transfer.control(1, 11, 1, 1, 0)).status())
        .as("SET_INTERFACE")
        .isEqualTo(UrbStatus.OK);
    assertThat(device.port().plugged().orElseThrow().alternates()).containsEntry(1, 1);
  }

  @Test
  void bulkTransfersGoThrough() throws Exception {
    byte[] data = new byte[4096];
    new Random(5).nextBytes(data);
    Transfer out = run(Transfer.bulk(BULK_OUT, data));
    assertThat(out.status()).isEqualTo(UrbStatus.OK);
    assertThat(out.urb.actualBytes()).isEqualTo(4096);
    assertThat(run(Transfer.bulk(BULK_IN, new byte[4096])).data()).isEqualTo(data);
    Transfer part = run(Transfer.bulk(BULK_IN, new byte[100]));
    assertThat(part.data()).isEqualTo(Arrays.copyOf(data, 100));
    Transfer whole = run(Transfer.wholeBulk(BULK_IN, 8192));
    assertThat(whole.status()).isEqualTo(UrbStatus.SHORT);
    assertThat(whole.data()).isEqualTo(data);
  }

  @Test
  void reportsComeOnceAndInTheirOrder() throws Exception {
    vendor(VENDOR_REPORT, 0);
    for (int number = 1; number <= 5; number++) {
      Transfer report = submit(Transfer.interrupt(INTERRUPT_IN, new byte[8]));
      vendor(VENDOR_REPORT, 1);
      report.awaitDone(BOUND_SECONDS);
      assertThat(report.data()).containsExactly(0, 0, 4, 0, 0, 0, 0, number);
    }
    Transfer none = submit(Transfer.interrupt(INTERRUPT_IN, new byte[8]));
    vendor(VENDOR_REPORT, 0);
    device.unlink(none.urb);
    none.awaitDone(BOUND_SECONDS);
    assertThat(none.status()).isEqualTo(UrbStatus.CANCELLED);
  }

  @Test
  void whatWaitsIsUnlinkedOrAnswered() throws Exception {
    Transfer given = submit(Transfer.bulk(PARKED_IN, new byte[64]));
    device.unlink(given.urb);
    given.awaitDone(BOUND_SECONDS);
    assertThat(given.status()).isEqualTo(UrbStatus.CANCELLED);
    Transfer waits = submit(Transfer.bulk(PARKED_IN, new byte[64]));
    vendor(VENDOR_ANSWER, 0);
    waits.awaitDone(BOUND_SECONDS);
    assertThat(new String(waits.data(), StandardCharsets.US_ASCII)).isEqualTo("real");
  }

  @Test
  void whatIsUnpluggedIsTold() throws Exception {
    Transfer waits = submit(Transfer.bulk(PARKED_IN, new byte[64]));
    submit(Transfer.control(0x40, VENDOR_UNPLUG, 0, 0, 0)).awaitDone(BOUND_SECONDS);
    waits.awaitDone(BOUND_SECONDS);
    assertThat(waits.status()).isEqualTo(UrbStatus.NO_DEVICE);
    Waiting.until("it is told", () -> device.port().plugged().isEmpty());
    assertThat(run(Transfer.bulk(BULK_IN, new byte[8])).status()).isEqualTo(UrbStatus.NO_DEVICE);
  }
}
