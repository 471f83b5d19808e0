package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Urb;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/** Makes packets of the bytes that come, of which it keeps one packet's at most. */
final class PacketReader {
  /** Beside the data: the longest header is the hello's with its capabilities, or ep_info's. */
  private static final int MAX_BODY_BYTES = Urb.MAX_DATA_BYTES + 512;

  private static final int NARROW_HEADER_BYTES = 12;
  private static final int WIDE_HEADER_BYTES = 16;

  private final ByteBuffer bytes =
      ByteBuffer.allocate(WIDE_HEADER_BYTES + MAX_BODY_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /** Where the next packet begins; what has come ends at the buffer's position. */
  private int begin;

  private boolean wideIds;

  /** Ids have 64 bits from the next packet on. */
  void useWideIds() {
    wideIds = true;
  }

  /**
   * Where what comes next is to be put, up to the limit; has room whenever {@link #next} has no
   * packet.
   */
  ByteBuffer room() {
    bytes.limit(bytes.position()).position(begin);
    bytes.compact();
    begin = 0;
    return bytes;
  }

  /**
   * The next packet, if it is there as a whole.
   *
   * @throws RedirException when it is none
   */
  Optional<Packet> next() throws RedirException {
    int headerBytes = wideIds ? WIDE_HEADER_BYTES : NARROW_HEADER_BYTES;
    int there = bytes.position() - begin;
    if (there < headerBytes) {
      return Optional.empty();
    }
    int number = bytes.getInt(begin);
    int length = bytes.getInt(begin + 4);
    if (length < 0 || length > MAX_BODY_BYTES) {
      throw new RedirException(
          "expected a packet of at most %d bytes, found type %d of %d bytes"
              .formatted(MAX_BODY_BYTES, number, length & 0xffff_ffffL));
    }
    PacketType type =
        PacketType.of(number)
            .orElseThrow(
                () -> new RedirException("expected a packet of a known type, found " + number));
    if (there < headerBytes + length) {
      return Optional.empty();
    }
    long id = wideIds ? bytes.getLong(begin + 8) : bytes.getInt(begin + 8) & 0xffff_ffffL;
    ByteBuffer body = bytes.slice(begin + headerBytes, length).order(ByteOrder.LITTLE_ENDIAN);
    begin += headerBytes + length;
    return Optional.of(new Packet(type, id, body));
  }
}
