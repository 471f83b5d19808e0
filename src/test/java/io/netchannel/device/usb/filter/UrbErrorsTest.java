package io.netchannel.device.usb.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import io.netchannel.device.usb.soft.SoftPort;
import io.netchannel.device.usb.soft.SoftSourceSink;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class UrbErrorsTest {
  private static final int BULK_OUT = 0x01;
  private static final int ISO_IN = 0x83;

  private final VirtualTime time = new VirtualTime();
  private final SoftSourceSink device = new SoftSourceSink("S");
  private final SoftPort port = new SoftPort(device, time, time::nanoTime);

  @BeforeEach
  void enumerate() {
    UsbHost host = new UsbHost(port, time);
    host.enumerate();
    assertThat(host.set(1, 11, 1, 0)).isEqualTo(UrbStatus.OK);
  }

  @AfterEach
  void close() {
    port.close();
  }

  private UsbHost through(String options) throws Exception {
    return new UsbHost(UrbErrors.parse(options, time).around(port), time);
  }

  private static Transfer write() {
    return Transfer.bulk(BULK_OUT, new byte[4]);
  }

  @Test
  void everyNthFailsAndNeverReachesTheDevice() throws Exception {
    UsbHost host = through("bulk=3,kind=stall");
    List<UrbStatus> outcomes = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      outcomes.add(host.submit(write()).status());
    }
    assertThat(outcomes)
        .containsExactly(
            UrbStatus.OK,
            UrbStatus.OK,
            UrbStatus.STALL,
            UrbStatus.OK,
            UrbStatus.OK,
            UrbStatus.STALL);
    assertThat(device.sink(BULK_OUT).words()).isEqualTo(4);
    assertThat(host.get(0x80, 8, 0, 0, 1)).as("other types go through").containsExactly(1);
  }

  @Test
  void isochronousPacketsFailInTheirFrames() throws Exception {
    UsbHost host = through("iso=2");
    Transfer good = host.submit(Transfer.isochronous(ISO_IN, 192, new byte[384]));
    Transfer bad = host.submit(Transfer.isochronous(ISO_IN, 192, new byte[384]));
    time.advance(Duration.ofMillis(4));
    assertThat(bad.isDone()).isFalse();
    time.advance(Duration.ofMillis(1));
    assertThat(good.data()).hasSize(384);
    assertThat(bad.status()).isEqualTo(UrbStatus.OK);
    assertThat(bad.urb.actualBytes()).isZero();
    assertThat(bad.urb.errorCount()).isEqualTo(2);
    assertThat(bad.urb.packetStatus(1)).isEqualTo(UrbStatus.PROTOCOL);
    assertThat(bad.urb.startFrame()).isEqualTo(good.urb.startFrame() + 2);
  }

  @Test
  void whereNothingIsPluggedThatIsTheReason() throws Exception {
    UsbHost host = through("bulk=1");
    Transfer failing = write().submitTo(UrbErrors.parse("bulk=1", time).around(port), 1);
    port.unplug();
    time.run();
    assertThat(failing.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(host.submit(write()).status()).isEqualTo(UrbStatus.NO_DEVICE);
  }

  @Test
  void oneThatIsAboutToFailMayBeUnlinked() throws Exception {
    UsbDevice failing = UrbErrors.parse("bulk=1", time).around(port);
    Transfer transfer = write().submitTo(failing, 1);
    failing.unlink(transfer.urb);
    time.run();
    assertThat(transfer.status()).isEqualTo(UrbStatus.CANCELLED);
    Transfer last = write().submitTo(failing, 1);
    failing.close();
    assertThat(last.status()).isEqualTo(UrbStatus.PROTOCOL);
    time.run();
  }

  @ParameterizedTest
  @CsvSource({
    "'bulk=0', 'filter error: bulk=0 is neither a whole number from 1'",
    "'bulk=1.5', 'nor a probability between 0 and 1'",
    "'kind=eio', 'filter error: kind=eio is unknown; known are protocol, stall and overflow'",
    "'write=1', 'its options are: control, bulk, interrupt, iso, kind, seed'",
  })
  void saysWhatIsWrongWithItsOptions(String options, String words) {
    assertThatThrownBy(() -> UrbErrors.parse(options, time))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(words);
  }
}
