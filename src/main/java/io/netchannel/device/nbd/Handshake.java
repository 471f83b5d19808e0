package io.netchannel.device.nbd;

import static io.netchannel.device.nbd.NbdProtocol.FLAG_FIXED_NEWSTYLE;
import static io.netchannel.device.nbd.NbdProtocol.FLAG_NO_ZEROES;
import static io.netchannel.device.nbd.NbdProtocol.INFO_BLOCK_SIZE;
import static io.netchannel.device.nbd.NbdProtocol.OPTION_BYTES;
import static io.netchannel.device.nbd.NbdProtocol.OPTION_MAGIC;
import static io.netchannel.device.nbd.NbdProtocol.OPTION_REPLY_BYTES;
import static io.netchannel.device.nbd.NbdProtocol.OPT_EXPORT_NAME;
import static io.netchannel.device.nbd.NbdProtocol.OPT_GO;
import static io.netchannel.device.nbd.NbdProtocol.REP_ACK;
import static io.netchannel.device.nbd.NbdProtocol.REP_INFO;
import static io.netchannel.device.nbd.NbdProtocol.SERVER_MAGIC;

import io.netchannel.device.DeviceException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The client's side of the newstyle handshake, up to transmission.
 *
 * <pre>
 *   greeting --fixed newstyle--> GO --infos, ACK--> transmission
 *       |                         | ERR_UNSUP
 *       +--newstyle, not fixed----+--> EXPORT_NAME --size, flags--> transmission
 *                                          | the server ends the connection: no such export
 * </pre>
 *
 * <p>Many servers know no other option than EXPORT_NAME; those of the first newstyle know no
 * replies to options either, so they are asked for nothing else (doc/proto.md, "Fixed newstyle
 * negotiation"). With EXPORT_NAME nothing is told of block sizes: the protocol's defaults hold.
 */
final class Handshake {
  /** Two magic numbers and the handshake flags. */
  static final int GREETING_BYTES = 18;

  /** Behind the answer to NBD_OPT_EXPORT_NAME, unless both ends want none. */
  private static final int EXPORT_NAME_ZEROES = 124;

  private static final int EXPORT_NAME_BYTES = Long.BYTES + Short.BYTES;

  /** Replies to one option; servers send about four. */
  private static final int MAX_REPLIES = 64;

  /** Of a server's message, what a log line takes. */
  private static final int MAX_MESSAGE_CHARACTERS = 300;

  private Handshake() {}

  /**
   * Asks for the export, with NBD_OPT_GO where the server has it, else with NBD_OPT_EXPORT_NAME.
   *
   * @throws DeviceException when the server refuses it
   * @throws IOException when the connection or the protocol breaks
   */
  static ExportInfo run(NbdSocket socket, NbdUri uri) throws IOException, DeviceException {
    int flags = answerTo(read(socket, GREETING_BYTES));
    socket.writeFully(ByteBuffer.allocate(Integer.BYTES).putInt(flags).flip());
    byte[] name = uri.name().getBytes(StandardCharsets.UTF_8);
    boolean fixed = (flags & FLAG_FIXED_NEWSTYLE) != 0;
    Optional<ExportInfo> told = fixed ? go(socket, uri, name) : Optional.empty();
    return told.isPresent() ? told.get() : exportName(socket, uri, name, flags);
  }

  /** Empty when the server has no such option. */
  private static Optional<ExportInfo> go(NbdSocket socket, NbdUri uri, byte[] name)
      throws IOException, DeviceException {
    int lengthBytes = Integer.BYTES + name.length + Short.BYTES + Short.BYTES;
    ByteBuffer request = ByteBuffer.allocate(OPTION_BYTES + lengthBytes);
    request.putLong(OPTION_MAGIC).putInt(OPT_GO).putInt(lengthBytes);
    request.putInt(name.length).put(name).putShort((short) 1).putShort((short) INFO_BLOCK_SIZE);
    socket.writeFully(request.flip());

    ExportInfo.Builder info = new ExportInfo.Builder();
    for (int i = 0; i < MAX_REPLIES; i++) {
      OptionReply reply = OptionReply.parse(readReply(socket), OPT_GO);
      ByteBuffer payload = read(socket, reply.lengthBytes());
      if (reply.type() == NbdProtocol.REP_ERR_UNSUP) {
        return Optional.empty();
      }
      if (reply.isError()) {
        throw refusal(uri, reply.type(), payload);
      }
      switch (reply.type()) {
        case REP_INFO -> info.add(payload);
        case REP_ACK -> {
          return Optional.of(info.build());
        }
        default ->
            throw new NbdProtocolException(
                "expected an info or the end of them, found reply type " + reply.type());
      }
    }
    throw new NbdProtocolException("expected at most " + MAX_REPLIES + " replies, found more");
  }

  private static ByteBuffer readReply(NbdSocket socket) throws IOException {
    try {
      return read(socket, OPTION_REPLY_BYTES);
    } catch (EOFException e) {
      throw new NbdProtocolException(
          "expected an answer to NBD_OPT_GO, found the connection closed; the server's log may say"
              + " why");
    }
  }

  private static ExportInfo exportName(NbdSocket socket, NbdUri uri, byte[] name, int flags)
      throws IOException, DeviceException {
    ByteBuffer request = ByteBuffer.allocate(OPTION_BYTES + name.length);
    request.putLong(OPTION_MAGIC).putInt(OPT_EXPORT_NAME).putInt(name.length).put(name);
    socket.writeFully(request.flip());
    ByteBuffer answer;
    try {
      answer = read(socket, EXPORT_NAME_BYTES);
    } catch (EOFException e) {
      throw new DeviceException(
          "the server of %s closed the connection when it was asked for the export \"%s\": servers as"
                  .formatted(uri, uri.name())
              + " old as this one have no other words for one that they do not have, or do not give"
              + " to this host");
    }
    if ((flags & FLAG_NO_ZEROES) == 0) {
      var unused = read(socket, EXPORT_NAME_ZEROES);
    }
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.addExport(answer);
    return info.build();
  }

  /** The flags that answer a server's greeting: fixed newstyle if it is. */
  static int answerTo(ByteBuffer greeting) throws NbdProtocolException {
    long magic = greeting.getLong();
    if (magic != SERVER_MAGIC) {
      throw new NbdProtocolException(
          "expected an NBD server, which begins with %x, found %x".formatted(SERVER_MAGIC, magic));
    }
    long style = greeting.getLong();
    int flags = Short.toUnsignedInt(greeting.getShort());
    if (style != OPTION_MAGIC) {
      throw new NbdProtocolException(
          "expected a newstyle NBD server, found an older protocol, which has no exports with"
              + " names; use a newer server, or the option of yours for newstyle");
    }
    return flags & (FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES);
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
