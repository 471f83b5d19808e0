package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** Texts that name exports and clients. */
public final class Names {
  /** Fits every file system's limit with what the server adds to it. */
  public static final int MAX_EXPORT_BYTES = 64;

  /** A UUID, a slash and a disk's name take 41. */
  public static final int MAX_CLIENT_BYTES = 128;

  private static final Pattern EXPORT = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");
  private static final Pattern CLIENT = Pattern.compile("[!-~]{1,128}");

  private Names() {}

  public static boolean isExport(String text) {
    return EXPORT.matcher(text).matches();
  }

  public static boolean isClient(String text) {
    return CLIENT.matcher(text).matches();
  }

  static String read(ByteBuf in, int lengthBytes, Pattern pattern, String what)
      throws WireException {
    // Latin-1 knows every byte, so nothing is replaced by what the pattern would accept.
    String text = in.readCharSequence(lengthBytes, StandardCharsets.ISO_8859_1).toString();
    if (!pattern.matcher(text).matches()) {
      throw new WireException(
          "ATTACH: expected a %s, found %d other bytes".formatted(what, lengthBytes));
    }
    return text;
  }

  static String readExport(ByteBuf in, int lengthBytes) throws WireException {
    return read(in, lengthBytes, EXPORT, "name of an export");
  }

  static String readClient(ByteBuf in, int lengthBytes) throws WireException {
    return read(in, lengthBytes, CLIENT, "client's identity");
  }
}
