package io.netchannel.device.usb;

import static com.google.common.base.Preconditions.checkArgument;

import java.nio.ByteBuffer;

/**
 * One transfer (USB request block). Made once and used again: its owner sets it before it is
 * submitted and reads the outcome when it is complete; in between it is the device's. A device may
 * hang what it has of its own to it ({@link #attachment}).
 *
 * <p>Not safe for several threads: it goes from one to the other with the submission and with the
 * completion.
 */
public final class Urb {
  /** Of an isochronous URB at most: what usbfs takes (Linux, devio.c). */
  public static final int MAX_PACKETS = 128;

  /** Of data at most: 16 segments of a page (io/usbif.h). */
  public static final int MAX_DATA_BYTES = 16 * 4096;

  /** Bit of an endpoint's address and of a setup's request type: towards the host. */
  public static final int IN = 0x80;

  private static final int SETUP_BYTES = 8;

  private UrbType type = UrbType.CONTROL;
  private int endpoint;
  private long setup;
  private boolean shortNotOk;
  private int interval;
  private ByteBuffer data = ByteBuffer.allocateDirect(0);

  private int packets;
  private final int[] packetOffsets = new int[MAX_PACKETS];
  private final int[] packetBytes = new int[MAX_PACKETS];

  private UrbStatus status = UrbStatus.OK;
  private int actualBytes;
  private int startFrame;
  private int errorCount;
  private final int[] packetActualBytes = new int[MAX_PACKETS];
  private final UrbStatus[] packetStatus = new UrbStatus[MAX_PACKETS];

  private Object attachment;

  /**
   * Becomes a control transfer on endpoint 0.
   *
   * @param newSetup the 8 bytes of the setup packet, the first in the lowest bits (USB 2.0, 9.3)
   * @param newData direct; from its position to its limit what is sent, or room for what comes;
   *     neither is changed
   */
  public void control(long newSetup, ByteBuffer newData) {
    begin(UrbType.CONTROL, (int) (newSetup & IN), newData);
    setup = newSetup;
  }

  /**
   * Becomes a bulk transfer.
   *
   * @param newEndpoint its address, with {@link #IN}
   * @param newData as for {@link #control}
   * @param newShortNotOk whether less than asked for is {@link UrbStatus#SHORT}
   */
  public void bulk(int newEndpoint, ByteBuffer newData, boolean newShortNotOk) {
    begin(UrbType.BULK, newEndpoint, newData);
    shortNotOk = newShortNotOk;
  }

  /**
   * Becomes an interrupt transfer.
   *
   * @param newInterval in frames, or microframes at high speed; 0 for the endpoint's own
   */
  public void interrupt(
      int newEndpoint, ByteBuffer newData, boolean newShortNotOk, int newInterval) {
    begin(UrbType.INTERRUPT, newEndpoint, newData);
    shortNotOk = newShortNotOk;
    interval = newInterval;
  }

  /** Becomes an isochronous transfer, of the packets that are {@link #addPacket added} then. */
  public void isochronous(int newEndpoint, ByteBuffer newData, int newInterval) {
    begin(UrbType.ISOCHRONOUS, newEndpoint, newData);
    interval = newInterval;
  }

  private void begin(UrbType newType, int newEndpoint, ByteBuffer newData) {
    checkArgument(newData.isDirect(), "expected a direct buffer, found %s", newData);
    checkRange(newData.remaining(), MAX_DATA_BYTES, "bytes");
    type = newType;
    endpoint = newEndpoint;
    data = newData;
    setup = 0;
    shortNotOk = false;
    interval = 0;
    packets = 0;
    clearOutcome();
  }

  /** Nothing has come of it yet. */
  public void clearOutcome() {
    status = UrbStatus.OK;
    actualBytes = 0;
    startFrame = 0;
    errorCount = 0;
  }

