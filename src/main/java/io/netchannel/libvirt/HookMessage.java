package io.netchannel.libvirt;

import com.google.common.base.Splitter;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What the hook script and the daemon say to each other.
 *
 * <pre>
 *   call:  hook DOMAIN OPERATION SUBOPERATION EXTRA \n   words as libvirt passes them, see below
 *          XML of the domain, may be empty, until the end of the stream
 *   reply: EXITCODE \n
 *          text for stderr, may be empty, until the end of the stream
 * </pre>
 *
 * In a word each byte that is neither a letter, a digit nor one of {@code . _ -} is percent-encoded
 * (RFC 3986); an empty word is a lone {@code %}. A domain's name may hold blanks and anything else.
 */
final class HookMessage {
  /** Far above any domain's XML; bounds the memory of one call. */
  static final int MAX_BYTES = 4 << 20;

  private static final int WORDS = 5;
  private static final String EMPTY_WORD = "%";

  private HookMessage() {}

  /**
   * @throws IllegalArgumentException when it is not a hook call
   */
  static HookCall decodeCall(byte[] message) {
    int end = 0;
    while (end < message.length && message[end] != '\n') {
      end++;
    }
    String line = new String(message, 0, end, StandardCharsets.UTF_8);
    if (end == message.length) {
      throw new IllegalArgumentException(
          "expected a line \"hook DOMAIN OPERATION SUBOPERATION EXTRA\", found \"%s\""
              .formatted(abbreviated(line)));
    }
    List<String> words = Splitter.on(' ').splitToList(line);
    if (words.size() != WORDS || !words.get(0).equals("hook")) {
      throw new IllegalArgumentException(
          "expected \"hook DOMAIN OPERATION SUBOPERATION EXTRA\", found \"%s\""
              .formatted(abbreviated(line)));
    }
    return new HookCall(
        decodeWord(words.get(1)),
        decodeWord(words.get(2)),
        decodeWord(words.get(3)),
        decodeWord(words.get(4)),
        new String(message, end + 1, message.length - end - 1, StandardCharsets.UTF_8));
  }

  static byte[] encodeReply(HookReply reply) {
    String text = reply.exitCode() + "\n" + reply.message();
    boolean ended = reply.message().isEmpty() || text.endsWith("\n");
    return (ended ? text : text + "\n").getBytes(StandardCharsets.UTF_8);
  }

  private static String decodeWord(String word) {
    if (word.equals(EMPTY_WORD)) {
      return "";
    }
    byte[] encoded = word.getBytes(StandardCharsets.UTF_8);
    byte[] decoded = new byte[encoded.length];
    int length = 0;
    for (int i = 0; i < encoded.length; i++) {
      if (encoded[i] != '%') {
        decoded[length++] = encoded[i];
        continue;
      }
      int high = i + 2 < encoded.length ? Character.digit(encoded[i + 1], 16) : -1;
      int low = i + 2 < encoded.length ? Character.digit(encoded[i + 2], 16) : -1;
      if (high < 0 || low < 0) {
        throw new IllegalArgumentException(
            "\"%s\" has a %% that is not followed by two hexadecimal digits"
                .formatted(abbreviated(word)));
      }
      decoded[length++] = (byte) (high << 4 | low);
      i += 2;
    }
    return new String(decoded, 0, length, StandardCharsets.UTF_8);
  }

  private static String abbreviated(String text) {
    int most = 80;
    return text.length() <= most ? text : text.substring(0, most) + "...";
  }
}
