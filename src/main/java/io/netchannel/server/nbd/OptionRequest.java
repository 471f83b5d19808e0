package io.netchannel.server.nbd;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * What a client asks for before transmission.
 *
 * @param option NBD_OPT_*, or a number that we do not know
 * @param lengthBytes of the data that follows
 */
record OptionRequest(int option, int lengthBytes) {
  /** A name, and numbers of some infos: all that the options we know bring. */
  static final int MAX_DATA_BYTES = NbdProtocol.MAX_STRING_BYTES + 1024;

  /** Longer data is not even passed over. */
  static final int MAX_SKIPPED_BYTES = 64 * 1024;

  private static final int CLIENT_FLAGS =
      NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES;

  /** Reads the four bytes that answer our greeting. */
  static int clientFlags(ByteBuffer input) throws NbdProtocolException {
    int flags = input.getInt();
    if ((flags & ~CLIENT_FLAGS) != 0) {
      throw new NbdProtocolException(
          "expected no client flags but %x, found %x".formatted(CLIENT_FLAGS, flags));
    }
    return flags;
  }

  /** Reads {@link NbdProtocol#OPTION_BYTES} bytes. */
  static OptionRequest parse(ByteBuffer header) throws NbdProtocolException {
    long magic = header.getLong();
    int option = header.getInt();
    int length = header.getInt();
    if (magic != NbdProtocol.OPTION_MAGIC) {
      throw new NbdProtocolException(
          "expected the magic %x of an option, found %x"
              .formatted(NbdProtocol.OPTION_MAGIC, magic));
    }
    if (length < 0 || length > MAX_SKIPPED_BYTES) {
      throw new NbdProtocolException(
          "expected an option of at most %d bytes, found one of %s"
              .formatted(MAX_SKIPPED_BYTES, Integer.toUnsignedString(length)));
    }
    return new OptionRequest(option, length);
  }

  /**
   * The data of NBD_OPT_INFO and NBD_OPT_GO.
   *
   * @param infos NBD_INFO_* that the client would like to have
   */
  record ExportWish(String name, ImmutableSet<Integer> infos) {
    /** Empty when it is not well-formed. */
    static Optional<ExportWish> parse(ByteBuffer data) {
      if (data.remaining() < Integer.BYTES) {
        return Optional.empty();
      }
      int nameBytes = data.getInt();
      if (nameBytes < 0
          || nameBytes > NbdProtocol.MAX_STRING_BYTES
          || nameBytes > data.remaining() - Short.BYTES) {
        return Optional.empty();
      }
      Optional<String> name = text(data, nameBytes);
      int count = Short.toUnsignedInt(data.getShort());
      if (name.isEmpty() || data.remaining() != count * Short.BYTES) {
        return Optional.empty();
      }
      ImmutableSet.Builder<Integer> infos = ImmutableSet.builder();
      for (int i = 0; i < count; i++) {
        infos.add(Short.toUnsignedInt(data.getShort()));
      }
      return Optional.of(new ExportWish(name.get(), infos.build()));
    }
  }

  /** Empty when it is no UTF-8, or too long. */
  static Optional<String> text(ByteBuffer data, int lengthBytes) {
    ByteBuffer part = data.slice(data.position(), lengthBytes);
    data.position(data.position() + lengthBytes);
    if (lengthBytes > NbdProtocol.MAX_STRING_BYTES) {
      return Optional.empty();
    }
    try {
      return Optional.of(StandardCharsets.UTF_8.newDecoder().decode(part).toString());
    } catch (CharacterCodingException e) {
      return Optional.empty();
    }
  }
}
