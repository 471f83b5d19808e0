package io.netchannel.device.usb.shared;

import static io.netchannel.device.usb.shared.ManualDevice.IN;
import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpenOptions.User;
import io.netchannel.device.usb.VirtualTime;
import io.netchannel.device.usb.soft.SoftKeyboard;
import io.netchannel.device.usb.soft.SoftPort;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a keyboard has to say while its guest stands still. */
final class KeyboardBlackoutTest {
  private final VirtualTime time = new VirtualTime();
  private final ManualDevice device = new ManualDevice(ManualDevice.HID, time);
  private final UsbKind kind = around((text, options) -> device);

  private UsbKind around(UsbKind of) {
    return new SharedDevices(time, time::nanoTime).around("it", of);
  }

  private static UsbDevice open(UsbKind from, long generation) throws DeviceException {
    return from.open("", UsbOpenOptions.of(new User("6b0f/usb1", generation)));
  }

  private UsbDevice open(long generation) throws DeviceException {
    return open(kind, generation);
  }

  private Transfer ask(UsbDevice of) {
    return ask(of, 8);
  }

  private Transfer ask(UsbDevice of, int bytes) {
    Transfer transfer = Transfer.interrupt(IN, new byte[bytes]);
    transfer.submitTo(of, of.port().incarnation());
    time.run();
    return transfer;
  }

  /** As a guest that is suspended, or whose driver is closed. */
  private void stopAsking(UsbDevice of) {
    Transfer last = ask(of);
    of.unlink(last.urb);
    device.endUnlinked();
    assertThat(last.status()).isEqualTo(UrbStatus.CANCELLED);
  }

  /** What is posted has ended, as was asked for. */
  private void endPosted() {
    assertThat(device.isFirstUnlinked()).isTrue();
    device.endUnlinked();
    time.run();
  }

  @Test
  void theNextOwnerGetsWhatCameInOrderAndThenAsksItself() throws Exception {
    UsbDevice home = open(1);
    stopAsking(home);
    device.complete(UrbStatus.OK, 1);
    device.complete(UrbStatus.OK, 2);
    UsbDevice away = open(2);
    Transfer first = ask(away);
    Transfer second = ask(away);
    Transfer third = ask(away);
    assertThat(first.data()).containsExactly(1);
    assertThat(second.data()).containsExactly(2);
    assertThat(third.isDone()).isFalse();
    assertThat(device.held()).as("what is posted").isEqualTo(1);
    endPosted();
    assertThat(device.held()).as("the owner's").isEqualTo(1);
    device.complete(UrbStatus.OK, 3);
    assertThat(third.data()).containsExactly(3);
  }

  /** The seal is undone: what came goes to whoever asked before. */
  @Test
  void theOwnerBeforeGetsItWhenTheGuestStays() throws Exception {
    UsbDevice home = open(1);
    stopAsking(home);
    UsbDevice away = open(2);
    device.complete(UrbStatus.OK, 1);
    away.close();
    device.complete(UrbStatus.OK, 2);
    home.useGeneration(3);
    assertThat(ask(home).data()).containsExactly(1);
    assertThat(ask(home).data()).containsExactly(2);
  }