  /**
   * One more packet of an isochronous transfer.
   *
   * @param offset in bytes from the data's position
   */
  public void addPacket(int offset, int bytes) {
    checkArgument(
        type == UrbType.ISOCHRONOUS && packets < MAX_PACKETS,
        "expected an isochronous URB of at most %s packets, found %s",
        MAX_PACKETS,
        this);
    checkRange(offset, data.remaining(), "as a packet's offset");
    checkRange(bytes, data.remaining() - offset, "bytes of a packet");
    packetOffsets[packets] = offset;
    packetBytes[packets] = bytes;
    packetActualBytes[packets] = 0;
    packetStatus[packets] = UrbStatus.MISSED_FRAME;
    packets++;
  }

  public UrbType type() {
    return type;
  }

  /** The endpoint's address with {@link #IN}; of a control transfer 0 or IN, as its setup says. */
  public int endpoint() {
    return endpoint;
  }

  public boolean isIn() {
    return (endpoint & IN) != 0;
  }

  /** The setup packet, the first byte in the lowest bits; 0 unless it is a control transfer. */
  public long setup() {
    return setup;
  }

  /** Byte {@code index} of the setup packet, 0 .. 255. */
  public int setupByte(int index) {
    checkRange(index, SETUP_BYTES - 1, "as the index of a byte of the setup packet");
    return (int) (setup >>> (8 * index)) & 0xff;
  }

  /** Two bytes of the setup packet from {@code index} on, little endian. */
  public int setupShort(int index) {
    return setupByte(index) | setupByte(index + 1) << 8;
  }

  public boolean shortNotOk() {
    return shortNotOk;
  }

  /**
   * Whether nothing that follows on its endpoint may begin before it has ended: the parts of one
   * transfer are submitted together, and where one brings less than it could the next thing that
   * comes belongs to none of the others. Host controllers of before USB 3 stop an endpoint then,
   * and Linux goes by that (usb_sg_wait, as usb-storage has it); where they do not whoever submits
   * waits.
   */
  public boolean stopsIfShort() {
    return shortNotOk && type == UrbType.BULK && isIn();
  }

  public int interval() {
    return interval;
  }

  public ByteBuffer data() {
    return data;
  }

  /** Bytes of data asked for. */
  public int dataBytes() {
    return data.remaining();
  }

  public int packets() {
    return packets;
  }

  public int packetOffset(int packet) {
    return packetOffsets[packet];
  }

  public int packetBytes(int packet) {
    return packetBytes[packet];
  }

  /** Bytes that a packet moved. */
  public int packetActualBytes(int packet) {
    return packetActualBytes[packet];
  }

  public UrbStatus packetStatus(int packet) {
    return packetStatus[packet];
  }

  /** What became of a packet. */
  public void packetDone(int packet, int actual, UrbStatus outcome) {
    checkRange(actual, packetBytes[packet], "bytes of a packet");
    packetActualBytes[packet] = actual;
    packetStatus[packet] = outcome;
  }

  /**
   * What became of it; for the device, before it completes it.
   *
   * @param actual bytes moved; of an isochronous transfer the sum of its packets'
   */
  public void done(UrbStatus outcome, int actual) {
    checkRange(actual, data.remaining(), "bytes");
    status = outcome;
    actualBytes = actual;
  }

  /** In which frame an isochronous transfer began, and how many of its packets failed. */
  public void frames(int start, int errors) {
    startFrame = start;
    errorCount = errors;
  }

  public UrbStatus status() {
    return status;
  }

  public int actualBytes() {
    return actualBytes;
  }

  public int startFrame() {
    return startFrame;
  }

  public int errorCount() {
    return errorCount;
  }

  /** What the device that has it keeps of it; null for nothing. */
  public Object attachment() {
    return attachment;
  }

  /** Set by the device that has it. */
  public void attach(Object newAttachment) {
    attachment = newAttachment;
  }

  /** Makes no object unless it fails, as every transfer comes by here. */
  private static void checkRange(int found, int most, String what) {
    if (found < 0 || found > most) {
      throw new IllegalArgumentException(
          "expected 0 to %d %s, found %d".formatted(most, what, found));
    }
  }

  @Override
  public String toString() {
    return "%s URB of %d bytes on endpoint 0x%02x".formatted(type, data.remaining(), endpoint);
  }
}
