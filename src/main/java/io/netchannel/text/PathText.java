package io.netchannel.text;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** A path as people write it. */
public final class PathText {
  private PathText() {}

  /**
   * The path of that text.
   *
   * @throws IllegalArgumentException saying why it is none: file names are bytes, and those of this
   *     text depend on the locale with which the process was started
   */
  public static Path parse(String text) {
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      if (text.indexOf('\0') >= 0) {
        throw new IllegalArgumentException(
            "the path \"%s\" has a NUL character; no file has one in its name"
                .formatted(text.replace("\0", "\\0")),
            e);
      }
      throw new IllegalArgumentException(
          "the path \"%s\" cannot be written in this process's character set, %s; start it with LC_ALL=C.UTF-8"
              .formatted(text, System.getProperty("sun.jnu.encoding")),
          e);
    }
  }
}
