package io.netchannel.server;

import static io.netchannel.server.ServerHarness.QUICK;
import static io.netchannel.server.SharedKeyboard.ask;
import static io.netchannel.server.SharedKeyboard.read;
import static io.netchannel.server.SharedKeyboard.stopAsking;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A device that stays at its host while its guest is on another one, and back. */
@Timeout(120)
final class StayingUsbExportTest {
  private static final String USER = "6b0f/usb1";
  private static final String NAME = "6b0f-usb1";
  private static final Export STAYS =
      Export.staying(NAME, SharedKeyboard.SOURCE, ImmutableSet.of("hosta"), USER);

  /** The same keyboard as an export of people's. */
  private static final Export ANYBODYS =
      Export.usb("keys", SharedKeyboard.SOURCE, ImmutableSet.of("hosta"));

  @TempDir Path directory;
  private ServerHarness host;

  @BeforeEach
  void start() throws Exception {
    host = new ServerHarness(directory, 1);
    host.server().add(STAYS);
    host.server().add(ANYBODYS);
  }

  @AfterEach
  void stop() {
    host.close();
    host.keyboard.close();
  }

  private UsbDevice remote(String export, int port, UsbOpenOptions options) throws Exception {
    return host.openUsb(options, "netchannel://127.0.0.1:" + port + "/usb/" + export, QUICK);
  }

  private UsbDevice away(long generation) throws Exception {
    return remote(NAME, host.port(), as(USER, generation));
  }

  private static UsbOpenOptions as(String user, long generation) {
    return UsbOpenOptions.of(new UsbOpenOptions.User(user, generation));
  }

  @Test
  void aKeyboardIsReadThereAndBackWithoutBeingClosed() throws Exception {
    UsbDevice home = host.keyboard.open(USER, 1);
    SharedKeyboard.configure(home);
    host.keyboard.type("ab");
    assertThat(read(home, 2)).isEqualTo("ab");
    stopAsking(home);
    home.rest();
    host.keyboard.type("cd");

    UsbDevice away = away(2);
    assertThat(away.port()).as("no replug").isEqualTo(home.port());
    assertThat(read(away, 2)).isEqualTo("cd");
    host.keyboard.type("e");
    assertThat(read(away, 1)).isEqualTo("e");
    Transfer late = ask(home);
    late.awaitDone(30);
    assertThat(late.status()).isEqualTo(UrbStatus.NO_DEVICE);
    stopAsking(away);
    host.keyboard.type("fg");

    UsbDevice back = host.keyboard.open(USER, 3);
    assertThat(back.port()).isEqualTo(away.port());
    assertThat(read(back, 2)).isEqualTo("fg");
    Transfer stale = ask(away);
    stale.awaitDone(30);
    assertThat(stale.status()).isEqualTo(UrbStatus.NO_DEVICE);
    home.close();
    host.server().remove(NAME, true);
    host.keyboard.type("h");
    assertThat(read(back, 1)).isEqualTo("h");
    assertThat(host.keyboard.opens).hasValue(1);
    assertThat(host.keyboard.closes).hasValue(0);
    back.close();
    assertThat(host.keyboard.closes).hasValue(1);
    away.close();
  }

  /** The destination had it, and the source goes on after all. */
  @Test
  void anAbortGivesItBackToTheSource() throws Exception {
    UsbDevice home = host.keyboard.open(USER, 1);
    SharedKeyboard.configure(home);
    stopAsking(home);
    home.rest();
    UsbDevice away = away(2);
    host.keyboard.type("ab");
    away.close();
    home.useGeneration(3);
    assertThat(read(home, 2)).isEqualTo("ab");
    assertThatThrownBy(() -> away(2)).hasMessageContaining("generation 2 is over");
    assertThat(host.keyboard.opens).hasValue(1);
    assertThat(host.keyboard.closes).hasValue(0);
    home.close();
  }

  /** A migration home that fails: the host it came from goes on, with what came meanwhile. */
  @Test
  void anAbortOnTheWayHomeGivesItBackToTheOtherHost() throws Exception {
    UsbDevice away = away(2);
    SharedKeyboard.configure(away);
    stopAsking(away);
    away.rest();
    UsbDevice home = host.keyboard.open(USER, 3);
    host.keyboard.type("ab");
    home.close();
    away.useGeneration(4);
    assertThat(read(away, 2)).isEqualTo("ab");
    assertThat(host.keyboard.opens).hasValue(1);
    assertThat(host.keyboard.closes).hasValue(0);
    away.close();
  }

