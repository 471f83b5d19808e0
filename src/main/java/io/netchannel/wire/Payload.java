package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import java.util.UUID;

/** Checks that the payloads of ATTACH and ATTACHED have in common. */
final class Payload {
  private Payload() {}

  static void check(String type, boolean holds, String expected, long found) throws WireException {
    if (!holds) {
      throw new WireException("%s: expected %s, found %d".formatted(type, expected, found));
    }
  }

  static void atLeast(String type, ByteBuf in, int bytes) throws WireException {
    check(type, in.readableBytes() >= bytes, bytes + " or more bytes", in.readableBytes());
  }

  static void exactly(String type, ByteBuf in, long bytes) throws WireException {
    check(type, in.readableBytes() == bytes, bytes + " more bytes", in.readableBytes());
  }

  static void encode(UUID uuid, ByteBuf out) {
    out.writeLong(uuid.getMostSignificantBits()).writeLong(uuid.getLeastSignificantBits());
  }

  static UUID uuid(ByteBuf in) {
    return new UUID(in.readLong(), in.readLong());
  }
}
