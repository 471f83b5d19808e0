package io.netchannel.device.nbd;

import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * One target per parser of what an NBD server sends, and of the source text that names it, for any
 * fuzzer: whatever the bytes are, a parser refuses them in words, or has understood something that
 * can be.
 */
public final class NbdClientFuzz {
  private static final NbdUri URI = NbdUri.tcp("localhost", NbdProtocol.DEFAULT_PORT, "");
  private static final int GREETING_BYTES = 18;

  private NbdClientFuzz() {}

  /** All that a server says before transmission. */
  public static final class Negotiation {
    private Negotiation() {}

    public static void fuzzerTestOneInput(byte[] input) {
      negotiation(input);
    }
  }

  /** What it tells of an export, without the headers around that. */
  public static final class Infos {
    private Infos() {}

    public static void fuzzerTestOneInput(byte[] input) {
      infos(input);
    }
  }

  /** The headers of its replies to requests. */
  public static final class SimpleReplies {
    private SimpleReplies() {}

    public static void fuzzerTestOneInput(byte[] input) {
      simpleReplies(input);
    }
  }

  /** The text of a source. */
  public static final class Uris {
    private Uris() {}

    public static void fuzzerTestOneInput(byte[] input) {
      uri(input);
    }
  }

  static void negotiation(byte[] input) {
    ByteBuffer bytes = ByteBuffer.wrap(input);
    if (bytes.remaining() < GREETING_BYTES) {
      return; // the connection has ended
    }
    try {
      int flags = Handshake.answerTo(bytes);
      if ((flags & ~(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES)) != 0) {
        throw new AssertionError("answered with flags that nobody has: " + flags);
      }
      ExportInfo.Builder info = new ExportInfo.Builder();
      while (bytes.remaining() >= NbdProtocol.OPTION_REPLY_BYTES) {
        OptionReply reply = OptionReply.parse(bytes, NbdProtocol.OPT_GO);
        if (reply.lengthBytes() < 0 || reply.lengthBytes() > OptionReply.MAX_PAYLOAD_BYTES) {
          throw new AssertionError("passed: " + reply);
        }
        if (reply.lengthBytes() > bytes.remaining() || reply.isError()) {
          return;
        }
        ByteBuffer payload = bytes.slice(bytes.position(), reply.lengthBytes());
        bytes.position(bytes.position() + reply.lengthBytes());
        if (reply.type() == NbdProtocol.REP_INFO) {
          info.add(payload);
        }
      }
      expectADisk(info.build());
    } catch (NbdProtocolException | DeviceException refused) {
      expectWords(refused);
    }
  }

  /** The first byte of each says how long it is. */
  static void infos(byte[] input) {
    ByteBuffer bytes = ByteBuffer.wrap(input);
    try {
      ExportInfo.Builder info = new ExportInfo.Builder();
      while (bytes.hasRemaining()) {
        int length = Math.min(bytes.get() & 0xff, bytes.remaining());
        info.add(bytes.slice(bytes.position(), length));
        bytes.position(bytes.position() + length);
      }
      expectADisk(info.build());
    } catch (NbdProtocolException | DeviceException refused) {
      expectWords(refused);
    }
  }

  private static void expectADisk(ExportInfo info) throws DeviceException {
    DeviceGeometry disk = info.geometry(URI, true);
    int unit = disk.logicalBlockBytes();
    boolean can =
        (unit == 512 || unit == 4096)
            && disk.sizeBytes() > 0
            && disk.sizeBytes() <= info.sizeBytes()
            && disk.sizeBytes() % unit == 0
            && disk.physicalBlockBytes() >= unit
            && info.maximumPayloadBytes() >= unit
            && info.maximumPayloadBytes() % unit == 0
            && info.maximumPayloadBytes() <= NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES;
    if (!can) {
      throw new AssertionError(info + " became " + disk);
    }
  }

  static void simpleReplies(byte[] input) {
    ByteBuffer replies = ByteBuffer.wrap(input);
    NbdRequests requests = new NbdRequests();
    NbdRequest only =
        requests.add(NbdProtocol.CMD_READ, 0, 0, 512, ByteBuffer.allocate(512), outcome -> {});
    try {
      while (replies.remaining() >= NbdProtocol.SIMPLE_REPLY_BYTES) {
        var outcome = NbdProtocol.outcomeOf(SimpleReply.error(replies));
        long handle = SimpleReply.handle(replies);
        NbdRequest found = requests.find(handle);
        if (outcome == null || (found == only) != (handle == only.handle)) {
          throw new AssertionError("handle %x: found %b".formatted(handle, found != null));
        }
      }
    } catch (NbdProtocolException refused) {
      expectWords(refused);
    }
  }

  static void uri(byte[] input) {
    NbdUri uri;
    try {
      uri = NbdUri.parse(new String(input, StandardCharsets.UTF_8));
    } catch (DeviceException refused) {
      expectWords(refused);
      return;
    }
    if (uri.socket().isEmpty() && (uri.port() < 1 || uri.port() > 0xffff)) {
      throw new AssertionError("passed: port " + uri.port());
    }
    try {
      NbdUri again = NbdUri.parse(uri.toString());
      if (!again.equals(uri)) {
        throw new AssertionError("%s is read as %s".formatted(uri, again));
      }
    } catch (DeviceException e) {
      throw new AssertionError("its own text is refused", e);
    }
  }

  private static void expectWords(Exception refused) {
    if (refused.getMessage() == null || refused.getMessage().isBlank()) {
      throw new AssertionError("no words", refused);
    }
  }
}
