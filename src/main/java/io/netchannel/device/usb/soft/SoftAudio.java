package io.netchannel.device.usb.soft;

import static io.netchannel.device.usb.soft.DescriptorWriter.high;
import static io.netchannel.device.usb.soft.DescriptorWriter.low;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * A sound card (USB Audio 1.0): 48 kHz, stereo, 16 bits, one packet of 192 bytes a millisecond. The
 * microphone's samples are a {@link CounterPattern}, a word a sample of both channels, which goes
 * on whoever listens; the speaker counts what it hears, and the frames in which it heard nothing
 * since it was selected.
 */
public final class SoftAudio extends SoftFunction {
  private static final int CONTROL = 0;
  private static final int SPEAKER = 1;
  private static final int MICROPHONE = 2;
  private static final int OUT = 0x01;
  private static final int IN = 0x82;

  private static final int RATE = 48_000;
  private static final int PACKET_BYTES = 192;
  private static final int SAMPLES_PER_PACKET = PACKET_BYTES / CounterPattern.WORD_BYTES;

  private static final int CS_INTERFACE = 0x24;
  private static final int CS_ENDPOINT = 0x25;
  private static final int ADAPTIVE = 9;
  private static final int SYNCHRONOUS = 13;

  private final Model model;
  private Bus bus;
  private CounterPattern heard = new CounterPattern();
  private long lastFrame = -1;
  private long missedFrames;

  /**
   * @param serial its serial number
   */
  public SoftAudio(String serial) {
    DescriptorWriter writer =
        new DescriptorWriter(0x0110, 0, 5)
            .setting(CONTROL, 0, 0, 1, 1, 0)
            // The header's length is of all in this setting: 10 + 2 x (12 + 9).
            .other(CS_INTERFACE, 1, 0, 1, low(52), high(52), 2, SPEAKER, MICROPHONE)
            .other(CS_INTERFACE, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 0, 0) // in 1: USB, stereo
            .other(CS_INTERFACE, 3, 2, 0x01, 0x03, 0, 1, 0) // out 2: speaker, from 1
            .other(CS_INTERFACE, 2, 3, 0x01, 0x02, 0, 2, 3, 0, 0, 0) // in 3: microphone
            .other(CS_INTERFACE, 3, 4, 0x01, 0x01, 0, 3, 0); // out 4: USB, from 3
    streaming(writer, SPEAKER, 1, OUT, ADAPTIVE);
    streaming(writer, MICROPHONE, 4, IN, SYNCHRONOUS);
    model = new Model(UsbSpeed.FULL, Descriptors.of(writer.bytes()), "Soft Audio", serial);
  }

  private static void streaming(
      DescriptorWriter writer, int number, int terminal, int endpoint, int attributes) {
    writer
        .setting(number, 0, 0, 1, 2, 0)
        .setting(number, 1, 1, 1, 2, 0)
        .other(CS_INTERFACE, 1, terminal, 1, 1, 0) // PCM
        .other(CS_INTERFACE, 2, 1, 2, 2, 16, 1, low(RATE), high(RATE), RATE >> 16)
        .other(5, endpoint, attributes, low(PACKET_BYTES), high(PACKET_BYTES), 1, 0, 0)
        .other(CS_ENDPOINT, 1, 0, 0, 0, 0);
  }

  /** What the speaker has heard since it was selected, of a {@link CounterPattern}. */
  public CounterPattern.Counts heard() {
    CounterPattern.Counts[] found = new CounterPattern.Counts[1];
    bus.enter(() -> found[0] = heard.counts());
    return found[0];
  }

  /** Milliseconds without sound, between the first and the last with it. */
  public long missedFrames() {
    long[] found = new long[1];
    bus.enter(() -> found[0] = missedFrames);
    return found[0];
  }

  @Override
  Model model() {
    return model;
  }

  @Override
  void attached(Bus newBus) {
    bus = newBus;
  }

  @Override
  void restart() {
    selected(SPEAKER);
  }

  @Override
  void selected(int interfaceNumber) {
    if (interfaceNumber == SPEAKER) {
      heard = new CounterPattern();
      lastFrame = -1;
      missedFrames = 0;
    }
  }

  @Override
  Optional<byte[]> control(Setup setup, byte[] data) {
    return Optional.empty(); // it has no control that could be set
  }

  @Override
  void ready() {}

  @Override
  void isoIn(int endpoint, long frame, ByteBuffer packet) {
    CounterPattern.fill(packet, frame * SAMPLES_PER_PACKET);
  }

  @Override
  void isoOut(int endpoint, long frame, ByteBuffer packet) {
    if (lastFrame >= 0) {
      missedFrames += frame - lastFrame - 1;
    }
    lastFrame = frame;
    heard.check(packet);
  }

  @Override
  String summary() {
    return "heard %s; %d ms without sound".formatted(heard.counts(), missedFrames);
  }
}
