package io.netchannel.device.usb.soft;

import static com.google.common.base.Preconditions.checkArgument;
import static io.netchannel.device.usb.soft.DescriptorWriter.high;
import static io.netchannel.device.usb.soft.DescriptorWriter.low;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;

/**
 * A boot keyboard (USB HID 1.11, appendix B). It types what it is told to, or by itself the numbers
 * 1, 2, 3 ... each on a line of its own: the next one when the one before has been read, so that a
 * number that is missing or there twice was lost or repeated on the way.
 */
public final class SoftKeyboard extends SoftFunction {
  private static final int REPORT_BYTES = 8;

  /** Reports that it keeps for a host that does not read: 128 keys. */
  private static final int MAX_REPORTS = 256;

  private static final int ENDPOINT = 0x81;
  private static final int ENTER = 40;
  private static final int SPACE = 44;

  /** HID 1.11, appendix B.1. */
  private static final int[] REPORT_DESCRIPTOR = {
    5, 1, 9, 6, 0xa1, 1, 5, 7, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 8, 0x81, 2,
    0x95, 1, 0x75, 8, 0x81, 1, 0x95, 5, 0x75, 1, 5, 8, 0x19, 1, 0x29, 5, 0x91, 2, 0x95, 1, 0x75, 3,
    0x91, 1, 0x95, 6, 0x75, 8, 0x15, 0, 0x25, 0x65, 5, 7, 0x19, 0, 0x29, 0x65, 0x81, 0, 0xc0
  };

  private final Model model;
  private final Optional<Duration> every;
  private final Queue<byte[]> reports = new ArrayDeque<>();
  private Bus bus;
  private DataPipe pipe;
  private Pace pace;

  /** The last report that was read. */
  private byte[] last = new byte[REPORT_BYTES];

  private int idle;
  private int protocol = 1;
  private int leds;
  private long number;

  /**
   * @param serial its serial number
   * @param every the time between two numbers; empty when it types none by itself
   */
  public SoftKeyboard(String serial, Optional<Duration> every) {
    this.every = every;
    byte[] descriptors =
        new DescriptorWriter(0x0110, 0, 1)
            .setting(0, 0, 1, 3, 1, 1)
            .other(
                0x21,
                low(0x0111),
                high(0x0111),
                0,
                1,
                0x22,
                low(REPORT_DESCRIPTOR.length),
                high(REPORT_DESCRIPTOR.length))
            .endpoint(ENDPOINT, UrbType.INTERRUPT, REPORT_BYTES, 10)
            .bytes();
    model = new Model(UsbSpeed.FULL, Descriptors.of(descriptors), "Soft Keyboard", serial);
  }

  /**
   * Presses and releases keys.
   *
   * @param text of small letters, digits, blanks and line ends
   * @return how many went: it keeps 128 keys for a host that does not read
   */
  public int type(String text) {
    int[] typed = new int[1];
    bus.enter(
        () -> {
          while (typed[0] < text.length() && reports.size() < MAX_REPORTS) {
            press(text.charAt(typed[0]++));
          }
        });
    return typed[0];
  }

  private void press(char key) {
    byte[] report = new byte[REPORT_BYTES];
    report[2] = (byte) usage(key);
    reports.add(report);
    reports.add(new byte[REPORT_BYTES]);
  }

  /** HID Usage Tables, page 7. */
  private static int usage(char key) {
    if (key >= 'a' && key <= 'z') {
      return 4 + key - 'a';
    }
    if (key >= '1' && key <= '9') {
      return 30 + key - '1';
    }
    checkArgument("0\n ".indexOf(key) >= 0, "this keyboard has no key %s", (int) key);
    return key == '0' ? 39 : key == '\n' ? ENTER : SPACE;
  }

  @Override
  Model model() {
    return model;
  }

  @Override
  void attached(Bus newBus) {
    bus = newBus;
    pipe = bus.pipe(ENDPOINT);
    pace = new Pace(bus, every.orElse(Duration.ZERO));
  }

  @Override
  void restart() {
    pace.restart();
    protocol = 1;
    idle = 0;
  }

  @Override
  void ready() {
    while (pipe.isAwaited()) {
      if (reports.isEmpty() && every.isPresent() && pace.pass()) {
        Long.toString(++number).chars().forEach(digit -> press((char) digit));
        press('\n');
      }
      byte[] report = reports.poll();
      if (report == null) {
        return;
      }
      last = report;
      pipe.packet(report);
    }
  }

  @Override
  Optional<byte[]> control(Setup setup, byte[] data) {
    Optional<byte[]> done = Optional.of(new byte[0]);
    if (setup.is(0x81, 6)) {
      return setup.value() >> 8 == 0x22 ? Optional.of(bytes(REPORT_DESCRIPTOR)) : Optional.empty();
    }
    if (setup.type() == 0xa1) {
      return switch (setup.request()) {
        case 1 -> Optional.of(last.clone()); // GET_REPORT
        case 2 -> Optional.of(new byte[] {(byte) idle});
        case 3 -> Optional.of(new byte[] {(byte) protocol});
        default -> Optional.empty();
      };
    }
    if (setup.type() != 0x21) {
      return Optional.empty();
    }
    switch (setup.request()) {
      case 9 -> leds = data.length == 0 ? leds : data[0]; // SET_REPORT
      case 10 -> idle = setup.value() >> 8;
      case 11 -> protocol = setup.value();
      default -> {
        return Optional.empty();
      }
    }
    return done;
  }

  private static byte[] bytes(int[] values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return bytes;
  }

  @Override
  String summary() {
    return "%d numbers typed, LEDs 0x%02x".formatted(number, leds);
  }
}
