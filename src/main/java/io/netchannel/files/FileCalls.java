package io.netchannel.files;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The calls of the system that decide which bytes and which names outlive a crash, each one that
 * can fail for itself. A test puts a file system in their place that fails, and forgets what was
 * not synced.
 */
public interface FileCalls {
  /** Those of this system. */
  FileCalls SYSTEM = new SystemFileCalls();

  /** A file that is open; its name may change or go meanwhile. */
  interface OpenFile extends Closeable {
    /** All that is in it. */
    byte[] read() throws IOException;

    /** Writes all bytes at a position, or some of them when it throws. */
    void write(long position, byte[] bytes) throws IOException;

    /** Makes what was written durable, but not the file's name. */
    void force() throws IOException;
  }

  /** Opens a file to read and write it; made, empty, when it is not there. */
  OpenFile open(Path file) throws IOException;

  /**
   * Opens an empty file, in place of one that is there.
   *
   * @param mode of the new file, from its first moment on
   */
  OpenFile openFresh(Path file, Set<PosixFilePermission> mode) throws IOException;

  /** Gives a file another name, in place of the file that had that one. */
  void rename(Path from, Path to) throws IOException;

  /** Makes the names in a directory durable. */
  void forceDirectory(Path directory) throws IOException;

  /** Removes a file when it is there. */
  void delete(Path file) throws IOException;

  /** All of a file; empty when it is not there. */
  Optional<byte[]> read(Path file) throws IOException;

  /** Names of the files in a directory. */
  List<String> list(Path directory) throws IOException;
}
