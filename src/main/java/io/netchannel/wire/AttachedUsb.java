package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import java.util.UUID;

/**
 * What ATTACHED says of a USB device.
 *
 * @param session another one than before: it has no outcome of what was sent before, and cannot say
 *     that it was never done
 * @param fresh whether nothing has been sent to the session yet: who does not know the one before
 *     does not know what became of what was sent to that
 * @param port what is there
 */
public record AttachedUsb(UUID session, boolean fresh, UsbPort port) implements Attached.Body {
  private static final int RESERVED_BYTES = Attached.BODY_BYTES - 17;
  private static final int FRESH = 1;

  @Override
  public ExportKind kind() {
    return ExportKind.USB;
  }

  @Override
  public void encodeFixed(ByteBuf out) {
    Payload.encode(session, out);
    out.writeByte(fresh ? FRESH : 0).writeZero(RESERVED_BYTES);
  }

  @Override
  public int restBytes() {
    return port.encodedBytes();
  }

  @Override
  public void encodeRest(ByteBuf out) {
    port.encode(out);
  }

  /** Reads the fixed part, which must be there, and all of the rest. */
  static AttachedUsb decode(ByteBuf fixed, ByteBuf rest) throws WireException {
    UUID session = Payload.uuid(fixed);
    int flags = fixed.readUnsignedByte();
    Payload.check("ATTACHED", (flags & ~FRESH) == 0, "no unknown flags", flags);
    while (fixed.isReadable()) {
      int reserved = fixed.readUnsignedByte();
      Payload.check("ATTACHED", reserved == 0, "0 as reserved", reserved);
    }
    return new AttachedUsb(session, flags == FRESH, UsbPort.decode("ATTACHED", rest));
  }
}
