package io.netchannel.wire;

import com.google.common.collect.ImmutableList;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Payload of ATTACH: a client asks for an export.
 *
 * @param kind what it takes the export for
 * @param export its name
 * @param client who asks; the same for every life of the same disk of the same guest
 * @param generation 0 with probe
 * @param readOnly whether it will not write
 * @param probe whether it only wants to know what the export is like
 * @param anew whether it knows that what the export has is not its disk, and is going to overwrite
 *     all of it
 * @param leg whether it knows that what the export has may be a leg of a mirror: as such it is out
 *     of date as soon as the other one went on alone
 * @param unanswered its writes, flushes and discards without a reply, ascending
 */
public record Attach(
    ExportKind kind,
    String export,
    String client,
    long generation,
    boolean readOnly,
    boolean probe,
    boolean anew,
    boolean leg,
    ImmutableList<Unanswered> unanswered) {

  /** A request that the client sent and has seen no reply to. */
  public record Unanswered(int slot, long sequence) {
    static final int BYTES = 10;
  }

  private static final int FIXED_BYTES = 16;
  private static final int READ_ONLY = 1;
  private static final int PROBE = 2;

  /** Since version 2. */
  private static final int ANEW = 4;

  /** Since version 4. */
  private static final int LEG = 8;

  /** Since version 5. */
  private static final int USB = 16;

  static final int MAX_BYTES =
      FIXED_BYTES
          + Names.MAX_EXPORT_BYTES
          + Names.MAX_CLIENT_BYTES
          + Wire.MAX_SLOTS * Unanswered.BYTES;

  public static Attach probe(String export, String client, boolean readOnly) {
    return new Attach(
        ExportKind.DISK, export, client, 0, readOnly, true, false, false, ImmutableList.of());
  }

  public static Attach session(
      String export,
      String client,
      long generation,
      boolean readOnly,
      List<Unanswered> unanswered) {
    return new Attach(
        ExportKind.DISK,
        export,
        client,
        generation,
        readOnly,
        false,
        false,
        false,
        ImmutableList.copyOf(unanswered));
  }

  /** The same of a client that is going to overwrite all there is. */
  public Attach asAnew() {
    return new Attach(kind, export, client, generation, false, false, true, leg, unanswered);
  }

  /** The same of a client that has another leg beside this one, and knows which is up to date. */
  public Attach asLeg() {
    return new Attach(kind, export, client, generation, readOnly, probe, anew, true, unanswered);
  }

  /**
   * The same of who takes it for a USB device: that is neither read-only, nor copied, nor a leg.
   */
  public Attach asUsb() {
    return new Attach(
        ExportKind.USB, export, client, generation, false, probe, false, false, unanswered);
  }

  public int encodedBytes() {
    return FIXED_BYTES + export.length() + client.length() + unanswered.size() * Unanswered.BYTES;
  }

  public void encode(ByteBuf out) {
    out.writeLong(generation);
    out.writeShort(
        (readOnly ? READ_ONLY : 0)
            | (probe ? PROBE : 0)
            | (anew ? ANEW : 0)
            | (leg ? LEG : 0)
            | (kind == ExportKind.USB ? USB : 0));
    out.writeShort(export.length()).writeShort(client.length()).writeShort(unanswered.size());
    out.writeCharSequence(export, StandardCharsets.US_ASCII);
    out.writeCharSequence(client, StandardCharsets.US_ASCII);
    for (Unanswered each : unanswered) {
      out.writeShort(each.slot()).writeLong(each.sequence());
    }
  }

  /** Reads all of {@code in}. */
  public static Attach decode(ByteBuf in) throws WireException {
    Payload.atLeast("ATTACH", in, FIXED_BYTES);
    long generation = in.readLong();
    int flags = in.readUnsignedShort();
    int nameBytes = in.readUnsignedShort();
    int clientBytes = in.readUnsignedShort();
    int count = in.readUnsignedShort();
    boolean probe = (flags & PROBE) != 0;
    Payload.check(
        "ATTACH",
        (flags & ~(READ_ONLY | PROBE | ANEW | LEG | USB)) == 0,
        "no unknown flags",
        flags);
    boolean usb = (flags & USB) != 0;
    Payload.check("ATTACH", !usb || (flags & ~PROBE) == USB, "USB with PROBE at most", flags);
    boolean anew = (flags & ANEW) != 0;
    Payload.check("ATTACH", !anew || (flags & ~LEG) == ANEW, "ANEW of who writes", flags);
    Payload.check(
        "ATTACH", probe ? generation == 0 : generation > 0, "a generation, or a probe", generation);
    Payload.exactly("ATTACH", in, nameBytes + clientBytes + (long) count * Unanswered.BYTES);
    String export = Names.readExport(in, nameBytes);
    String client = Names.readClient(in, clientBytes);
    ImmutableList.Builder<Unanswered> unanswered = ImmutableList.builderWithExpectedSize(count);
    long last = 0;
    for (int i = 0; i < count; i++) {
      Unanswered each = new Unanswered(in.readUnsignedShort(), in.readLong());
      Payload.check(
          "ATTACH", each.sequence() > last, "ascending sequence numbers", each.sequence());
      last = each.sequence();
      unanswered.add(each);
    }
    return new Attach(
        usb ? ExportKind.USB : ExportKind.DISK,
        export,
        client,
        generation,
        (flags & READ_ONLY) != 0,
        probe,
        anew,
        (flags & LEG) != 0,
        unanswered.build());
  }
}
