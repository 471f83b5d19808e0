package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.cli.Main;
import io.netchannel.device.usb.fs.PlayedDevice.Ended;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The real {@link LinuxUsbfs}, sysfs and watch, in a process for which umockdev answers in the
 * kernel's place ({@link PlayedDevice}). {@link UmockdevChild} has the scenarios.
 */
final class UmockdevTest {
  @TempDir private static Path directory;
  private static PlayedDevice played;

  @BeforeAll
  static void compile() throws Exception {
    played = PlayedDevice.compile(directory);
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
    Ended child = child(-1, UmockdevChild.class, scenario);
    assertThat(child.status()).as(child.output()).isZero();
    assertThat(child.output()).contains("passed " + scenario);
    if (!scenario.equals("unplug")) {
      assertThat(child.output()).as("given back").contains("connect 0\nconnect 1\n");
    }
  }

  @Test
  void oneThatAnotherProgramHasIsRefusedInWords() throws Exception {
    Ended child = child(1, UmockdevChild.class, "busy");
    assertThat(child.status()).as(child.output()).isZero();
  }

  @Test
  void theCommandListsIt() throws Exception {
    Ended listed = child(-1, Main.class, "usb-devices");
    assertThat(listed.status()).as(listed.output()).isZero();
    assertThat(listed.output())
        .containsPattern(" 001 +002 +1209:0003 +Netchannel Test device +1-1 +NC42 +5000 +usbhid +")
        .contains("free   usb:id=1209:0003,serial=NC42");
  }

  private static Ended child(int busyInterface, Class<?> main, String... arguments)
      throws Exception {
    List<String> program = new ArrayList<>();
    program.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String classes = System.getProperty("java.class.path");
    program.addAll(List.of("-cp", System.getProperty("surefire.test.class.path", classes)));
    program.add(main.getName());
    program.addAll(List.of(arguments));
    return played.runWith(busyInterface, program);
  }
}
