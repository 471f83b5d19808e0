package io.netchannel.device.usb.soft;

import io.netchannel.device.DeviceGeometry;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * What a disk's SCSI commands ask for (SPC-4, SBC-3): those that sticks have, and nothing of the
 * storage itself.
 */
final class ScsiCommands {
  private static final int TEST_UNIT_READY = 0x00;
  private static final int REQUEST_SENSE = 0x03;
  private static final int INQUIRY = 0x12;
  private static final int MODE_SENSE_6 = 0x1a;
  private static final int START_STOP_UNIT = 0x1b;
  private static final int PREVENT_REMOVAL = 0x1e;
  private static final int READ_FORMAT_CAPACITIES = 0x23;
  private static final int READ_CAPACITY_10 = 0x25;
  private static final int READ_10 = 0x28;
  private static final int WRITE_10 = 0x2a;
  private static final int VERIFY_10 = 0x2f;
  private static final int SYNCHRONIZE_CACHE_10 = 0x35;
  private static final int MODE_SENSE_10 = 0x5a;

  private static final int WRITE_PROTECTED = 0x80;
  private static final int CAPACITY_IS_FORMATTED = 2;

  /** What to do. */
  sealed interface Work permits Reply, Read, Write, Flush, Refused {}

  /** This is the answer, to be cut to what the host takes; without bytes when it asks for none. */
  record Reply(ByteBuffer data) implements Work {}

  /** Give this range of the storage. */
  record Read(long offsetBytes, long lengthBytes) implements Work {}

  /** Take this range of the storage. */
  record Write(long offsetBytes, long lengthBytes) implements Work {}

  /** Make durable what was written. */
  record Flush() implements Work {}

  /** Nothing: {@link #sense} says why. */
  record Refused() implements Work {}

  /** Why a command failed (SPC-4, 4.5.6): sense key, additional code and qualifier. */
  enum Sense {
    NONE(0, 0, 0),
    READ_ERROR(3, 0x11, 0),
    WRITE_ERROR(3, 0x0c, 0),
    UNKNOWN_COMMAND(5, 0x20, 0),
    OUT_OF_RANGE(5, 0x21, 0),
    INVALID_FIELD(5, 0x24, 0),
    READ_ONLY(7, 0x27, 0);

    private final int key;
    private final int code;
    private final int qualifier;

    Sense(int key, int code, int qualifier) {
      this.key = key;
      this.code = code;
      this.qualifier = qualifier;
    }
  }

  private static final Reply DONE = new Reply(ByteBuffer.allocate(0));

  private final DeviceGeometry geometry;
  private final String serial;
  private Sense sense = Sense.NONE;

  ScsiCommands(DeviceGeometry geometry, String serial) {
    this.geometry = geometry;
    this.serial = serial;
  }

  /** The last command failed so; what REQUEST SENSE tells, once. */
  Refused failed(Sense why) {
    sense = why;
    return new Refused();
  }

  Sense sense() {
    return sense;
  }

  /**
   * Reads a command.
   *
   * @param block of 16 bytes, whatever is behind the command in it
   */
  Work parse(ByteBuffer block) {
    int operation = block.get(0) & 0xff;
    return switch (operation) {
      case TEST_UNIT_READY, START_STOP_UNIT, PREVENT_REMOVAL, VERIFY_10 -> DONE;
      case REQUEST_SENSE -> cut(requestSense(), block.get(4) & 0xff);
      case INQUIRY -> inquiry(block);
      case MODE_SENSE_6 -> cut(new byte[] {3, 0, protection(), 0}, block.get(4) & 0xff);
      case MODE_SENSE_10 ->
          cut(new byte[] {0, 6, 0, protection(), 0, 0, 0, 0}, block.getShort(7) & 0xffff);
      case READ_FORMAT_CAPACITIES -> cut(formatCapacities(), block.getShort(7) & 0xffff);
      case READ_CAPACITY_10 ->
          new Reply(
              ByteBuffer.allocate(8)
                  .putInt((int) Math.min(blocks() - 1, 0xffff_ffffL))
                  .putInt(geometry.logicalBlockBytes())
                  .flip());
      case READ_10, WRITE_10 -> transfer(operation == WRITE_10, block);
      case SYNCHRONIZE_CACHE_10 -> new Flush();
      default -> failed(Sense.UNKNOWN_COMMAND);
    };
  }

  private Work transfer(boolean isWrite, ByteBuffer block) {
    long first = block.getInt(2) & 0xffff_ffffL;
    long count = block.getShort(7) & 0xffff;
    if (first + count > blocks()) {
      return failed(Sense.OUT_OF_RANGE);
    }
    if (isWrite && geometry.readOnly()) {
      return failed(Sense.READ_ONLY);
    }
    long offset = first * geometry.logicalBlockBytes();
    long length = count * geometry.logicalBlockBytes();
    return isWrite ? new Write(offset, length) : new Read(offset, length);
  }

  private Work inquiry(ByteBuffer block) {
    int length = block.getShort(3) & 0xffff;
    boolean isPage = (block.get(1) & 1) != 0;
    int page = block.get(2) & 0xff;
    if (!isPage && page == 0) {
      byte[] standard = new byte[36];
      standard[1] = (byte) 0x80; // removable
      standard[2] = 5; // SPC-3
      standard[3] = 2;
      standard[4] = (byte) (standard.length - 5);
      byte[] names = "NETCHAN Soft Stick      1.00".getBytes(StandardCharsets.US_ASCII);
      System.arraycopy(names, 0, standard, 8, names.length);
      return cut(standard, length);
    }
    if (isPage && page == 0) {
      return cut(new byte[] {0, 0, 0, 2, 0, (byte) 0x80}, length);
    }
    if (isPage && page == 0x80) {
      byte[] text = serial.getBytes(StandardCharsets.US_ASCII);
      return cut(
          ByteBuffer.allocate(4 + text.length)
              .put(new byte[] {0, (byte) 0x80, 0, (byte) text.length})
              .put(text)
              .array(),
          length);
    }
    return failed(Sense.INVALID_FIELD);
  }

  private byte[] requestSense() {
    byte[] answer = new byte[18];
    answer[0] = 0x70; // current, fixed format
    answer[2] = (byte) sense.key;
    answer[7] = (byte) (answer.length - 8);
    answer[12] = (byte) sense.code;
    answer[13] = (byte) sense.qualifier;
    sense = Sense.NONE;
    return answer;
  }

  private byte[] formatCapacities() {
    return ByteBuffer.allocate(12)
        .putInt(8)
        .putInt((int) Math.min(blocks(), 0xffff_ffffL))
        .putInt(CAPACITY_IS_FORMATTED << 24 | geometry.logicalBlockBytes())
        .array();
  }

  private byte protection() {
    return (byte) (geometry.readOnly() ? WRITE_PROTECTED : 0);
  }

  private long blocks() {
    return geometry.sizeBytes() / geometry.logicalBlockBytes();
  }

  private static Reply cut(byte[] answer, int length) {
    return new Reply(ByteBuffer.wrap(answer, 0, Math.min(answer.length, length)));
  }
}
