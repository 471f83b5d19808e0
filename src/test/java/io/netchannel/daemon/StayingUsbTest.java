package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.xen.Waiting;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What becomes of a host's USB device whose guest goes, without the guest. */
@Timeout(120)
final class StayingUsbTest {
  private static final UUID DOMAIN = new UUID(7, 11);
  private static final String PORT = "usb1";
  private static final String NAME = DOMAIN + "-usb1";
  private static final String KEYBOARD = "usb-soft:keyboard,every=1ms";
  private static final String AWAY = "netchannel://hosta/usb/" + NAME;
  private static final ImmutableSet<String> HOSTB = ImmutableSet.of("hostb");
  private static final int LONG_SECONDS = 30;

  @TempDir private Path directory;
  private HostStorage host;

  @BeforeEach
  void start() throws Exception {
    host =
        HostStorage.open(
            DaemonConfiguration.parse(
                "test.toml",
                """
                [daemon]
                name = "hosta"
                run-directory = "%1$s"
                state-directory = "%1$s"
                """
                    .formatted(directory)),
            Optional.empty());
    var unused = host.exports();
  }

  @AfterEach
  void stop() {
    host.close();
  }

  private StayingUsb staying() {
    return host.stayingUsb();
  }

  private UsbDevice open(String source, long generation) throws DeviceException {
    return host.usb()
        .open(
            source,
            UsbOpenOptions.of(
                UsbOpenOptions.User.device(DOMAIN, PORT, generation, ImmutableSet.of())));
  }

  private List<Map<String, Object>> exports() throws Exception {
    return Json.objects(host.exports().handle(Map.of("command", "exports")));
  }

  private static void configure(UsbDevice keyboard) throws Exception {
    Transfer set = Transfer.control(0, 9, 1, 0, 0);
    set.submitTo(keyboard, keyboard.port().incarnation()).awaitDone(LONG_SECONDS);
    assertThat(set.status()).isEqualTo(UrbStatus.OK);
  }

  private static Transfer ask(UsbDevice keyboard) throws Exception {
    Transfer report = Transfer.interrupt(0x81, new byte[8]);
    report.submitTo(keyboard, keyboard.port().incarnation()).awaitDone(LONG_SECONDS);
    return report;
  }

  /** The next number that it types: it counts from when it was opened. */
  private static int number(UsbDevice keyboard) throws Exception {
    StringBuilder digits = new StringBuilder();
    while (true) {
      int usage = ask(keyboard).data()[2];
      if (usage == 40) {
        return Integer.parseInt(digits.toString());
      }
      digits.append(usage == 0 ? "" : Integer.toString((usage - 29) % 10));
    }
  }

