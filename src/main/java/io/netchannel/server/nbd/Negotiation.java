package io.netchannel.server.nbd;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdProtocolException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** The server's side of the fixed newstyle handshake. */
final class Negotiation {
  /** A client that lists and then looks at every export of ours stays far below. */
  private static final int MAX_OPTIONS = 4096;

  private static final int GREETING_BYTES = 18;
  private static final int EXPORT_NAME_ZEROES = 124;

  private final WritableByteChannel channel;
  private final ClientInput input;
  private final ImmutableMap<String, NbdExport> exports;

  Negotiation(
      WritableByteChannel channel, ClientInput input, ImmutableMap<String, NbdExport> exports) {
    this.channel = channel;
    this.input = input;
    this.exports = exports;
  }

  /**
   * Answers options until the client has chosen.
   *
   * @return empty when the client wants none
   * @throws NbdProtocolException when the client breaks the protocol or names an unknown export in
   *     the old way, which has no reply for that
   */
  Optional<NbdExport> run() throws IOException, InterruptedException {
    ByteBuffer greeting = ByteBuffer.allocate(GREETING_BYTES);
    greeting.putLong(NbdProtocol.SERVER_MAGIC).putLong(NbdProtocol.OPTION_MAGIC);
    greeting.putShort((short) (NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES));
    write(greeting.flip());
    int clientFlags = OptionRequest.clientFlags(input.require(Integer.BYTES));
    boolean noZeroes = (clientFlags & NbdProtocol.FLAG_NO_ZEROES) != 0;
    for (int i = 0; i < MAX_OPTIONS; i++) {
      OptionRequest request = OptionRequest.parse(input.require(NbdProtocol.OPTION_BYTES));
      if (request.lengthBytes() > OptionRequest.MAX_DATA_BYTES) {
        input.skip(request.lengthBytes());
        refuse(request, NbdProtocol.REP_ERR_TOO_BIG, "the option's data is too long");
        continue;
      }
      ByteBuffer data = dataOf(request);
      switch (request.option()) {
        case NbdProtocol.OPT_EXPORT_NAME -> {
          return Optional.of(chooseTheOldWay(data, noZeroes));
        }
        case NbdProtocol.OPT_ABORT -> {
          reply(request, NbdProtocol.REP_ACK, ByteBuffer.allocate(0));
          return Optional.empty();
        }
        case NbdProtocol.OPT_LIST -> list(request);
        case NbdProtocol.OPT_INFO, NbdProtocol.OPT_GO -> {
          Optional<NbdExport> found = inform(request, data);
          if (found.isPresent() && request.option() == NbdProtocol.OPT_GO) {
            return found;
          }
        }
        default -> refuse(request, NbdProtocol.REP_ERR_UNSUP, "this server has no such option");
      }
    }
    throw new NbdProtocolException("expected at most " + MAX_OPTIONS + " options, found more");
  }

  private ByteBuffer dataOf(OptionRequest request) throws IOException {
    byte[] data = new byte[request.lengthBytes()];
    input.require(data.length).get(data);
    return ByteBuffer.wrap(data);
  }

  private NbdExport chooseTheOldWay(ByteBuffer data, boolean noZeroes)
      throws IOException, InterruptedException {
    Optional<String> name = OptionRequest.text(data, data.remaining());
    NbdExport export = name.map(this::find).orElse(null);
    if (export == null) {
      throw new NbdProtocolException(
          "expected the name of an export, found %s".formatted(name.orElse("no text")));
    }
    export.awaitEnded();
    ByteBuffer answer = ByteBuffer.allocate(Long.BYTES + Short.BYTES + EXPORT_NAME_ZEROES);
    answer.putLong(export.geometry().sizeBytes()).putShort((short) export.flags());
    if (!noZeroes) {
      answer.position(answer.limit());
    }
    write(answer.flip());
    return export;
  }

