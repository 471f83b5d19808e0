package io.netchannel.device.nbd;

import static io.netchannel.device.nbd.NbdProtocol.FLAG_FIXED_NEWSTYLE;
import static io.netchannel.device.nbd.NbdProtocol.FLAG_NO_ZEROES;
import static io.netchannel.device.nbd.NbdProtocol.INFO_BLOCK_SIZE;
import static io.netchannel.device.nbd.NbdProtocol.OPTION_BYTES;
import static io.netchannel.device.nbd.NbdProtocol.OPTION_MAGIC;
import static io.netchannel.device.nbd.NbdProtocol.OPTION_REPLY_BYTES;
import static io.netchannel.device.nbd.NbdProtocol.OPT_GO;
import static io.netchannel.device.nbd.NbdProtocol.REP_ACK;
import static io.netchannel.device.nbd.NbdProtocol.REP_INFO;
import static io.netchannel.device.nbd.NbdProtocol.SERVER_MAGIC;

import io.netchannel.device.DeviceException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The client's side of the fixed newstyle handshake, up to transmission. */
final class Handshake {
  private static final int GREETING_BYTES = 18;

  /** Replies to one option; servers send about four. */
  private static final int MAX_REPLIES = 64;

  /** Of a server's message, what a log line takes. */
  private static final int MAX_MESSAGE_CHARACTERS = 300;

  private Handshake() {}

  /**
   * Asks for the export with NBD_OPT_GO.
   *
   * @throws DeviceException when the server refuses it
   * @throws IOException when the connection or the protocol breaks
   */
  static ExportInfo run(NbdSocket socket, NbdUri uri) throws IOException, DeviceException {
    int clientFlags = answerTo(read(socket, GREETING_BYTES));
    byte[] name = uri.name().getBytes(StandardCharsets.UTF_8);
    int lengthBytes = Integer.BYTES + name.length + Short.BYTES + Short.BYTES;
    ByteBuffer request = ByteBuffer.allocate(Integer.BYTES + OPTION_BYTES + lengthBytes);
    request.putInt(clientFlags);
    request.putLong(OPTION_MAGIC).putInt(OPT_GO).putInt(lengthBytes);
    request.putInt(name.length).put(name).putShort((short) 1).putShort((short) INFO_BLOCK_SIZE);
    socket.writeFully(request.flip());

    ExportInfo.Builder info = new ExportInfo.Builder();
    for (int i = 0; i < MAX_REPLIES; i++) {
      OptionReply reply = OptionReply.parse(read(socket, OPTION_REPLY_BYTES), OPT_GO);
      ByteBuffer payload = read(socket, reply.lengthBytes());
      if (reply.isError()) {
        throw refusal(uri, reply.type(), payload);
      }
      switch (reply.type()) {
        case REP_INFO -> info.add(payload);
        case REP_ACK -> {
          return info.build();
        }
        default ->
            throw new NbdProtocolException(
                "expected an info or the end of them, found reply type " + reply.type());
      }
    }
    throw new NbdProtocolException("expected at most " + MAX_REPLIES + " replies, found more");
  }

  /** The flags that answer a server's greeting. */
  static int answerTo(ByteBuffer greeting) throws NbdProtocolException {
    long magic = greeting.getLong();
    if (magic != SERVER_MAGIC) {
      throw new NbdProtocolException(
          "expected an NBD server, which begins with %x, found %x".formatted(SERVER_MAGIC, magic));
    }
    long style = greeting.getLong();
    int flags = Short.toUnsignedInt(greeting.getShort());
    if (style != OPTION_MAGIC || (flags & FLAG_FIXED_NEWSTYLE) == 0) {
      throw new NbdProtocolException(
          "expected a fixed newstyle NBD server, found an older protocol; use a newer server, or"
              + " the option of yours for newstyle");
    }
    return FLAG_FIXED_NEWSTYLE | (flags & FLAG_NO_ZEROES);
  }

  private static ByteBuffer read(NbdSocket socket, int bytes) throws IOException {
    ByteBuffer target = ByteBuffer.allocate(bytes);
    socket.readFully(target);
    return target;
  }

  private static DeviceException refusal(NbdUri uri, int type, ByteBuffer message) {
    String why =
        switch (type) {
          case NbdProtocol.REP_ERR_UNKNOWN ->
              "it has no export \"%s\"; list its exports with: nbdinfo --list"
                  .formatted(uri.name());
          case NbdProtocol.REP_ERR_TLS_REQD ->
              "it wants TLS, which nbd: devices do not have; use it through a Unix socket or a"
                  + " tunnel";
          case NbdProtocol.REP_ERR_UNSUP -> "it is too old for NBD_OPT_GO";
          case NbdProtocol.REP_ERR_POLICY -> "its policy forbids that";
          case NbdProtocol.REP_ERR_SHUTDOWN -> "it is shutting down";
          default -> "with error " + (type & ~NbdProtocol.REP_ERROR_BIT);
        };
    String said = printable(StandardCharsets.UTF_8.decode(message).toString());
    return new DeviceException(
        "the server of %s refuses: %s%s"
            .formatted(uri, why, said.isEmpty() ? "" : "; it says: " + said));
  }

  /** A server's words, fit for one line of a log. */
  private static String printable(String text) {
    String line = text.replaceAll("\\p{Cntrl}", " ").strip();
    return line.length() <= MAX_MESSAGE_CHARACTERS
        ? line
        : line.substring(0, MAX_MESSAGE_CHARACTERS);
  }
}