  @Test
  void aDeviceIsTheSameThereAndAtHomeAgain() throws Exception {
    UsbDevice home = open(KEYBOARD, 1);
    configure(home);
    assertThat(number(home)).isEqualTo(1);
    assertThat(staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB)).isEqualTo(AWAY);
    assertThat(staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB)).isEqualTo(AWAY);
    assertThat(number(home)).as("nothing has changed").isEqualTo(2);
    assertThat(exports())
        .singleElement()
        .satisfies(
            export ->
                assertThat(export)
                    .containsEntry("owner", DOMAIN + "/usb1")
                    .containsEntry("allow", List.of("hostb")));

    UsbDevice away = open(AWAY, 2);
    assertThat(away.port()).isEqualTo(home.port());
    assertThat(number(away)).isEqualTo(3);
    assertThat(ask(home).status()).isEqualTo(UrbStatus.NO_DEVICE);
    home.close();
    assertThat(number(away)).isEqualTo(4);

    assertThat(staying().here(DOMAIN, PORT, AWAY)).isEqualTo(KEYBOARD);
    UsbDevice back = open(KEYBOARD, 3);
    assertThat(back.port()).isEqualTo(away.port());
    assertThat(number(back)).isEqualTo(5);
    staying().takeBack(DOMAIN, PORT);
    staying().takeBack(DOMAIN, PORT);
    Waiting.until("the other host hears of it", () -> away.problem().isPresent());
    assertThat(number(back)).isEqualTo(6);
    assertThat(exports()).isEmpty();
    away.close();
    assertThat(staying().here(DOMAIN, PORT, AWAY)).isEqualTo(AWAY);
    back.close();
  }

  @Test
  void anAbortLeavesItToTheGuest() throws Exception {
    UsbDevice home = open(KEYBOARD, 1);
    configure(home);
    String source = staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB);
    home.rest();
    UsbDevice away = open(source, 2);
    assertThat(number(away)).isEqualTo(1);
    staying().takeBack(DOMAIN, PORT);
    home.useGeneration(3);
    assertThat(number(home)).isEqualTo(2);
    away.close();
    // The next migration has newer generations, and nobody is in its way.
    assertThat(staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB)).isEqualTo(source);
    UsbDevice again = open(source, 4);
    assertThat(number(again)).isEqualTo(3);
    again.close();
    home.close();
  }

  /** The daemon is killed after each step: who goes on is who would have gone on. */
  @ParameterizedTest
  @ValueSource(strings = {"exported", "attached", "home", "taken back"})
  void aRestartFindsItAsItWas(String step) throws Exception {
    UsbDevice home = open(KEYBOARD, 1);
    configure(home);
    String source = staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB);
    if (!step.equals("exported")) {
      UsbDevice away = open(source, 2);
      assertThat(number(away)).isEqualTo(1);
      away.keepPlace();
    }
    if (step.equals("home") || step.equals("taken back")) {
      assertThat(number(open(KEYBOARD, 3))).isEqualTo(2);
    }
    if (step.equals("taken back")) {
      staying().takeBack(DOMAIN, PORT);
    }
    host.close();
    start();
    switch (step) {
      case "exported", "attached" -> {
        assertThat(staying().here(DOMAIN, PORT, source)).isEqualTo(KEYBOARD);
        UsbDevice away = open(source, 2);
        configure(away);
        assertThat(number(away)).isEqualTo(1);
        if (step.equals("attached")) {
          assertThatThrownBy(() -> open(source, 1)).hasMessageContaining("generation 1");
        }
        away.close();
      }
      case "home" -> {
        // The other host is not told yet, and comes again: nothing that it sends gets there.
        UsbDevice other = open(source, 2);
        UsbDevice back = open(staying().here(DOMAIN, PORT, source), 3);
        configure(back);
        assertThat(ask(other).status()).isEqualTo(UrbStatus.NO_DEVICE);
        assertThat(number(back)).isEqualTo(1);
        staying().takeBack(DOMAIN, PORT);
        other.close();
        back.close();
      }
      default -> {
        assertThat(exports()).isEmpty();
        assertThatThrownBy(() -> open(source, 4)).hasMessageContaining("no export named");
      }
    }
  }

  @Test
  void whatAllHostsReachStaysAsItIs() throws Exception {
    String there = "netchannel://hostc/usb/stick";
    assertThat(staying().exportFor(DOMAIN, PORT, there, HOSTB)).isEqualTo(there);
    assertThat(staying().here(DOMAIN, PORT, there)).isEqualTo(there);
    String filtered = "delay:bulk=1ms!" + there;
    assertThat(staying().exportFor(DOMAIN, PORT, filtered, HOSTB)).isEqualTo(filtered);
    assertThatThrownBy(
            () ->
                staying()
                    .exportFor(DOMAIN, PORT, "netchannel+unix:///usb/stick?socket=/run/s", HOSTB))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("attach it as netchannel://HOST/usb/NAME instead");
    assertThat(exports()).isEmpty();
  }

  @Test
  void aPortWithAnotherDeviceHasAnotherExport() throws Exception {
    String first = staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB);
    UsbDevice away = open(first, 2);
    String other = "delay:interrupt=1ms!" + KEYBOARD + ",serial=NC43";
    assertThat(staying().exportFor(DOMAIN, PORT, other, HOSTB)).isEqualTo(first);
    Waiting.until("who had the other one is out", () -> away.problem().isPresent());
    assertThat(staying().here(DOMAIN, PORT, first)).isEqualTo(other);
    UsbDevice next = open(first, 4);
    assertThat(next.port().plugged().orElseThrow().serial()).contains("NC43");
    next.close();
    away.close();
  }

  @Test
  void whatNobodyNeedsEnds() throws Exception {
    String source = staying().exportFor(DOMAIN, PORT, KEYBOARD, HOSTB);
    UsbDevice away = open(source, 2);
    staying().tidy(domain -> false);
    staying().tidy(domain -> false);
    assertThat(exports()).as("it is in use").hasSize(1);
    away.close();
    staying().tidy(domain -> false);
    assertThat(exports()).as("its guest may be on its way").hasSize(1);
    open(source, 3).close();
    staying().tidy(DOMAIN::equals);
    staying().tidy(domain -> false);
    assertThat(exports()).as("a migration was under way").hasSize(1);
    staying().tidy(domain -> false);
    assertThat(exports()).isEmpty();
  }
}
