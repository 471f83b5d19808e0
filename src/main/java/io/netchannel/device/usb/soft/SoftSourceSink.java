package io.netchannel.device.usb.soft;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Sources and sinks of {@link CounterPattern}: bulk and interrupt endpoints in both alternate
 * settings of its interface, isochronous ones in setting 1. A packet of an isochronous source has
 * the words of its frame; so frames nobody asked for are a gap.
 *
 * <p>Vendor requests: IN 1 with an OUT endpoint as index says what its sink has seen, as three
 * numbers of 64 bits: words, gaps, repeats. OUT 0x5b keeps what it gets, and IN 0x5c gives it back,
 * as Linux' gadget zero does.
 */
public final class SoftSourceSink extends SoftFunction {
  private static final int BULK_IN = 0x81;
  private static final int BULK_OUT = 0x01;
  private static final int INTERRUPT_IN = 0x82;
  private static final int INTERRUPT_OUT = 0x02;
  private static final int ISO_IN = 0x83;
  private static final int ISO_OUT = 0x03;
  private static final ImmutableList<Integer> SINKS =
      ImmutableList.of(BULK_OUT, INTERRUPT_OUT, ISO_OUT);
  private static final int BULK_PACKET_BYTES = 512;
  private static final int INTERRUPT_PACKET_BYTES = 64;
  private static final int ISO_PACKET_BYTES = 192;

  /** As exponent: 8 microframes, 1 ms. */
  private static final int INTERVAL = 4;

  /** The interrupt source has one packet in each interval. */
  private static final Duration INTERRUPT_PERIOD = Duration.ofMillis(1);

  private static final int CHUNK_BYTES = 16 << 10;

  private static final int REPORT = 1;
  private static final int KEEP = 0x5b;
  private static final int GIVE_BACK = 0x5c;

  private final Model model;
  private final Map<Integer, CounterPattern> sinks = new HashMap<>();
  private final ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
  private CounterPattern bulkSource = new CounterPattern();
  private CounterPattern interruptSource = new CounterPattern();
  private byte[] kept = new byte[0];
  private DataPipe bulkIn;
  private DataPipe interruptIn;
  private Bus bus;
  private Pace pace;

  /**
   * @param serial its serial number
   */
  public SoftSourceSink(String serial) {
    byte[] descriptors =
        dataEndpoints(
                dataEndpoints(new DescriptorWriter(0x0200, 0xff, 4).setting(0, 0, 4, 0xff, 0, 0))
                    .setting(0, 1, 6, 0xff, 0, 0))
            .endpoint(ISO_IN, UrbType.ISOCHRONOUS, ISO_PACKET_BYTES, INTERVAL)
            .endpoint(ISO_OUT, UrbType.ISOCHRONOUS, ISO_PACKET_BYTES, INTERVAL)
            .bytes();
    model = new Model(UsbSpeed.HIGH, Descriptors.of(descriptors), "Soft Source and Sink", serial);
  }

  private static DescriptorWriter dataEndpoints(DescriptorWriter writer) {
    return writer
        .endpoint(BULK_IN, UrbType.BULK, BULK_PACKET_BYTES, 0)
        .endpoint(BULK_OUT, UrbType.BULK, BULK_PACKET_BYTES, 0)
        .endpoint(INTERRUPT_IN, UrbType.INTERRUPT, INTERRUPT_PACKET_BYTES, INTERVAL)
        .endpoint(INTERRUPT_OUT, UrbType.INTERRUPT, INTERRUPT_PACKET_BYTES, INTERVAL);
  }

  @Override
  Model model() {
    return model;
  }

  @Override
  void attached(Bus newBus) {
    bus = newBus;
    bulkIn = bus.pipe(BULK_IN);
    interruptIn = bus.pipe(INTERRUPT_IN);
    pace = new Pace(bus, INTERRUPT_PERIOD);
  }

  @Override
  void restart() {
    bulkSource = new CounterPattern();
    interruptSource = new CounterPattern();
    for (int endpoint : SINKS) {
      sinks.put(endpoint, new CounterPattern());
    }
    pace.restart();
  }

  @Override
  void ready() {
    take(BULK_OUT);
    take(INTERRUPT_OUT);
    while (bulkIn.isAwaited()) {
      chunk.clear().limit(Math.min(CHUNK_BYTES, bulkIn.firstBytes()));
      bulkSource.fill(chunk);
      if (!bulkIn.write(chunk.flip()) || chunk.limit() == 0) {
        bulkIn.endTransfer();
      }
    }
    while (interruptIn.isAwaited() && pace.pass()) {
      ByteBuffer packet = ByteBuffer.allocate(INTERRUPT_PACKET_BYTES);
      interruptSource.fill(packet);
      interruptIn.packet(packet.array());
    }
  }

  private void take(int endpoint) {
    DataPipe pipe = bus.pipe(endpoint);
    while (pipe.isAwaited()) {
      pipe.read(chunk.clear());
      sinks.get(endpoint).check(chunk.flip());
    }
  }

  @Override
  void isoIn(int endpoint, long frame, ByteBuffer packet) {
    CounterPattern.fill(packet, frame * (ISO_PACKET_BYTES / CounterPattern.WORD_BYTES));
  }

  @Override
  void isoOut(int endpoint, long frame, ByteBuffer packet) {
    sinks.get(endpoint).check(packet);
  }

  /** What the sink of an OUT endpoint has seen since it was configured. */
  public CounterPattern.Counts sink(int endpoint) {
    checkArgument(SINKS.contains(endpoint), "no sink at endpoint %s", endpoint);
    CounterPattern.Counts[] found = new CounterPattern.Counts[1];
    bus.enter(() -> found[0] = sinks.get(endpoint).counts());
    return found[0];
  }

  @Override
  Optional<byte[]> control(Setup setup, byte[] data) {
    if (setup.is(0x40, KEEP)) {
      kept = data.clone();
      return Optional.of(new byte[0]);
    }
    if (setup.is(0xc0, GIVE_BACK)) {
      return Optional.of(kept.clone());
    }
    CounterPattern sink = sinks.get(setup.index());
    if (!setup.is(0xc0, REPORT) || sink == null) {
      return Optional.empty();
    }
    ByteBuffer report = ByteBuffer.allocate(3 * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    CounterPattern.Counts counts = sink.counts();
    report.putLong(counts.words()).putLong(counts.gaps()).putLong(counts.repeats());
    return Optional.of(report.array());
  }

  @Override
  String summary() {
    return "bulk out %s; interrupt out %s; isochronous out %s"
        .formatted(
            sinks.get(BULK_OUT).counts(),
            sinks.get(INTERRUPT_OUT).counts(),
            sinks.get(ISO_OUT).counts());
  }
}
