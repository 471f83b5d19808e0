package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Descriptors.Endpoint;
import io.netchannel.device.usb.Descriptors.Interface;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.device.usb.VirtualTime;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every device is enumerated as Linux does it, and has descriptors that are right by themselves.
 */
final class EnumerationTest {
  private final VirtualTime time = new VirtualTime();

  static Stream<SoftFunction> devices() {
    return Stream.of(
        new SoftKeyboard("S1", Optional.empty()),
        new SoftSerial("S2", Optional.empty()),
        new SoftStick("S3", new MemoryStorage(1 << 20)),
        new SoftSourceSink("S4"),
        new SoftAudio("S5"));
  }

  @ParameterizedTest
  @MethodSource("devices")
  void isEnumerated(SoftFunction function) {
    try (SoftPort port = new SoftPort(function, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      Descriptors read = host.enumerate();
      PortState.Plugged plugged = port.port().plugged().orElseThrow();
      assertThat(plugged.descriptors()).isEqualTo(read);
      assertThat(plugged.configuration()).isEqualTo(1);
      assertThat(read.vendor()).isEqualTo(0x1209);
      assertThat(string(host, 3)).isEqualTo(plugged.serial().orElseThrow());
      assertThat(string(host, 2)).isEqualTo(function.model().product());
      assertThat(string(host, 1)).isEqualTo("Netchannel");
      assertThat(host.get(0x80, 8, 0, 0, 1)).containsExactly(1);
    }
  }

  private static String string(UsbHost host, int index) {
    byte[] descriptor = host.descriptor(3, index, 255);
    assertThat(descriptor).startsWith(descriptor.length, 3);
    return new String(descriptor, 2, descriptor.length - 2, StandardCharsets.UTF_16LE);
  }

  /** What Linux' parser repairs or refuses (drivers/usb/core/config.c). */
  @ParameterizedTest
  @MethodSource("devices")
  void descriptorsAreRight(SoftFunction function) {
    Descriptors descriptors = function.model().descriptors();
    byte[] bytes = descriptors.bytes();
    int endpoints = 0;
    int announced = 0;
    int at = 0;
    while (at < bytes.length) {
      assertThat((int) bytes[at]).as("length of the descriptor at %s", at).isGreaterThan(1);
      announced += bytes[at + 1] == 4 ? bytes[at + 4] : 0;
      endpoints += bytes[at + 1] == 5 ? 1 : 0;
      at += bytes[at];
    }
    assertThat(at).isEqualTo(bytes.length);
    assertThat(endpoints).isEqualTo(announced);
    UsbSpeed speed = function.model().speed();
    for (Interface setting : descriptors.configurations().get(0).interfaces()) {
      for (Endpoint endpoint : setting.endpoints()) {
        check(speed, setting, endpoint);
      }
    }
  }

  private static void check(UsbSpeed speed, Interface setting, Endpoint endpoint) {
    boolean isHigh = speed == UsbSpeed.HIGH;
    int bytes = endpoint.maxPacketBytes();
    switch (endpoint.type()) {
      case CONTROL -> throw new AssertionError("no endpoint but 0 is of control");
      case BULK -> assertThat(bytes).isEqualTo(isHigh ? 512 : 64);
      case INTERRUPT -> {
        assertThat(bytes).isBetween(1, isHigh ? 1024 : 64);
        assertThat(endpoint.interval()).isBetween(1, isHigh ? 16 : 255);
      }
      case ISOCHRONOUS -> {
        assertThat(bytes).isBetween(1, isHigh ? 1024 : 1023);
        assertThat(endpoint.interval()).isBetween(1, 16);
        // USB 2.0, 5.6.3: the default setting takes nothing of the bus for itself
        assertThat(setting.alternate()).isPositive();
      }
    }
  }

  /** USB 2.0, 9.4: what it does not know it refuses, and goes on. */
  @ParameterizedTest
  @MethodSource("devices")
  void refusesWhatItDoesNotKnow(SoftFunction function) {
    try (SoftPort port = new SoftPort(function, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      host.enumerate();
      for (int type = 0; type < 256; type++) {
        assertThat(host.set(type & ~Urb.IN, 0xee, 0xffff, 0xffff)).isEqualTo(UrbStatus.STALL);
      }
      assertThat(host.set(0, 9, 2, 0)).as("configuration 2").isEqualTo(UrbStatus.STALL);
      assertThat(host.set(1, 11, 9, 0)).as("alternate setting 9").isEqualTo(UrbStatus.STALL);
      assertThat(host.set(0, 5, 7, 0)).as("an address").isEqualTo(UrbStatus.STALL);
      assertThat(host.descriptor(1, 0, 8)).hasSize(8);
      assertThat(port.port().plugged().orElseThrow().configuration()).isEqualTo(1);
    }
  }

  /** An endpoint of no current setting takes nothing. */
  @ParameterizedTest
  @MethodSource("devices")
  void endpointsBelongToTheirSettings(SoftFunction function) {
    try (SoftPort port = new SoftPort(function, time, time::nanoTime)) {
      UsbHost host = new UsbHost(port, time);
      Descriptors descriptors = host.enumerate();
      for (Interface setting : descriptors.configurations().get(0).interfaces()) {
        for (Endpoint endpoint : setting.endpoints()) {
          assertThat(host.set(1, 11, setting.alternate(), setting.number()))
              .isEqualTo(UrbStatus.OK);
          assertThat(host.get(0x81, 10, 0, setting.number(), 1))
              .containsExactly(setting.alternate());
          assertThat(host.set(2, 1, 0, endpoint.address())).isEqualTo(UrbStatus.OK);
          assertThat(host.set(0, 9, 0, 0)).isEqualTo(UrbStatus.OK);
          assertThat(host.set(2, 1, 0, endpoint.address())).isEqualTo(UrbStatus.STALL);
          assertThat(host.set(0, 9, 1, 0)).isEqualTo(UrbStatus.OK);
        }
      }
    }
  }
}
