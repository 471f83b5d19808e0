package io.netchannel.vdevice.usb.frontend;

import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.UrbLayout;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.GuestPages;
import java.util.Arrays;
import java.util.function.Consumer;

/** A URB of a driver in the guest (struct urb), with its memory. */
public final class GuestUrb {
  /** Linux' -EINPROGRESS: it has not been given back. */
  public static final int IN_PROGRESS = -115;

  private static final int ECONNRESET = -104;
  private static final int ESHUTDOWN = -108;
  private static final int EREMOTEIO = -121;

  private final PipeType type;
  private final int endpoint;
  private final long setup;
  private final int lengthBytes;
  private final int offset;
  private final GuestPages data;
  private final int[] packetBytes;
  private final int tableOffset;
  private final GuestPages table;

  private int interval;
  private boolean shortNotOk;
  private int deviceAddress = 1;
  private Consumer<GuestUrb> onDone = urb -> {};

  private int status = IN_PROGRESS;
  private int actualBytes;
  private int errorCount;
  private int givenBack;

  private GuestUrb(
      EmbeddedDomain domain,
      PipeType type,
      int endpoint,
      long setup,
      int lengthBytes,
      int offset,
      int[] packetBytes,
      int tableOffset) {
    this.type = type;
    this.endpoint = endpoint;
    this.setup = setup;
    this.lengthBytes = lengthBytes;
    this.offset = offset;
    this.packetBytes = packetBytes;
    this.tableOffset = tableOffset;
    data = domain.allocatePages(Math.max(1, pages(offset, lengthBytes)));
    table = domain.allocatePages(Math.max(1, pages(tableOffset, tableBytes())));
    int packetOffset = 0;
    for (int packet = 0; packet < packetBytes.length; packet++) {
      int at = tableOffset + packet * UrbLayout.PACKET_BYTES;
      table.memory().putInt(at + UrbLayout.PACKET_OFFSET, packetOffset);
      table.memory().putInt(at + UrbLayout.PACKET_LENGTH, packetBytes[packet]);
      packetOffset += packetBytes[packet];
    }
  }

  private static int pages(int offset, int bytes) {
    return bytes == 0 ? 0 : (offset + bytes + GrantTable.PAGE_BYTES - 1) / GrantTable.PAGE_BYTES;
  }

  /** A control transfer; the first byte of the setup in its lowest bits. */
  public static GuestUrb control(EmbeddedDomain domain, long setup) {
    int length = (int) (setup >>> 48);
    return new GuestUrb(
        domain, PipeType.CONTROL, (int) setup & UrbLayout.IN, setup, length, 0, new int[0], 0);
  }

  /** The setup packet. */
  public static long setup(int requestType, int request, int value, int index, int length) {
    return requestType
        | (long) request << 8
        | (long) value << 16
        | (long) index << 32
        | (long) length << 48;
  }

  /**
   * A bulk or an interrupt transfer.
   *
   * @param offset in the first page
   */
  public static GuestUrb of(
      EmbeddedDomain domain, PipeType type, int endpoint, int lengthBytes, int offset) {
    return new GuestUrb(domain, type, endpoint, 0, lengthBytes, offset, new int[0], 0);
  }

  /** An isochronous transfer of packets side by side. */
  public static GuestUrb isochronous(
      EmbeddedDomain domain, int endpoint, int[] packetBytes, int offset, int tableOffset) {
    return new GuestUrb(
        domain,
        PipeType.ISOCHRONOUS,
        endpoint,
        0,
        Arrays.stream(packetBytes).sum(),
        offset,
        packetBytes.clone(),
        tableOffset);
  }

  public GuestUrb interval(int newInterval) {
    interval = newInterval;
    return this;
  }

  public GuestUrb shortNotOk() {
    shortNotOk = true;
    return this;
  }

  public GuestUrb address(int newAddress) {
    deviceAddress = newAddress;
    return this;
  }

