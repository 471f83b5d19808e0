package io.netchannel.server.nbd;

import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdProtocolException;
import java.nio.ByteBuffer;

/** A client's request, without the data that follows a write. Used again and again. */
final class RequestHeader {
  /** The longest data of a request, which we tell every client that asks. */
  static final int MAX_PAYLOAD_BYTES = NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES;

  int flags;

  /** NBD_CMD_*; or a number that names no command. */
  int command;

  /** Opaque; goes back with the reply. */
  long handle;

  /** Unsigned. */
  long offsetBytes;

  /** 0 to 2^32-1. */
  long lengthBytes;

  /**
   * Reads {@link NbdProtocol#REQUEST_BYTES} bytes.
   *
   * @throws NbdProtocolException when no request can be found in what comes from this client any
   *     more
   */
  void parse(ByteBuffer input) throws NbdProtocolException {
    int magic = input.getInt();
    if (magic != NbdProtocol.REQUEST_MAGIC) {
      throw new NbdProtocolException(
          "expected the magic %x of a request, found %x"
              .formatted(NbdProtocol.REQUEST_MAGIC, magic));
    }
    flags = Short.toUnsignedInt(input.getShort());
    command = Short.toUnsignedInt(input.getShort());
    handle = input.getLong();
    offsetBytes = input.getLong();
    lengthBytes = Integer.toUnsignedLong(input.getInt());
    if (command == NbdProtocol.CMD_WRITE && lengthBytes > MAX_PAYLOAD_BYTES) {
      throw new NbdProtocolException(
          "expected writes of at most %d bytes, found one of %d"
              .formatted(MAX_PAYLOAD_BYTES, lengthBytes));
    }
  }

  /** Bytes that follow this header. */
  int payloadBytes() {
    return command == NbdProtocol.CMD_WRITE ? (int) lengthBytes : 0;
  }

  /** The buffer that the request needs. */
  int dataBytes() {
    return switch (command) {
      case NbdProtocol.CMD_READ, NbdProtocol.CMD_WRITE -> (int) lengthBytes;
      default -> 0;
    };
  }

  /** 0 when the request may go to the device, else the error number of its reply. */
  int check(DeviceGeometry geometry, boolean readOnly) {
    return switch (command) {
      case NbdProtocol.CMD_READ ->
          lengthBytes > MAX_PAYLOAD_BYTES
              ? NbdProtocol.EINVAL
              : checkRange(geometry, NbdProtocol.CMD_FLAG_FUA, NbdProtocol.EINVAL);
      case NbdProtocol.CMD_WRITE ->
          readOnly
              ? NbdProtocol.EPERM
              : checkRange(geometry, NbdProtocol.CMD_FLAG_FUA, NbdProtocol.ENOSPC);
      case NbdProtocol.CMD_WRITE_ZEROES ->
          readOnly
              ? NbdProtocol.EPERM
              : checkRange(
                  geometry,
                  NbdProtocol.CMD_FLAG_FUA | NbdProtocol.CMD_FLAG_NO_HOLE,
                  NbdProtocol.ENOSPC);
      case NbdProtocol.CMD_TRIM ->
          readOnly
              ? NbdProtocol.EPERM
              : checkRange(geometry, NbdProtocol.CMD_FLAG_FUA, NbdProtocol.EINVAL);
      case NbdProtocol.CMD_FLUSH ->
          (flags & ~NbdProtocol.CMD_FLAG_FUA) == 0 && offsetBytes == 0 && lengthBytes == 0
              ? 0
              : NbdProtocol.EINVAL;
      default -> NbdProtocol.EINVAL;
    };
  }

  private int checkRange(DeviceGeometry geometry, int allowedFlags, int beyondTheEnd) {
    int unit = geometry.logicalBlockBytes();
    if ((flags & ~allowedFlags) != 0 || offsetBytes % unit != 0 || lengthBytes % unit != 0) {
      return NbdProtocol.EINVAL;
    }
    boolean within = offsetBytes >= 0 && lengthBytes <= geometry.sizeBytes() - offsetBytes;
    return within ? 0 : beyondTheEnd;
  }
}
