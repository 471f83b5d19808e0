package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Payload of MOVED: where the client's disk is from now on.
 *
 * @param to in words for people, as they stand in logs and on terminals: 1 to {@link #MAX_BYTES}
 *     bytes of UTF-8 without control characters
 */
public record Moved(String to) {
  /** A source with filters in front; the refusal that tells it has as much for its other words. */
  public static final int MAX_BYTES = FrameHeader.MAX_REFUSAL_BYTES / 2;

  /** What may be sent of some words: cut where they are too long, '?' for what may not be. */
  public static Moved of(String words) {
    StringBuilder to = new StringBuilder();
    int bytes = 0;
    for (int at = 0; at < words.length(); at += Character.charCount(words.codePointAt(at))) {
      int found = words.codePointAt(at);
      boolean fits = !Character.isISOControl(found) && !isSurrogate(found);
      int sent = fits ? found : '?';
      bytes += utf8Bytes(sent);
      if (bytes > MAX_BYTES) {
        break;
      }
      to.appendCodePoint(sent);
    }
    return new Moved(to.isEmpty() ? "?" : to.toString());
  }

  /** Half of a pair, which no encoding has. */
  private static boolean isSurrogate(int codePoint) {
    return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
  }

  private static int utf8Bytes(int codePoint) {
    if (codePoint < 0x80) {
      return 1;
    }
    if (codePoint < 0x800) {
      return 2;
    }
    return codePoint < Character.MIN_SUPPLEMENTARY_CODE_POINT ? 3 : 4;
  }

  public byte[] encoded() {
    return to.getBytes(StandardCharsets.UTF_8);
  }

  /** Reads all of {@code in}. */
  public static Moved decode(ByteBuf in) throws WireException {
    int length = in.readableBytes();
    Payload.check(
        "MOVED", length > 0 && length <= MAX_BYTES, "1 to " + MAX_BYTES + " bytes", length);
    byte[] bytes = new byte[length];
    in.readBytes(bytes);
    String to;
    try {
      to = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new WireException(
          "MOVED: expected UTF-8, found %d bytes that are none".formatted(length));
    }
    boolean isPlain = to.chars().noneMatch(Character::isISOControl);
    Payload.check("MOVED", isPlain, "text without control characters", length);
    return new Moved(to);
  }
}
