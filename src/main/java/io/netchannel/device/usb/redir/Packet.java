package io.netchannel.device.usb.redir;

import java.nio.ByteBuffer;

/**
 * One that has come.
 *
 * @param body all behind the common header, little endian; only until the next one is read
 */
record Packet(PacketType type, long id, ByteBuffer body) {

  /**
   * Its header, whose data, if any, is what remains of the body then.
   *
   * @throws RedirException when it is shorter
   */
  ByteBuffer header(int bytes) throws RedirException {
    if (body.remaining() < bytes) {
      throw new RedirException(
          "expected a %s packet of %d bytes or more, found %d"
              .formatted(type, bytes, body.remaining()));
    }
    return body;
  }

  /** A packet that is only a header. */
  ByteBuffer exactly(int bytes) throws RedirException {
    if (body.remaining() != bytes) {
      throw new RedirException(
          "expected a %s packet of %d bytes, found %d".formatted(type, bytes, body.remaining()));
    }
    return body;
  }

  /** Checks what its header says of the data behind it. */
  void checkData(long bytes) throws RedirException {
    if (body.remaining() != bytes) {
      throw new RedirException(
          "expected a %s packet with the %d bytes of data that it names, found %d"
              .formatted(type, bytes, body.remaining()));
    }
  }
}
