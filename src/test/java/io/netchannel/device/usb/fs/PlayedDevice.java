package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import com.google.common.io.BaseEncoding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A USB device that src/test/native/usbdevice.c plays to one process, as umockdev answers there in
 * the kernel's place.
 */
public final class PlayedDevice {
  private static final String PACKAGES =
      "install the Debian packages umockdev libumockdev-dev libglib2.0-dev pkg-config gcc"
          + " libc6-dev";
  private static final Path SOURCE = Path.of("src/test/native/usbdevice.c");

  /** For a process that takes a second or two: it hangs then. */
  private static final int LONGEST_SECONDS = 100;

  private final Path directory;
  private final Path player;
  private final Path description;

  /** What a process has said, and how it ended. */
  record Ended(int status, String output) {}

  private PlayedDevice(Path directory, Path player, Path description) {
    this.directory = directory;
    this.player = player;
    this.description = description;
  }

  /**
   * Compiles the player.
   *
   * @param directory for what is made
   */
  public static PlayedDevice compile(Path directory) throws Exception {
    Path player = directory.resolve("usbdevice");
    PlayedDevice made =
        new PlayedDevice(
            directory,
            player,
            Files.writeString(directory.resolve("device.umockdev"), description()));
    Ended flags = made.run(List.of("pkg-config", "--cflags", "--libs", "umockdev-1.0"));
    assertThat(flags.status()).as(PACKAGES + "\n" + flags.output()).isZero();
    List<String> command =
        new ArrayList<>(
            List.of("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", player.toString()));
    command.add(SOURCE.toString());
    command.addAll(Splitter.on(' ').omitEmptyStrings().splitToList(flags.output().strip()));
    Ended compiled = made.run(command);
    assertThat(compiled.status()).as(PACKAGES + "\n" + compiled.output()).isZero();
    return made;
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

  /**
   * Runs a program to its end.
   *
   * @param busyInterface another program has it; -1 for none
   */
  Ended runWith(int busyInterface, List<String> program) throws Exception {
    return run(command(busyInterface, program));
  }

  /** Starts a program, to whose process it is played; both end with it. */
  public Process start(Path output, String... program) {
    return start(command(-1, List.of(program)), output);
  }

  private List<String> command(int busyInterface, List<String> program) {
    List<String> command = new ArrayList<>();
    command.add("umockdev-wrapper");
    command.addAll(
        List.of(player.toString(), description.toString(), Integer.toString(busyInterface)));
    command.addAll(program);
    return command;
  }

  private static Process start(List<String> command, Path output) {
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(output.toFile())
          .start();
    } catch (IOException e) {
      throw new AssertionError("cannot run %s: %s".formatted(command.get(0), PACKAGES), e);
    }
  }

  private Ended run(List<String> command) throws Exception {
    Path output = Files.createTempFile(directory, "output", ".txt");
    Process process = start(command, output);
    try {
      assertThat(process.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS))
          .as("%s ends; so far it has said: %s", command.get(0), Files.readString(output))
          .isTrue();
    } finally {
      end(process);
    }
    return new Ended(process.exitValue(), Files.readString(output));
  }

  /** Ends a process and what it has started. */
  public static void end(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
