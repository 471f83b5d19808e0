package io.netchannel.files;

import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;

/** Replaces whole files so that a crash leaves the old one or the new one, see the package. */
public final class DurableFile {
  /** For its owner only, as are most files of a daemon that root runs. */
  public static final ImmutableSet<PosixFilePermission> PRIVATE = mode("rw-------");

  /** What all may read and its owner may write. */
  public static final ImmutableSet<PosixFilePermission> READABLE = mode("rw-r--r--");

  private static final ImmutableSet<PosixFilePermission> PRIVATE_DIRECTORY = mode("rwx------");

  /** Ends the name of a file that is being made; one that a crash has left is of no use. */
  private static final String UNFINISHED = ".new";

  private DurableFile() {}

  /**
   * Makes or replaces a file; durable when it returns.
   *
   * @param mode of the file from its first moment on
   * @throws UncertainFileException when a crash may leave the old one or the new one
   * @throws IOException when the old one is there as it was
   */
  public static void write(Path file, byte[] bytes, Set<PosixFilePermission> mode)
      throws IOException {
    write(FileCalls.SYSTEM, file, bytes, mode).close();
  }

  /**
   * As {@link #write(Path, byte[], Set)}.
   *
   * @return the new file: the very one that was synced, as to open its name may fail or find
   *     another
   */
  public static FileCalls.OpenFile write(
      FileCalls calls, Path file, byte[] bytes, Set<PosixFilePermission> mode) throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    Path fresh = directory.resolve(file.getFileName() + UNFINISHED);
    FileCalls.OpenFile open = written(calls, file, fresh, bytes, mode);
    String step = "rename its successor";
    try {
      calls.rename(fresh, file);
      step = "sync its directory";
      calls.forceDirectory(directory);
      return open;
    } catch (IOException e) {
      closeAfter(open, e);
      throw new UncertainFileException(file, step, e);
    }
  }

  /** The successor under its own name, all of it durable; nothing is left of it when it throws. */
  private static FileCalls.OpenFile written(
      FileCalls calls, Path file, Path fresh, byte[] bytes, Set<PosixFilePermission> mode)
      throws IOException {
    FileCalls.OpenFile open;
    try {
      open = calls.openFresh(fresh, mode);
    } catch (IOException e) {
      throw stays(file, e);
    }
    try {
      open.write(0, bytes);
      open.force();
      return open;
    } catch (IOException e) {
      closeAfter(open, e);
      try {
        calls.delete(fresh);
      } catch (IOException again) {
        e.addSuppressed(again);
      }
      throw stays(file, e);
    }
  }

  private static IOException stays(Path file, IOException e) {
    return new IOException(
        "%s cannot be written and is as it was (%s); make room on that disk, or check it"
            .formatted(file, reason(e)),
        e);
  }

  /**
   * Removes a file when it is there; durable when it returns.
   *
   * @throws IOException when it is there still, or may be there after a crash
   */
  public static void delete(Path file) throws IOException {
    delete(FileCalls.SYSTEM, file);
  }

  static void delete(FileCalls calls, Path file) throws IOException {
    calls.delete(file);
    calls.forceDirectory(file.toAbsolutePath().getParent());
  }

  /**
   * Makes a directory for its owner only, with its parents, each name durable: a file is not there
   * after a crash when its directory is not. Leaves one that is there as it is.
   */
  public static void makeDirectory(Path directory) throws IOException {
    Deque<Path> missing = new ArrayDeque<>();
    for (Path each = directory.toAbsolutePath();
        each != null && !Files.isDirectory(each);
        each = each.getParent()) {
      missing.push(each);
    }
    for (Path each : missing) {
      // Another process may be quicker.
      Files.createDirectories(each, PosixFilePermissions.asFileAttribute(PRIVATE_DIRECTORY));
      FileCalls.SYSTEM.forceDirectory(each.getParent());
    }
  }

  /** What the system said, in words: some exceptions have the file's name for their message. */
  static String reason(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "its directory is not there";
    }
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    return e instanceof FileSystemException known && known.getReason() != null
        ? known.getReason()
        : String.valueOf(e.getMessage());
  }

  private static void closeAfter(FileCalls.OpenFile file, IOException failure) {
    try {
      file.close();
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }

  private static ImmutableSet<PosixFilePermission> mode(String text) {
    return ImmutableSet.copyOf(PosixFilePermissions.fromString(text));
  }
}
