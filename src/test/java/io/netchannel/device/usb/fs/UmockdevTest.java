package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import com.google.common.io.BaseEncoding;
import io.netchannel.cli.Main;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The real {@link LinuxUsbfs}, sysfs and watch, in a process for which umockdev answers in the
 * kernel's place: src/test/native/usbdevice.c plays the device. {@link UmockdevChild} has the
 * scenarios.
 */
final class UmockdevTest {
  private static final String PACKAGES =
      "install the Debian packages umockdev libumockdev-dev libglib2.0-dev pkg-config gcc"
          + " libc6-dev";
  private static final Path SOURCE = Path.of("src/test/native/usbdevice.c");

  /** For a process that takes a second or two: it hangs then. */
  private static final int LONGEST_SECONDS = 100;

  @TempDir private static Path directory;
  private static Path player;
  private static Path description;

  /** What a process has said, and how it ended. */
  private record Ended(int status, String output) {}

  @BeforeAll
  static void compile() throws Exception {
    player = directory.resolve("usbdevice");
    Ended flags = run(List.of("pkg-config", "--cflags", "--libs", "umockdev-1.0"));
    assertThat(flags.status()).as(PACKAGES + "\n" + flags.output()).isZero();
    List<String> command =
        new ArrayList<>(
            List.of("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", player.toString()));
    command.add(SOURCE.toString());
    command.addAll(Splitter.on(' ').omitEmptyStrings().splitToList(flags.output().strip()));
    Ended compiled = run(command);
    assertThat(compiled.status()).as(PACKAGES + "\n" + compiled.output()).isZero();
    description = Files.writeString(directory.resolve("device.umockdev"), description());
  }

  /** At SuperSpeed; its first interface is a driver's. */
  private static String description() {
    return """
    P: /devices/pci0000:00/0000:00:14.0/usb1/1-1
    N: bus/usb/001/002
    E: DEVNAME=/dev/bus/usb/001/002
    E: DEVTYPE=usb_device
    E: SUBSYSTEM=usb
    E: BUSNUM=001
    E: DEVNUM=002
    A: busnum=1\\n
    A: devnum=2\\n
    A: devpath=1\\n
    A: speed=5000\\n
    A: serial=NC42\\n
    A: manufacturer=Netchannel\\n
    A: product=Test device\\n
    A: bConfigurationValue=1\\n
    H: descriptors=%s

    P: /devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0
    E: DEVTYPE=usb_interface
    E: SUBSYSTEM=usb
    E: DRIVER=usbhid
    L: driver=../../../../../../bus/usb/drivers/usbhid
    """
        .formatted(BaseEncoding.base16().encode(TestDescriptors.superSpeed()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "control",
        "bulk",
        "interrupt",
        "iso",
        "special",
        "memory",
        "discard",
        "unplug",
        "replug"
      })
  void aDeviceIsServed(String scenario) throws Exception {
    Ended child = child("-1", UmockdevChild.class, scenario);
    assertThat(child.status()).as(child.output()).isZero();
    assertThat(child.output()).contains("passed " + scenario);
    if (!scenario.equals("unplug")) {
      assertThat(child.output()).as("given back").contains("connect 0\nconnect 1\n");
    }
  }

  @Test
  void oneThatAnotherProgramHasIsRefusedInWords() throws Exception {
    Ended child = child("1", UmockdevChild.class, "busy");
    assertThat(child.status()).as(child.output()).isZero();
  }

  @Test
  void theCommandListsIt() throws Exception {
    Ended listed = child("-1", Main.class, "usb-devices");
    assertThat(listed.status()).as(listed.output()).isZero();
    assertThat(listed.output())
        .containsPattern(" 001 +002 +1209:0003 +Netchannel Test device +1-1 +NC42 +5000 +usbhid +")
        .contains("free   usb:id=1209:0003,serial=NC42");
  }

  private static Ended child(String busyInterface, Class<?> main, String... arguments)
      throws Exception {
    List<String> command = new ArrayList<>();
    command.add("umockdev-wrapper");
    command.addAll(List.of(player.toString(), description.toString(), busyInterface));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String classes = System.getProperty("java.class.path");
    command.addAll(List.of("-cp", System.getProperty("surefire.test.class.path", classes)));
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return run(command);
  }

  private static Ended run(List<String> command) throws Exception {
    Path output = Files.createTempFile(directory, "output", ".txt");
    Process process;
    try {
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
    } catch (IOException e) {
      throw new AssertionError("cannot run %s: %s".formatted(command.get(0), PACKAGES), e);
    }
    try {
      assertThat(process.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS))
          .as("%s ends; so far it has said: %s", command.get(0), Files.readString(output))
          .isTrue();
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    return new Ended(process.exitValue(), Files.readString(output));
  }
}
