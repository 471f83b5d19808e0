package io.netchannel.device.file;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Optional;

/**
 * What the file system says of a name, by one call of statx(2).
 *
 * @param birth which file it is; empty when the file system keeps no birth times
 * @param changed when its content, its names or its mode were changed last, by the file system's
 *     clock (ctime): nobody can set that
 * @param links its names
 */
public record FileStat(boolean isRegular, Optional<Birth> birth, Instant changed, int links) {
  /**
   * Which file of its file system one is, for ever: an inode is given to another file, with another
   * birth time. Not the number of the file system: that is another one after the next mount.
   */
  public record Birth(long inode, Instant at) {
    /** As {@link #toString} writes it. */
    public static Birth parse(String text) {
      String[] words = text.split(" ", -1);
      try {
        if (words.length == 2) {
          return new Birth(Long.parseUnsignedLong(words[0]), Instant.parse(words[1]));
        }
      } catch (NumberFormatException | DateTimeException e) {
        throw new IllegalArgumentException(expected(text), e);
      }
      throw new IllegalArgumentException(expected(text));
    }

    private static String expected(String text) {
      return "expected an inode and a time, found \"" + text + "\"";
    }

    @Override
    public String toString() {
      return Long.toUnsignedString(inode) + " " + at;
    }
  }

  private static final int AT_FDCWD = -100;
  private static final int AT_SYMLINK_NOFOLLOW = 0x100;
  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int STATX_BTIME = 0x800;
  private static final int TYPE_MASK = 0170000;
  private static final int TYPE_REGULAR = 0100000;
  private static final int ENOTDIR = 20;

  // struct statx of linux/stat.h
  private static final int SIZE = 256;
  private static final int MASK = 0;
  private static final int LINKS = 16;
  private static final int MODE = 28;
  private static final int INODE = 32;
  private static final int BIRTH = 80;
  private static final int CHANGE = 96;

  /** Apart from {@link Libc}: devices need none of it. */
  private static final class Call {
    static {
      Native.register(Call.class, "c");
    }

    private Call() {}

    static native int statx(int directory, String path, int flags, int mask, byte[] result)
        throws LastErrorException;
  }

  /**
   * Of what a path leads to; of a symbolic link at its end, of that link. May wait for storage.
   *
   * @return empty when there is nothing
   */
  public static Optional<FileStat> of(Path path) throws IOException {
    byte[] result = new byte[SIZE];
    try {
      var unused =
          Call.statx(
              AT_FDCWD,
              path.toString(),
              AT_SYMLINK_NOFOLLOW,
              STATX_BASIC_STATS | STATX_BTIME,
              result);
    } catch (LastErrorException e) {
      if (e.getErrorCode() == Libc.ENOENT || e.getErrorCode() == ENOTDIR) {
        return Optional.empty();
      }
      throw new IOException(
          "%s cannot be examined: %s".formatted(path, NativeFile.describe(e.getErrorCode())), e);
    }
    ByteBuffer stat = ByteBuffer.wrap(result).order(ByteOrder.nativeOrder());
    return Optional.of(
        new FileStat(
            (stat.getShort(MODE) & TYPE_MASK) == TYPE_REGULAR,
            (stat.getInt(MASK) & STATX_BTIME) == 0
                ? Optional.empty()
                : Optional.of(new Birth(stat.getLong(INODE), time(stat, BIRTH))),
            time(stat, CHANGE),
            stat.getInt(LINKS)));
  }

  private static Instant time(ByteBuffer stat, int at) {
    return Instant.ofEpochSecond(stat.getLong(at), stat.getInt(at + Long.BYTES));
  }
}