  /** It comes in the moment in which its end is asked for. */
  @Test
  void whatComesAtTheLastMomentIsGivenToo() throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    Transfer next = ask(owner);
    Transfer later = ask(owner);
    assertThat(device.isFirstUnlinked()).isTrue();
    device.complete(UrbStatus.OK, 1);
    time.run();
    assertThat(next.data()).containsExactly(1);
    assertThat(device.held()).as("the owner's second").isEqualTo(1);
    device.complete(UrbStatus.OK, 2);
    assertThat(later.data()).containsExactly(2);
  }

  @Test
  void ofTooMuchTheDeviceKeepsTheRest() throws Exception {
    UsbDevice home = open(1);
    stopAsking(home);
    for (int i = 0; i < Blackout.MAX_REPORTS; i++) {
      device.complete(UrbStatus.OK, i);
    }
    assertThat(device.held()).as("nobody asks").isZero();
    UsbDevice away = open(2);
    for (int i = 0; i < Blackout.MAX_REPORTS; i++) {
      assertThat(ask(away).data()).containsExactly(i);
    }
    ask(away);
    assertThat(device.held()).isEqualTo(1);
  }

  @Test
  void whoHasEndedItsAskingIsGivenNothingOld() throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    device.complete(UrbStatus.OK, 1);
    time.advance(Duration.ofNanos(Blackouts.SHORT_NANOS));
    device.complete(UrbStatus.OK, 2);
    time.advance(Duration.ofNanos(1));
    assertThat(ask(owner).data()).containsExactly(2);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoStandsStillIsGivenWhatIsNotVeryOld(boolean sameGeneration) throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    owner.rest();
    device.complete(UrbStatus.OK, 1);
    time.advance(Duration.ofNanos(1));
    device.complete(UrbStatus.OK, 2);
    time.advance(Duration.ofNanos(Blackouts.LONG_NANOS));
    owner.useGeneration(sameGeneration ? 1 : 2);
    assertThat(ask(owner).data()).containsExactly(2);
  }

  @Test
  void aReportIsOfTheBytesThatFit() throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    device.complete(UrbStatus.OK, 1, 2, 3);
    Transfer small = ask(owner, 2);
    assertThat(small.status()).isEqualTo(UrbStatus.OVERFLOW);
    assertThat(small.data()).containsExactly(1, 2);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reset", "configuration", "setting", "halt", "replug"})
  void whatCameBeforeItWasSetAnewIsForgotten(String how) throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    device.complete(UrbStatus.OK, 1);
    switch (how) {
      case "reset" -> assertThat(owner.reset().join()).isEqualTo(UrbStatus.OK);
      case "configuration" -> Transfer.control(0, 9, 1, 0, 0).submitTo(owner, 1);
      case "setting" -> Transfer.control(1, 11, 0, 0, 0).submitTo(owner, 1);
      case "halt" -> Transfer.control(2, 1, 0, IN, 0).submitTo(owner, 1);
      default -> device.replug();
    }
    time.run();
    device.endUnlinked();
    int before = device.held();
    Transfer next = ask(owner);
    assertThat(next.isDone()).isFalse();
    assertThat(device.held()).isEqualTo(before + 1);
  }

  /** LEDs, and whatever else drivers say on the way. */
  @Test
  void aRequestOfTheClassChangesNothing() throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    device.complete(UrbStatus.OK, 1);
    Transfer.control(0x21, 9, 0x200, 0, 1, (byte) 2).submitTo(owner, 1);
    Transfer.control(0x80, 6, 0x100, 0, 18, new byte[18]).submitTo(owner, 1);
    assertThat(ask(owner).data()).containsExactly(1);
  }

  @Test
  void nobodyAsksWhileTheOwnerDoes() throws Exception {
    UsbDevice owner = open(1);
    Transfer one = ask(owner);
    Transfer other = ask(owner);
    owner.unlink(one.urb);
    device.endUnlinked();
    assertThat(device.held()).isEqualTo(1);
    device.complete(UrbStatus.OK, 1);
    assertThat(other.data()).containsExactly(1);
    assertThat(device.held()).as("the owner asks no more, and was not told to stop").isZero();
  }

  @Test
  void onlyHidIsAsked() throws Exception {
    ManualDevice serial = new ManualDevice(ManualDevice.VENDOR, time);
    UsbDevice owner = open(around((text, options) -> serial), 1);
    Transfer last = ask(owner);
    owner.unlink(last.urb);
    serial.endUnlinked();
    assertThat(serial.held()).isZero();
  }

  @Test
  void anErrorEndsIt() throws Exception {
    UsbDevice owner = open(1);
    stopAsking(owner);
    device.complete(UrbStatus.STALL);
    assertThat(device.held()).isZero();
    ask(owner);
    assertThat(device.held()).as("the owner sees for itself").isEqualTo(1);
  }

  @Test
  void theLastOneThatClosesLeavesNothing() throws Exception {
    UsbDevice home = open(1);
    stopAsking(home);
    home.close();
    assertThat(device.held()).isZero();
    assertThat(device.calls).containsExactly("close");
  }

  // ---- a keyboard

  /** Some who have it in turn, and what they read. */
  private final class Typist {
    private final Random random;
    private final UsbKind keyboards;
    private final List<Transfer> asked = new ArrayList<>();
    private final StringBuilder read = new StringBuilder();
    private UsbDevice owner;
    private UsbDevice before;
    private long generation = 1;

    Typist(long seed) throws DeviceException {
      random = new Random(seed);
      SoftKeyboard keyboard = new SoftKeyboard("S", Optional.of(Duration.ofMillis(100)));
      keyboards = around((text, options) -> new SoftPort(keyboard, time, time::nanoTime));
      owner = open(keyboards, generation);
      Transfer.control(0, 9, 1, 0, 0).submitTo(owner, 1);
      time.run();
    }

    void step() throws DeviceException {
      switch (random.nextInt(4)) {
        case 0, 1 -> time.advance(Duration.ofMillis(random.nextInt(400)));
        case 2 -> {
          stop();
          time.advance(Duration.ofMillis(random.nextInt(3000)));
          change();
        }
        default -> {
          stop();
          time.advance(Duration.ofMillis(random.nextInt(900)));
        }
      }
      askAgain();
    }

    /** As a driver does, which has one or two URBs there all the time. */
    private void askAgain() {
      collect();
      while (asked.size() < 1 + random.nextInt(2)) {
        asked.add(ask(owner));
        collect();
      }
    }

    /** Some of them at once, with reports on their way. */
    private void stop() {
      asked.forEach(each -> owner.unlink(each.urb));
      if (random.nextBoolean()) {
        time.run();
      }
      owner.rest();
    }

    private void change() throws DeviceException {
      generation++;
      if (before != null && random.nextBoolean()) {
        before.useGeneration(generation); // back
        UsbDevice back = before;
        before = owner;
        owner = back;
      } else {
        if (before != null) {
          time.run();
          before.close();
        }
        before = owner;
        owner = open(keyboards, generation);
      }
      time.run();
    }

    private void collect() {
      time.run();
      while (!asked.isEmpty() && asked.get(0).isDone()) {
        Transfer done = asked.remove(0);
        if (done.data().length > 0) {
          int usage = done.data()[2];
          read.append(usage == 0 ? "" : usage == 40 ? "\n" : (char) ('0' + (usage - 29) % 10));
        }
      }
    }
  }

  /** Each number once and in order, whoever has it and whenever it changes hands. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void eachKeyIsReadOnce(long seed) throws Exception {
    Typist typist = new Typist(seed);
    for (int i = 0; i < 600; i++) {
      typist.step();
    }
    String[] numbers = typist.read.toString().split("\n");
    assertThat(numbers).hasSizeGreaterThan(100);
    assertThat(typist.generation).isGreaterThan(100);
    for (int i = 0; i < numbers.length - 1; i++) {
      assertThat(numbers[i]).as("seed %d", seed).isEqualTo(Integer.toString(i + 1));
    }
  }
}
