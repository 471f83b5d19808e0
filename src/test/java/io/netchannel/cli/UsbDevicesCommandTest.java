package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.daemon.Json;
import io.netchannel.device.usb.fs.FakeSysfs;
import io.netchannel.device.usb.fs.TestDescriptors;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class UsbDevicesCommandTest {
  @TempDir private Path root;
  private FakeSysfs sysfs;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeEach
  void plug() throws Exception {
    sysfs = new FakeSysfs(root);
    sysfs.plug("usb3", 3, 1, TestDescriptors.hub(), "0000:00:14.0");
    sysfs.plug("3-1", 3, 2, TestDescriptors.usual(), "NC42");
    sysfs.bind("3-1", 1, 0, "usbhid");
    sysfs.plug("3-2", 3, 3, TestDescriptors.of(0x0781, 0x5567), null);
    sysfs.plug("3-3", 3, 4, TestDescriptors.of(0x1209, 0x0004), "TWIN");
    sysfs.plug("3-4", 3, 5, TestDescriptors.of(0x1209, 0x0004), "TWIN");
    sysfs.plug("3-5", 3, 6, TestDescriptors.of(0x1209, 0x0005), "A,B", "5000", "1");
    sysfs.bind("3-5", 1, 0, "usbfs");
  }

  private int run(String... more) {
    String[] all = new String[more.length + 2];
    all[0] = "usb-devices";
    all[1] = "--root=" + root;
    System.arraycopy(more, 0, all, 2, more.length);
    return NetchannelCommand.run(new PrintWriter(out, true), new PrintWriter(err, true), all);
  }

  @Test
  void eachIsListedWithWhatItIsGoodFor() throws Exception {
    Path process = Files.createDirectories(root.resolve("proc/4711/fd"));
    Files.writeString(root.resolve("proc/4711/comm"), "qemu-system-x86\n");
    Files.createSymbolicLink(process.resolve("9"), sysfs.nodes().resolve("003/006"));
    assertThat(run()).as(err.toString()).isZero();
    assertThat(out.toString().lines())
        .satisfiesExactly(
            line -> assertThat(line).startsWith(" Bus   Device   Id"),
            line -> assertThat(line).startsWith("---"),
            line -> assertThat(line).containsPattern(" 003 +001 +1d6b:0002 .* refused: a hub +-$"),
            line ->
                assertThat(line)
                    .containsPattern(" 003 +002 +1209:0003 +Netchannel Thing \\?\\[31m +3-1 +NC42")
                    .containsPattern("NC42 +480 +usbhid +free +usb:id=1209:0003,serial=NC42$"),
            line ->
                assertThat(line)
                    .containsPattern("3-2 +- +480 +- +free: by port only: it has no serial number")
                    .endsWith(" usb:port=3-2"),
            line -> assertThat(line).contains("by port only: another one").endsWith("usb:port=3-3"),
            line -> assertThat(line).contains("by port only: another one").endsWith("usb:port=3-4"),
            line ->
                assertThat(line)
                    .containsPattern("A,B +5000 +usbfs +in use: by qemu-system-x86 \\(pid 4711\\)")
                    .endsWith(" usb:port=3-5"));
  }

  @Test
  void programsHaveItAsJson() throws Exception {
    assertThat(run("--format", "json")).isZero();
    List<Map<String, Object>> devices = Json.objects(Json.parse(out.toString()));
    assertThat(devices).hasSize(6);
    assertThat(devices.get(1))
        .containsEntry("bus", 3L)
        .containsEntry("device", 2L)
        .containsEntry("drivers", List.of("usbhid"))
        .containsEntry("use", "free")
        .containsEntry("source", "usb:id=1209:0003,serial=NC42");
    assertThat(devices.get(0)).containsEntry("use", "refused").doesNotContainKey("source");
    assertThat(devices.get(5)).containsEntry("reason", "by a program");
  }

  @Test
  void aHostWithoutUsbHasNone(@TempDir Path empty) {
    assertThat(
            NetchannelCommand.run(
                new PrintWriter(out, true),
                new PrintWriter(err, true),
                "usb-devices",
                "--root",
                empty.toString()))
        .isZero();
    assertThat(out.toString().lines()).hasSize(2);
  }
}