  @Test
  void nobodyElseGetsAtIt() throws Exception {
    UsbDevice home = host.keyboard.open(USER, 5);
    SharedKeyboard.configure(home);
    assertThatThrownBy(() -> remote(NAME, host.port(), as("another/usb1", 9)))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("export 6b0f-usb1 is the device of 6b0f/usb1");
    assertThatThrownBy(() -> away(4)).hasMessageContaining("used with generation 5");
    try (UsbDevice looked = remote(NAME, host.port(), UsbOpenOptions.PROBE)) {
      assertThat(looked.port()).as("as it is open").isEqualTo(home.port());
    }
    host.keyboard.type("a");
    assertThat(read(home, 1)).isEqualTo("a");
    assertThat(host.keyboard.opens).hasValue(1);
    home.close();
  }

  /** An export of people's goes from host to host; so does the incarnation, and what was typed. */
  @Test
  void anExportGoesToTheNextHostWithoutAReplug() throws Exception {
    UsbDevice before = remote("keys", host.port(), as(USER, 1));
    SharedKeyboard.configure(before);
    stopAsking(before);
    host.keyboard.type("ab");
    UsbDevice after = remote("keys", host.port(), as(USER, 2));
    assertThat(after.port()).isEqualTo(before.port());
    assertThat(read(after, 2)).isEqualTo("ab");
    Waiting.until("the one before is over", () -> before.problem().isPresent());
    Transfer stale = ask(before);
    stale.awaitDone(30);
    assertThat(stale.status()).isEqualTo(UrbStatus.PROTOCOL);
    before.close();
    host.keyboard.type("c");
    assertThat(read(after, 1)).isEqualTo("c");
    // It is given up, and its user comes again with a newer generation from where it was.
    stopAsking(after);
    after.keepPlace();
    after.close();
    host.keyboard.type("d");
    UsbDevice again = remote("keys", host.port(), as(USER, 3));
    assertThat(read(again, 1)).isEqualTo("d");
    assertThat(host.keyboard.opens).hasValue(1);
    assertThat(host.keyboard.closes).hasValue(0);
    again.close();
  }

  /** Connections break at any byte, and the owner changes all the time. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void eachKeyIsReadOnceOverCutsAndChangesOfOwner(long seed) throws Exception {
    Random random = new Random(seed);
    StringBuilder typed = new StringBuilder();
    StringBuilder read = new StringBuilder();
    UsbDevice before = host.keyboard.open(USER, 1);
    SharedKeyboard.configure(before);
    stopAsking(before);
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      proxy.heal();
      for (long generation = 2; generation < 14; generation++) {
        type(random, typed);
        boolean isAtHome = random.nextInt(3) == 0;
        UsbDevice owner =
            isAtHome
                ? host.keyboard.open(USER, generation)
                : remote(NAME, proxy.port(), as(USER, generation));
        before.close();
        type(random, typed);
        List<Transfer> asked = new ArrayList<>();
        while (read.length() + keysOf(asked).length() < typed.length()) {
          if (random.nextInt(4) == 0) {
            proxy.cutNow();
          }
          Transfer next = ask(owner);
          asked.add(next);
          next.awaitDone(30);
        }
        Transfer last = ask(owner);
        asked.add(last);
        if (random.nextBoolean()) {
          type(random, typed); // while its end is asked for
        }
        owner.unlink(last.urb);
        last.awaitDone(30);
        read.append(keysOf(asked));
        owner.rest();
        before = owner;
      }
      proxy.heal();
      while (read.length() < typed.length()) {
        Transfer next = ask(before);
        next.awaitDone(30);
        read.append(SharedKeyboard.key(next.data()));
      }
      before.close();
    }
    assertThat(read.toString()).isEqualTo(typed.toString());
  }

  private void type(Random random, StringBuilder typed) {
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(4); i > 0; i--) {
      text.append((char) ('a' + random.nextInt(26)));
    }
    host.keyboard.type(text.toString());
    typed.append(text);
  }

  private static String keysOf(List<Transfer> asked) {
    StringBuilder keys = new StringBuilder();
    asked.forEach(each -> keys.append(SharedKeyboard.key(each.data())));
    return keys.toString();
  }
}
