package io.netchannel.server.nbd;

import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * One target per parser of what an NBD client sends, for any fuzzer: whatever the bytes are, a
 * parser refuses them, or lets nothing pass that a device forbids or that is longer than may be.
 */
public final class NbdServerFuzz {
  private static final DeviceGeometry DISK =
      new DeviceGeometry(1 << 20, 512, 4096, false, true, true, 4096, false);

  private NbdServerFuzz() {}

  /** All that a client says before transmission. */
  public static final class Options {
    private Options() {}

    public static void fuzzerTestOneInput(byte[] input) {
      options(input);
    }
  }

  /** The data of NBD_OPT_GO. */
  public static final class Wishes {
    private Wishes() {}

    public static void fuzzerTestOneInput(byte[] input) {
      wish(ByteBuffer.wrap(input));
    }
  }

  /** Its requests. */
  public static final class Requests {
    private Requests() {}

    public static void fuzzerTestOneInput(byte[] input) {
      requests(input);
    }
  }

  static void options(byte[] input) {
    ByteBuffer bytes = ByteBuffer.wrap(input);
    if (bytes.remaining() < Integer.BYTES) {
      return; // the connection has ended
    }
    try {
      int flags = OptionRequest.clientFlags(bytes);
      if ((flags & ~(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES)) != 0) {
        throw new AssertionError("passed: flags " + flags);
      }
      while (bytes.remaining() >= NbdProtocol.OPTION_BYTES) {
        OptionRequest option = OptionRequest.parse(bytes);
        int length = option.lengthBytes();
        if (length < 0 || length > OptionRequest.MAX_SKIPPED_BYTES) {
          throw new AssertionError("passed: " + option);
        }
        if (length > bytes.remaining()) {
          return;
        }
        wish(bytes.slice(bytes.position(), length));
        bytes.position(bytes.position() + length);
      }
    } catch (NbdProtocolException refused) {
      expectWords(refused);
    }
  }

  private static void wish(ByteBuffer data) {
    int length = data.remaining();
    var found = OptionRequest.ExportWish.parse(data);
    if (found.isPresent()) {
      byte[] name = found.get().name().getBytes(StandardCharsets.UTF_8);
      int infos = found.get().infos().size();
      if (name.length > NbdProtocol.MAX_STRING_BYTES
          || Integer.BYTES + name.length + Short.BYTES + infos * Short.BYTES > length
          || data.hasRemaining()) {
        throw new AssertionError("passed: " + found.get());
      }
    }
  }

  static void requests(byte[] input) {
    ByteBuffer bytes = ByteBuffer.wrap(input);
    RequestHeader header = new RequestHeader();
    try {
      while (bytes.remaining() >= NbdProtocol.REQUEST_BYTES) {
        header.parse(bytes);
        expectWithinBounds(header);
        bytes.position(Math.min(bytes.limit(), bytes.position() + header.payloadBytes()));
      }
    } catch (NbdProtocolException refused) {
      expectWords(refused);
    }
  }

  private static void expectWithinBounds(RequestHeader header) {
    if (header.payloadBytes() < 0 || header.payloadBytes() > RequestHeader.MAX_PAYLOAD_BYTES) {
      throw new AssertionError("passed over: " + header.payloadBytes());
    }
    boolean writes =
        header.command != NbdProtocol.CMD_READ && header.command != NbdProtocol.CMD_FLUSH;
    if (writes && header.check(DISK, true) == 0) {
      throw new AssertionError("passed at a read-only export: command " + header.command);
    }
    if (header.check(DISK, false) != 0) {
      return;
    }
    long end = header.offsetBytes + header.lengthBytes;
    boolean outside = header.offsetBytes < 0 || end < 0 || end > DISK.sizeBytes();
    if (outside
        || header.offsetBytes % DISK.logicalBlockBytes() != 0
        || header.lengthBytes % DISK.logicalBlockBytes() != 0
        || header.dataBytes() < 0
        || header.dataBytes() > RequestHeader.MAX_PAYLOAD_BYTES) {
      throw new AssertionError("passed: " + header.offsetBytes + ", " + header.lengthBytes);
    }
  }

  private static void expectWords(NbdProtocolException refused) {
    if (!refused.getMessage().contains("expected")) {
      throw new AssertionError("no plain words", refused);
    }
  }
}
