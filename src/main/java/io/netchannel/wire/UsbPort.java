package io.netchannel.wire;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.ImmutableSortedSet;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/**
 * What is at a port, in ATTACHED and in PORT; as {@code device.usb.PortState}, which this package
 * does not know.
 *
 * @param incarnation of what is or was plugged, as the server counts; 0 before the first
 */
public record UsbPort(int incarnation, Optional<Plugged> plugged) {
  /** A high-speed device; what is faster runs at that. */
  private static final int MAX_SPEED = 3;

  private static final int FIXED_BYTES = 14;
  private static final int MAX_BYTE = 0xff;

  /** A string descriptor has 126 characters. */
  private static final int MAX_SERIAL_BYTES = 378;

  /** Of a device descriptor. */
  private static final int MIN_DESCRIPTORS_BYTES = 18;

  /** More than any device has; longer ones are cut. */
  public static final int MAX_DESCRIPTORS_BYTES = 32 << 10;

  static final int MAX_BYTES =
      FIXED_BYTES + 3 * MAX_BYTE + MAX_SERIAL_BYTES + MAX_DESCRIPTORS_BYTES;

  /**
   * What is plugged, and what its user has set.
   *
   * @param speed 1 low, 2 full, 3 high, as usbif has it
   * @param configuration the value of the one that is set, 0 for none
   * @param alternates the alternate setting of each interface, by its number; 255 at most
   * @param halted addresses of endpoints; 255 at most
   * @param serial without control characters; empty for none
   * @param descriptors as the device has them; {@link #MAX_DESCRIPTORS_BYTES} at most
   */
  public record Plugged(
      int speed,
      int configuration,
      ImmutableMap<Integer, Integer> alternates,
      ImmutableSet<Integer> halted,
      String serial,
      ByteBuffer descriptors) {

    /** Cuts what is too long, and sorts. */
    public Plugged {
      alternates = ImmutableSortedMap.copyOf(alternates);
      halted = ImmutableSortedSet.copyOf(halted);
      int length = Math.min(descriptors.remaining(), MAX_DESCRIPTORS_BYTES);
      byte[] copy = new byte[length];
      descriptors.get(descriptors.position(), copy);
      descriptors = ByteBuffer.wrap(copy).asReadOnlyBuffer();
      int most = Math.min(serial.length(), MAX_SERIAL_BYTES / 3);
      serial = serial.substring(0, most).replaceAll("\\p{Cc}", "?");
    }

    /** Read-only; the caller's. */
    @Override
    public ByteBuffer descriptors() {
      return descriptors.duplicate();
    }

    /** A copy. */
    public byte[] descriptorBytes() {
      byte[] bytes = new byte[descriptors.remaining()];
      descriptors().get(bytes);
      return bytes;
    }

    private byte[] serialBytes() {
      return serial.getBytes(StandardCharsets.UTF_8);
    }
  }

  public int encodedBytes() {
    return FIXED_BYTES
        + plugged
            .map(
                found ->
                    2 * found.alternates().size()
                        + found.halted().size()
                        + found.serialBytes().length
                        + found.descriptors().remaining())
            .orElse(0);
  }

  public void encode(ByteBuf out) {
    out.writeInt(incarnation);
    if (plugged.isEmpty()) {
      out.writeZero(FIXED_BYTES - 4);
      return;
    }
    Plugged found = plugged.get();
    byte[] serial = found.serialBytes();
    out.writeByte(found.speed()).writeByte(found.configuration());
    out.writeByte(found.alternates().size()).writeByte(found.halted().size());
    out.writeShort(serial.length).writeInt(found.descriptors().remaining());
    for (Map.Entry<Integer, Integer> each : found.alternates().entrySet()) {
      out.writeByte(each.getKey()).writeByte(each.getValue());
    }
    for (int endpoint : found.halted()) {
      out.writeByte(endpoint);
    }
    out.writeBytes(serial).writeBytes(found.descriptors());
  }

  /** Reads all of {@code in}. */
  public static UsbPort decode(ByteBuf in) throws WireException {
    return decode("PORT", in);
  }

  static UsbPort decode(String frame, ByteBuf in) throws WireException {
    Payload.atLeast(frame, in, FIXED_BYTES);
    int incarnation = in.readInt();
    int speed = in.readUnsignedByte();
    int configuration = in.readUnsignedByte();
    int alternateCount = in.readUnsignedByte();
    int haltedCount = in.readUnsignedByte();
    int serialBytes = in.readUnsignedShort();
    long descriptorBytes = in.readUnsignedInt();
    Payload.check(frame, incarnation >= 0, "an incarnation below 2^31", incarnation);
    Payload.check(frame, speed <= MAX_SPEED, "a speed of 0 to 3", speed);
    Payload.check(frame, serialBytes <= MAX_SERIAL_BYTES, "a short serial number", serialBytes);
    boolean fits = descriptorBytes <= MAX_DESCRIPTORS_BYTES;
    Payload.check(frame, fits, "short descriptors", descriptorBytes);
    Payload.exactly(frame, in, 2L * alternateCount + haltedCount + serialBytes + descriptorBytes);
    if (speed == 0) {
      int more = configuration + in.readableBytes();
      Payload.check(frame, more == 0, "nothing of what is not plugged", more);
      return new UsbPort(incarnation, Optional.empty());
    }
    Payload.check(frame, descriptorBytes >= MIN_DESCRIPTORS_BYTES, "descriptors", descriptorBytes);
    Payload.check(frame, incarnation > 0, "an incarnation from 1 on", incarnation);
    ImmutableMap.Builder<Integer, Integer> alternates = ImmutableMap.builder();
    int last = -1;
    for (int i = 0; i < alternateCount; i++) {
      int number = in.readUnsignedByte();
      Payload.check(frame, number > last, "ascending interfaces", number);
      last = number;
      alternates.put(number, (int) in.readUnsignedByte());
    }
    ImmutableSet.Builder<Integer> halted = ImmutableSet.builder();
    last = -1;
    for (int i = 0; i < haltedCount; i++) {
      int endpoint = in.readUnsignedByte();
      Payload.check(frame, endpoint > last, "ascending endpoints", endpoint);
      last = endpoint;
      halted.add(endpoint);
    }
    byte[] serial = ByteBufUtil.getBytes(in.readSlice(serialBytes));
    Plugged found =
        new Plugged(
            speed,
            configuration,
            alternates.buildOrThrow(),
            halted.build(),
            new String(serial, StandardCharsets.UTF_8),
            in.readSlice((int) descriptorBytes).nioBuffer());
    boolean isText = Arrays.equals(found.serialBytes(), serial);
    Payload.check(frame, isText, "a serial number of text", serialBytes);
    return new UsbPort(incarnation, Optional.of(found));
  }
}
