package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import io.netchannel.cli.Finding.Level;
import io.netchannel.server.Export;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is looked at of USB in a host's files. */
final class UsbChecksTest {
  @TempDir private Path root;

  private List<Finding> check(Export... exports) {
    List<Finding> findings = new ArrayList<>();
    new UsbChecks(root, findings::add).run(List.of(exports));
    return findings;
  }

  private void aHostWithUsb(String memory) throws IOException {
    Files.createDirectories(root.resolve("sys/bus/usb/devices/3-1.2"));
    Files.createDirectories(root.resolve("dev/bus/usb/003"));
    Path parameters = Files.createDirectories(root.resolve("sys/module/usbcore/parameters"));
    Files.writeString(parameters.resolve("usbfs_memory_mb"), memory + "\n");
  }

  private static Export usb(String source) {
    return Export.usb("stick", source, ImmutableSet.of());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"16 | enough for 16 busy devices", "64 | 64 MiB", "0 | without a bound"})
  void aHostWithUsbHasAllItNeeds(String memory, String words) throws IOException {
    aHostWithUsb(memory);
    assertThat(check(usb("usb:port=3-1.2"))).extracting(Finding::level).containsOnly(Level.OK);
    assertThat(check()).extracting(Finding::detail).anyMatch(detail -> detail.contains(words));
  }

  @Test
  void aKernelWithoutUsbIsNoFault() {
    assertThat(check(usb("usb:port=3-1.2")))
        .singleElement()
        .satisfies(found -> assertThat(found.level()).isEqualTo(Level.OK))
        .satisfies(found -> assertThat(found.detail()).contains("other hosts only"));
  }

  @Test
  void withoutNodesNothingCanBeGiven() throws IOException {
    aHostWithUsb("16");
    Files.delete(root.resolve("dev/bus/usb/003"));
    Files.delete(root.resolve("dev/bus/usb"));
    assertThat(check())
        .filteredOn(found -> found.level() == Level.WARN)
        .singleElement()
        .satisfies(found -> assertThat(found.detail()).contains("dev/bus/usb is missing"));
  }

  @Test
  void aPortWithNothingPluggedIsTold() throws IOException {
    aHostWithUsb("16");
    assertThat(check(usb("usb:port=3-9"), usb("usb:id=1209:0003")))
        .filteredOn(found -> found.level() == Level.WARN)
        .singleElement()
        .satisfies(
            found -> assertThat(found.detail()).contains("nothing is plugged at usb:port=3-9 now"));
  }
}
