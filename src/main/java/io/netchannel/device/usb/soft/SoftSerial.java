package io.netchannel.device.usb.soft;

import static io.netchannel.device.usb.soft.DescriptorWriter.high;
import static io.netchannel.device.usb.soft.DescriptorWriter.low;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;

/**
 * A serial port (USB CDC 1.2, abstract control model). It sends the numbers 1, 2, 3 ... each as a
 * line of 16 bytes, the next one when the one before has been read; and keeps the last that it has
 * received.
 */
public final class SoftSerial extends SoftFunction {
  /** Of what it has received it keeps so much. */
  private static final int KEPT_BYTES = 64 << 10;

  private static final int COMMUNICATION = 0;
  private static final int DATA = 1;
  private static final int IN = 0x81;
  private static final int OUT = 0x02;
  private static final int NOTIFICATIONS = 0x83;
  private static final int BULK_PACKET_BYTES = 512;

  private static final int SET_LINE_CODING = 0x20;
  private static final int GET_LINE_CODING = 0x21;
  private static final int SET_CONTROL_LINE_STATE = 0x22;
  private static final int SEND_BREAK = 0x23;
  private static final int LINE_CODING_BYTES = 7;
  private static final int DTR = 1;

  /** DCD and DSR (CDC PSTN 1.2, 6.5.4). */
  private static final int CARRIER = 3;

  private static final int CS_INTERFACE = 0x24;

  private final Model model;
  private final Optional<Duration> every;
  private DataPipe in;
  private DataPipe out;
  private DataPipe notifications;
  private Bus bus;
  private Pace pace;

  private byte[] lineCoding = {0, (byte) 0xc2, 1, 0, 0, 0, 8}; // 115200 8N1
  private int lines;
  private Optional<byte[]> notification = Optional.empty();

  private long number;
  private ByteBuffer line = ByteBuffer.allocate(0);
  private boolean lineOpen;

  /** A ring; what was received at stream position n is at n modulo its size. */
  private final byte[] received = new byte[KEPT_BYTES];

  private long receivedBytes;

  /**
   * @param serial its serial number
   * @param every the time between two lines; empty when it sends none
   */
  public SoftSerial(String serial, Optional<Duration> every) {
    this.every = every;
    byte[] descriptors =
        new DescriptorWriter(0x0200, 2, 2)
            .setting(COMMUNICATION, 0, 1, 2, 2, 1)
            .other(CS_INTERFACE, 0, low(0x0110), high(0x0110))
            .other(CS_INTERFACE, 1, 0, DATA) // call management: none
            .other(CS_INTERFACE, 2, 2) // line coding and control lines
            .other(CS_INTERFACE, 6, COMMUNICATION, DATA)
            .endpoint(NOTIFICATIONS, UrbType.INTERRUPT, 16, 9)
            .setting(DATA, 0, 2, 10, 0, 0)
            .endpoint(IN, UrbType.BULK, BULK_PACKET_BYTES, 0)
            .endpoint(OUT, UrbType.BULK, BULK_PACKET_BYTES, 0)
            .bytes();
    model = new Model(UsbSpeed.HIGH, Descriptors.of(descriptors), "Soft Serial", serial);
  }

  /** Bytes that it has received in its life. */
  public long receivedBytes() {
    long[] bytes = new long[1];
    bus.enter(() -> bytes[0] = receivedBytes);
    return bytes[0];
  }

  /** The last of them, at most 64 KiB. */
  public byte[] received() {
    byte[][] copy = new byte[1][];
    bus.enter(
        () -> {
          copy[0] = new byte[(int) Math.min(receivedBytes, KEPT_BYTES)];
          for (int i = 0; i < copy[0].length; i++) {
            copy[0][i] = received[(int) ((receivedBytes - copy[0].length + i) % KEPT_BYTES)];
          }
        });
    return copy[0];
  }

  @Override
  Model model() {
    return model;
  }

  @Override
  void attached(Bus newBus) {
    bus = newBus;
    in = bus.pipe(IN);
    out = bus.pipe(OUT);
    notifications = bus.pipe(NOTIFICATIONS);
    pace = new Pace(bus, every.orElse(Duration.ZERO));
  }

  @Override
  void restart() {
    lines = 0;
    notification = Optional.empty();
    pace.restart();
  }

  @Override
  void ready() {
    receive();
    send();
    if (notification.isPresent() && notifications.packet(notification.get())) {
      notification = Optional.empty();
    }
  }

  private void receive() {
    while (out.isAwaited()) {
      int at = (int) (receivedBytes % KEPT_BYTES);
      ByteBuffer room = ByteBuffer.wrap(received, at, KEPT_BYTES - at);
      out.read(room);
      receivedBytes += room.position() - at;
    }
  }

  private void send() {
    while (in.isAwaited()) {
      if (!lineOpen) {
        if (every.isEmpty() || !pace.pass()) {
          return;
        }
        line = ByteBuffer.wrap("%015d\n".formatted(++number).getBytes(StandardCharsets.US_ASCII));
        lineOpen = true;
      }
      lineOpen = !in.write(line);
      if (!lineOpen) {
        in.endPart();
      }
    }
  }

  @Override
  Optional<byte[]> control(Setup setup, byte[] data) {
    Optional<byte[]> done = Optional.of(new byte[0]);
    if (setup.is(0xa1, GET_LINE_CODING)) {
      return Optional.of(lineCoding.clone());
    }
    if (setup.is(0x21, SET_LINE_CODING) && data.length == LINE_CODING_BYTES) {
      lineCoding = data.clone();
      return done;
    }
    if (setup.is(0x21, SET_CONTROL_LINE_STATE)) {
      lines = setup.value();
      int state = (lines & DTR) == 0 ? 0 : CARRIER;
      byte[] serialState = {(byte) 0xa1, 0x20, 0, 0, COMMUNICATION, 0, 2, 0, (byte) state, 0};
      notification = Optional.of(serialState);
      return done;
    }
    return setup.is(0x21, SEND_BREAK) ? done : Optional.empty();
  }

  @Override
  String summary() {
    return "%d lines sent, %d bytes received, line coding %s, control lines %d"
        .formatted(number, receivedBytes, Arrays.toString(lineCoding), lines);
  }
}
