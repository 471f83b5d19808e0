package io.netchannel.device.usb.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.VirtualTime;
import io.netchannel.device.usb.soft.SoftPort;
import io.netchannel.device.usb.soft.SoftSourceSink;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class UrbTraceTest {
  private static final Clock CLOCK = Clock.fixed(Instant.ofEpochSecond(1), ZoneOffset.UTC);

  @TempDir Path directory;
  private final VirtualTime time = new VirtualTime();
  private final SoftPort port = new SoftPort(new SoftSourceSink("S"), time, time::nanoTime);

  @Test
  void eachUrbHasItsLines() throws Exception {
    Path path = directory.resolve("usb.jsonl");
    UsbOpener opener =
        new UsbOpener(
            ImmutableMap.of("model", (text, options) -> port), UrbFilters.all(time, CLOCK));
    UsbDevice traced =
        opener.open("trace:" + path + "!delay:bulk=1ms!model:", UsbOpenOptions.PLAIN);
    traced.listen(() -> {});
    UsbHost host = new UsbHost(traced, time);
    assertThat(host.set(0, 9, 1, 0)).isEqualTo(UrbStatus.OK);
    assertThat(host.set(1, 11, 1, 0)).isEqualTo(UrbStatus.OK);
    Transfer bulk = host.submit(Transfer.bulk(0x81, new byte[100]));
    traced.unlink(bulk.urb);
    time.run();
    host.submit(Transfer.isochronous(0x83, 192, new byte[4 * 192]));
    time.advance(Duration.ofMillis(5));
    assertThat(traced.reset()).isNotNull();
    time.run();
    port.unplug();
    time.run();
    traced.close();
    traced.close();

    assertThat(Files.readAllLines(path))
        .containsExactly(
            line("'e':'port','incarnation':1,'device':'1209:0004','speed':'480M'"),
            begin(1, "control", "0x00", 0, ",'setup':'0009010000000000'"),
            end(1, "control", "0x00", 0, "ok", ""),
            begin(2, "control", "0x00", 0, ",'setup':'010b010000000000'"),
            end(2, "control", "0x00", 0, "ok", ""),
            begin(3, "bulk", "0x81", 100, ""),
            line("'e':'unlink','n':3"),
            end(3, "bulk", "0x81", 0, "cancelled", ""),
            begin(4, "isochronous", "0x83", 768, ",'packets':4"),
            end(4, "isochronous", "0x83", 768, "ok", ",'failed':0"),
            line("'e':'reset'"),
            line("'e':'port','incarnation':1"),
            line("'e':'close'"));
    for (String line : Files.readAllLines(path)) {
      assertThat(new ObjectMapper().readTree(line).get("t").asLong()).isEqualTo(1_000_000);
    }
  }

  private static String begin(int number, String type, String endpoint, int bytes, String more) {
    return line("'e':'begin'," + what(number, type, endpoint, bytes) + more);
  }

  private static String end(
      int number, String type, String endpoint, int bytes, String status, String more) {
    return line(
        "'e':'end'," + what(number, type, endpoint, bytes) + ",'status':'" + status + "'" + more);
  }

  private static String what(int number, String type, String endpoint, int bytes) {
    return "'n':%d,'type':'%s','ep':'%s','len':%d".formatted(number, type, endpoint, bytes);
  }

  private static String line(String fields) {
    return "{'t':1000000,%s}".formatted(fields).replace('\'', '"');
  }

  @Test
  void needsAnAbsolutePathThatCanBeWritten() throws Exception {
    assertThatThrownBy(() -> UrbTrace.parse("usb.jsonl", CLOCK))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("needs an absolute path, not \"usb.jsonl\"");
    assertThatThrownBy(() -> UrbTrace.parse(directory + "/none/x", CLOCK).around(port))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("cannot be opened");
    port.close();
  }
}
