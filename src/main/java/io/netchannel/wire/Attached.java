package io.netchannel.wire;

import com.google.common.collect.ImmutableList;
import io.netty.buffer.ByteBuf;

/**
 * Payload of ATTACHED: what the export is like, and what became of the listed requests.
 *
 * @param body what only its kind of exports has
 * @param window how much may be outstanding
 * @param generation the newest the server knows for this client; 0: none
 * @param fates of the listed requests, in their order
 */
public record Attached(Body body, Window window, long generation, ImmutableList<Fate> fates) {

  /** What only one kind of exports has. */
  public sealed interface Body permits AttachedDisk, AttachedUsb {
    ExportKind kind();

    /** Writes {@link #BODY_BYTES}, which come first. */
    void encodeFixed(ByteBuf out);

    /** How long the rest is, which comes last. */
    int restBytes();

    /** Writes that. */
    void encodeRest(ByteBuf out);
  }

  /** What it says of a disk, when it was decoded as one's. */
  public AttachedDisk disk() {
    return (AttachedDisk) body;
  }

  /** What it says of a USB device, when it was decoded as one's. */
  public AttachedUsb usb() {
    return (AttachedUsb) body;
  }

  /**
   * What a client may have outstanding.
   *
   * @param slots requests; 0 after a probe
   * @param bytes of data that they write or read
   */
  public record Window(int slots, int bytes) {
    public static final Window NONE = new Window(0, 0);
  }

  /** What the server knows of a listed request. */
  public record Fate(State state, Status status) {
    static final int BYTES = 2;

    public static final Fate UNKNOWN = new Fate(State.UNKNOWN, Status.OK);
    public static final Fate RUNNING = new Fate(State.RUNNING, Status.OK);

    public static Fate done(Status status) {
      return new Fate(State.DONE, status);
    }

    private static Fate decode(ByteBuf in) throws WireException {
      int state = in.readUnsignedByte();
      Status status = Status.of(in.readUnsignedByte());
      Payload.check("ATTACHED", state < State.VALUES.length, "a state of 0 to 2", state);
      Fate fate = new Fate(State.VALUES[state], status);
      boolean plain = fate.state() == State.DONE || status == Status.OK;
      Payload.check("ATTACHED", plain, "a status only when DONE", state);
      return fate;
    }
  }

  /** How far a listed request is. */
  public enum State {
    UNKNOWN(0),
    RUNNING(1),
    DONE(2);

    private static final State[] VALUES = values();

    private final int code;

    State(int code) {
      this.code = code;
    }
  }

  /** What a kind has at the beginning. */
  static final int BODY_BYTES = 54;

  private static final int FIXED_BYTES = BODY_BYTES + 18;

  static final int MAX_BYTES = FIXED_BYTES + Wire.MAX_SLOTS * Fate.BYTES + UsbPort.MAX_BYTES;

  public int encodedBytes() {
    return FIXED_BYTES + fates.size() * Fate.BYTES + body.restBytes();
  }

  public void encode(ByteBuf out) {
    body.encodeFixed(out);
    out.writeShort(window.slots()).writeInt(window.bytes());
    out.writeShort(fates.size()).writeShort(body.restBytes());
    out.writeLong(generation);
    for (Fate fate : fates) {
      out.writeByte(fate.state().code).writeByte(fate.status().code());
    }
    body.encodeRest(out);
  }

  /**
   * Reads all of {@code in}.
   *
   * @param kind that was asked for
   */
  public static Attached decode(ByteBuf in, ExportKind kind) throws WireException {
    Payload.atLeast("ATTACHED", in, FIXED_BYTES);
    ByteBuf fixed = in.readSlice(BODY_BYTES);
    int slots = in.readUnsignedShort();
    long bytes = in.readUnsignedInt();
    int count = in.readUnsignedShort();
    int rest = in.readUnsignedShort();
    long generation = in.readLong();
    boolean usable = slots == 0 ? bytes == 0 : bytes >= Wire.MIN_PAYLOAD_BYTES;
    Payload.check(
        "ATTACHED", usable && bytes <= Integer.MAX_VALUE, "a window for a request", bytes);
    Payload.check("ATTACHED", generation >= 0, "a generation below 2^63", generation);
    Payload.check("ATTACHED", kind == ExportKind.USB || rest == 0, "0 as reserved", rest);
    Payload.exactly("ATTACHED", in, (long) count * Fate.BYTES + rest);
    ImmutableList.Builder<Fate> fates = ImmutableList.builderWithExpectedSize(count);
    for (int i = 0; i < count; i++) {
      Fate fate = Fate.decode(in);
      boolean may = kind == ExportKind.DISK || fate.state() != State.DONE;
      Payload.check("ATTACHED", may, "nothing DONE of a USB device, but its URB_REPLY", i);
      fates.add(fate);
    }
    Body body =
        switch (kind) {
          case DISK -> AttachedDisk.decode(fixed);
          case USB -> AttachedUsb.decode(fixed, in);
        };
    return new Attached(body, new Window(slots, (int) bytes), generation, fates.build());
  }
}
