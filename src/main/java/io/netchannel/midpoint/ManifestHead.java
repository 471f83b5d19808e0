package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.files.Crc32c;
import java.nio.ByteBuffer;

/**
 * What the manifests of all kinds of devices have in common as bytes, big-endian.
 *
 * <pre>
 *   magic "NCMF" (4)  version (2)  kind (1)  flags (1)  generation (8)
 *   what its kind has
 *   CRC32C of all before it (4)
 * </pre>
 *
 * @param flags of its kind
 * @param generation the source's
 * @param body what its kind has, to be read from its position on; nothing after its limit counts
 */
public record ManifestHead(byte flags, long generation, ByteBuffer body) {
  /** Of the head; the body begins there. */
  public static final int BYTES = 16;

  private static final int MAGIC = 0x4e434d46;
  private static final short VERSION = 2;
  private static final int CRC_BYTES = 4;

  /**
   * Begins a manifest.
   *
   * @param bodyBytes how long its body will be
   * @return all its array is the manifest; the body is to be put at the position
   */
  public static ByteBuffer begin(byte kind, byte flags, long generation, long bodyBytes) {
    ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(BYTES + bodyBytes + CRC_BYTES));
    return out.putInt(MAGIC).putShort(VERSION).put(kind).put(flags).putLong(generation);
  }

  /** Ends what was begun, when its body is there. */
  public static Manifest.Encoded end(ByteBuffer out) {
    int body = out.position();
    Crc32c crc = new Crc32c().add(out.slice(0, body));
    out.putInt(crc.value());
    // The checksum of all of it, for who carries it, is a few bytes away.
    crc.add(out.slice(body, CRC_BYTES));
    return new Manifest.Encoded(out.flip(), crc.value());
  }

  /**
   * Opens a manifest of a kind.
   *
   * @param leastBytes what a body of this kind has at least
   * @param verified somebody has compared the checksum of all of it already
   * @throws IllegalArgumentException when it is not one; the message says what is wrong
   */
  public static ManifestHead of(ByteBuffer encoded, byte kind, int leastBytes, boolean verified) {
    int length = encoded.remaining();
    int least = BYTES + leastBytes + CRC_BYTES;
    checkArgument(
        length >= least,
        "manifest: expected at least %s bytes, found %s; it was cut off",
        least,
        length);
    int bodyEnd = length - CRC_BYTES;
    ByteBuffer in = encoded.slice().asReadOnlyBuffer();
    int magic = in.getInt();
    if (magic != MAGIC) {
      throw new IllegalArgumentException(
          "manifest: expected magic %x, found %x".formatted(MAGIC, magic));
    }
    int version = in.getShort();
    checkArgument(
        version == VERSION,
        "manifest: expected version %s, found %s; run the same netchannel on both hosts",
        VERSION,
        version);
    checkArgument(
        verified || in.getInt(bodyEnd) == Crc32c.of(in.slice(0, bodyEnd)),
        "manifest: checksum does not match its %s bytes; it was damaged or cut off",
        length);
    in.limit(bodyEnd);
    byte found = in.get();
    checkArgument(
        found == kind,
        "manifest: expected one of a device of kind %s, found kind %s; the device has the same kind"
            + " on both hosts",
        kind,
        found);
    return new ManifestHead(in.get(), in.getLong(), in);
  }
}
