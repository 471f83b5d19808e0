package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Payload of RECORD: a client asks which legs of its mirror are up to date, as far as is known
 * here, or tells it. What the record says this package does not know.
 *
 * @param export whose clients; empty for the server's own memory, as that of a witness
 * @param client who asks, as in {@link Attach}
 * @param generation with which it tells it; 0 when it only asks
 * @param record what it tells; empty to have it forgotten, or when it only asks
 */
public record LegRecord(
    Optional<String> export, String client, long generation, Optional<String> record) {

  /** Of the record's text. */
  public static final int MAX_RECORD_BYTES = 8192;

  private static final int FIXED_BYTES = 16;

  static final int MAX_BYTES =
      FIXED_BYTES + Names.MAX_EXPORT_BYTES + Names.MAX_CLIENT_BYTES + MAX_RECORD_BYTES;

  private static final Pattern TEXT = Pattern.compile("[ -~]{1,8192}");

  public static LegRecord ask(Optional<String> export, String client) {
    return new LegRecord(export, client, 0, Optional.empty());
  }

  public boolean tells() {
    return generation > 0;
  }

  public ByteBuf encoded(ByteBuf out) {
    String name = export.orElse("");
    String text = record.orElse("");
    out.writeLong(generation).writeShort(name.length()).writeShort(client.length());
    out.writeShort(text.length()).writeShort(0);
    out.writeCharSequence(name, StandardCharsets.US_ASCII);
    out.writeCharSequence(client, StandardCharsets.US_ASCII);
    out.writeCharSequence(text, StandardCharsets.US_ASCII);
    return out;
  }

  /** Reads all of {@code in}. */
  public static LegRecord decode(ByteBuf in) throws WireException {
    Payload.atLeast("RECORD", in, FIXED_BYTES);
    long generation = in.readLong();
    int nameBytes = in.readUnsignedShort();
    int clientBytes = in.readUnsignedShort();
    int textBytes = in.readUnsignedShort();
    int reserved = in.readUnsignedShort();
    Payload.check("RECORD", generation >= 0, "a generation below 2^63", generation);
    Payload.check("RECORD", reserved == 0, "0 as reserved", reserved);
    Payload.check(
        "RECORD", textBytes == 0 || generation > 0, "no record of who only asks", textBytes);
    Payload.exactly("RECORD", in, (long) nameBytes + clientBytes + textBytes);
    Optional<String> export =
        nameBytes == 0 ? Optional.empty() : Optional.of(Names.readExport(in, nameBytes));
    return new LegRecord(
        export, Names.readClient(in, clientBytes), generation, text(in, textBytes));
  }

  private static Optional<String> text(ByteBuf in, int bytes) throws WireException {
    return bytes == 0
        ? Optional.empty()
        : Optional.of(Names.read(in, bytes, TEXT, "record of printable ASCII"));
  }

  /**
   * Payload of RECORDED: what is known here from now on.
   *
   * @param generation the newest of the client; 0 for none
   * @param inUse whether the client is attached just now
   * @param record empty when there is none
   */
  public record Known(long generation, boolean inUse, Optional<String> record) {
    private static final int FIXED_BYTES = 12;
    private static final int IN_USE = 1;

    static final int MAX_BYTES = FIXED_BYTES + MAX_RECORD_BYTES;

    public ByteBuf encoded(ByteBuf out) {
      String text = record.orElse("");
      out.writeLong(generation).writeShort(text.length()).writeShort(inUse ? IN_USE : 0);
      out.writeCharSequence(text, StandardCharsets.US_ASCII);
      return out;
    }

    /** Reads all of {@code in}. */
    public static Known decode(ByteBuf in) throws WireException {
      Payload.atLeast("RECORDED", in, FIXED_BYTES);
      long generation = in.readLong();
      int bytes = in.readUnsignedShort();
      int flags = in.readUnsignedShort();
      Payload.check("RECORDED", generation >= 0, "a generation below 2^63", generation);
      Payload.check("RECORDED", (flags & ~IN_USE) == 0, "flags 0 or 1", flags);
      Payload.exactly("RECORDED", in, bytes);
      return new Known(generation, flags == IN_USE, text(in, bytes));
    }
  }
}
