package io.netchannel.text;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file that people write with an editor, in UTF-8. */
public final class TextFile {
  /** Some editors put it first. It says nothing in UTF-8, and no grammar knows it. */
  private static final String BYTE_ORDER_MARK = "\uFEFF";

  /** What is in the file is no text. The message names file, line and what to do. */
  public static final class NotTextException extends IOException {
    private static final long serialVersionUID = 1L;

    private NotTextException(String message) {
      super(message);
    }
  }

  private TextFile() {}

  /**
   * All of it, without a byte order mark.
   *
   * @throws NotTextException when it is not UTF-8
   * @throws IOException when it cannot be read
   */
  public static String read(Path file) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    CharBuffer characters = CharBuffer.allocate(bytes.remaining()); // never more than bytes
    CoderResult result = decoder.decode(bytes, characters, true);
    if (result.isError()) {
      throw notText(file, bytes);
    }
    String text = characters.flip().toString();
    return text.startsWith(BYTE_ORDER_MARK) ? text.substring(BYTE_ORDER_MARK.length()) : text;
  }

  /** The buffer stands at the first byte that does not fit. */
  private static NotTextException notText(Path file, ByteBuffer bytes) {
    int line = 1;
    int column = 1;
    for (int i = 0; i < bytes.position(); i++) {
      boolean end = bytes.get(i) == '\n';
      line += end ? 1 : 0;
      column = end ? 1 : column + 1;
    }
    return new NotTextException(
        "%s:%d: not UTF-8: expected UTF-8, found the byte 0x%02X as the line's byte %d; save the file as UTF-8"
            .formatted(file, line, bytes.get(bytes.position()), column));
  }
}