  private void list(OptionRequest request) throws IOException {
    if (request.lengthBytes() != 0) {
      refuse(request, NbdProtocol.REP_ERR_INVALID, "a list is asked for without data");
      return;
    }
    for (NbdExport export : exports.values()) {
      byte[] name = bytes(export.name());
      byte[] description = bytes(export.description());
      ByteBuffer data = ByteBuffer.allocate(Integer.BYTES + name.length + description.length);
      reply(
          request,
          NbdProtocol.REP_SERVER,
          data.putInt(name.length).put(name).put(description).flip());
    }
    reply(request, NbdProtocol.REP_ACK, ByteBuffer.allocate(0));
  }

  /** Empty when it was refused. */
  private Optional<NbdExport> inform(OptionRequest request, ByteBuffer data)
      throws IOException, InterruptedException {
    Optional<OptionRequest.ExportWish> wish = OptionRequest.ExportWish.parse(data);
    if (wish.isEmpty()) {
      refuse(request, NbdProtocol.REP_ERR_INVALID, "expected a name and a list of infos");
      return Optional.empty();
    }
    NbdExport export = find(wish.get().name());
    if (export == null) {
      refuse(
          request,
          NbdProtocol.REP_ERR_UNKNOWN,
          "no export \"%s\" here".formatted(wish.get().name()));
      return Optional.empty();
    }
    if (request.option() == NbdProtocol.OPT_GO) {
      export.awaitEnded();
    }
    ByteBuffer info = ByteBuffer.allocate(Short.BYTES + Long.BYTES + Short.BYTES);
    info.putShort((short) NbdProtocol.INFO_EXPORT);
    info.putLong(export.geometry().sizeBytes()).putShort((short) export.flags());
    reply(request, NbdProtocol.REP_INFO, info.flip());
    // Also to a client that has not asked: it could send what is then refused.
    ByteBuffer sizes = ByteBuffer.allocate(Short.BYTES + 3 * Integer.BYTES);
    sizes.putShort((short) NbdProtocol.INFO_BLOCK_SIZE);
    sizes.putInt(export.geometry().logicalBlockBytes());
    sizes.putInt(export.preferredBlockBytes());
    sizes.putInt(RequestHeader.MAX_PAYLOAD_BYTES);
    reply(request, NbdProtocol.REP_INFO, sizes.flip());
    if (wish.get().infos().contains(NbdProtocol.INFO_NAME)) {
      reply(request, NbdProtocol.REP_INFO, text(NbdProtocol.INFO_NAME, export.name()));
    }
    if (wish.get().infos().contains(NbdProtocol.INFO_DESCRIPTION)) {
      reply(
          request, NbdProtocol.REP_INFO, text(NbdProtocol.INFO_DESCRIPTION, export.description()));
    }
    reply(request, NbdProtocol.REP_ACK, ByteBuffer.allocate(0));
    return Optional.of(export);
  }

  /** The export of that name; the only one also for a client that names none. Null: none. */
  private NbdExport find(String name) {
    NbdExport found = exports.get(name);
    boolean only = found == null && name.isEmpty() && exports.size() == 1;
    return only ? exports.values().iterator().next() : found;
  }

  private static ByteBuffer text(int info, String text) {
    byte[] bytes = bytes(text);
    ByteBuffer data = ByteBuffer.allocate(Short.BYTES + bytes.length);
    return data.putShort((short) info).put(bytes).flip();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private void refuse(OptionRequest request, int type, String words) throws IOException {
    reply(request, type, ByteBuffer.wrap(bytes(words)));
  }

  private void reply(OptionRequest request, int type, ByteBuffer data) throws IOException {
    ByteBuffer reply = ByteBuffer.allocate(NbdProtocol.OPTION_REPLY_BYTES + data.remaining());
    reply.putLong(NbdProtocol.OPTION_REPLY_MAGIC).putInt(request.option()).putInt(type);
    write(reply.putInt(data.remaining()).put(data).flip());
  }

  private void write(ByteBuffer data) throws IOException {
    while (data.hasRemaining()) {
      var unused = channel.write(data);
    }
  }
}