  public GuestUrb onDone(Consumer<GuestUrb> newOnDone) {
    onDone = newOnDone;
    return this;
  }

  public GuestUrb fill(byte[] bytes) {
    data.memory().put(offset, bytes);
    return this;
  }

  public PipeType type() {
    return type;
  }

  public int endpoint() {
    return endpoint;
  }

  public boolean isIn() {
    return (endpoint & UrbLayout.IN) != 0;
  }

  public int lengthBytes() {
    return lengthBytes;
  }

  public int actualBytes() {
    return actualBytes;
  }

  public int errorCount() {
    return errorCount;
  }

  /** Linux' error number, negative; {@link #IN_PROGRESS} before it is given back. */
  public int status() {
    return status;
  }

  /** How often it was given back: once, when all is well. */
  public int timesGivenBack() {
    return givenBack;
  }

  /** Bytes of the buffer. */
  public byte[] bytes(int from, int count) {
    byte[] bytes = new byte[count];
    data.memory().get(offset + from, bytes);
    return bytes;
  }

  public int packets() {
    return packetBytes.length;
  }

  public int packetActualBytes(int packet) {
    return table.memory().getInt(packetAt(packet) + UrbLayout.PACKET_ACTUAL);
  }

  public int packetStatus(int packet) {
    return table.memory().getInt(packetAt(packet) + UrbLayout.PACKET_STATUS);
  }

  public int packetOffset(int packet) {
    return table.memory().getInt(packetAt(packet) + UrbLayout.PACKET_OFFSET);
  }

  /** A driver that writes into the packet descriptors while they are in use. */
  public void packetOffset(int packet, int newOffset) {
    table.memory().putInt(packetAt(packet) + UrbLayout.PACKET_OFFSET, newOffset);
  }

  private int packetAt(int packet) {
    return tableOffset + packet * UrbLayout.PACKET_BYTES;
  }

  // ---- for the driver

  int tableBytes() {
    return packetBytes.length * UrbLayout.PACKET_BYTES;
  }

  int deviceAddress() {
    return deviceAddress;
  }

  boolean isShortNotOk() {
    return shortNotOk;
  }

  GuestPages data() {
    return data;
  }

  int offset() {
    return offset;
  }

  GuestPages table() {
    return table;
  }

  int tableOffset() {
    return tableOffset;
  }

  int dataPages() {
    return pages(offset, lengthBytes);
  }

  int tablePages() {
    return pages(tableOffset, tableBytes());
  }

  /** What stands in the 8 bytes of the setup. */
  long union() {
    return switch (type) {
      case CONTROL -> setup;
      case BULK -> 0;
      case INTERRUPT -> interval;
      case ISOCHRONOUS ->
          interval
              | (long) packets() << UrbLayout.PACKET_COUNT_SHIFT
              | (long) tablePages() << UrbLayout.TABLE_SEGMENT_COUNT_SHIFT;
    };
  }

  void outcome(int newActualBytes, int newErrorCount) {
    actualBytes = newActualBytes;
    errorCount = newErrorCount;
  }

  /**
   * Gives it back with what the backend says of it.
   *
   * @param unlinked whether somebody has unlinked it: the answer's status means nothing then
   */
  void answered(int usbif, boolean unlinked) {
    int answer =
        switch (usbif) {
          case 0, -19, -22, -32, -71, -75 -> usbif;
          default -> ESHUTDOWN;
        };
    if (answer == 0 && shortNotOk && actualBytes < lengthBytes) {
      answer = EREMOTEIO; // the USB core's doing (hcd.c)
    }
    giveBack(unlinked ? ECONNRESET : answer);
  }

  void giveBack(int newStatus) {
    status = newStatus;
    givenBack++;
    onDone.accept(this);
  }

  @Override
  public String toString() {
    return "%s of %d bytes on 0x%02x: status %d, %d bytes"
        .formatted(type, lengthBytes, endpoint, status, actualBytes);
  }
}
