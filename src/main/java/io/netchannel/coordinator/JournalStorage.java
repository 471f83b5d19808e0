package io.netchannel.coordinator;

import io.netchannel.files.UncertainFileException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Where a journal lives: one log that grows, and whole files beside it. Not thread-safe. */
interface JournalStorage extends AutoCloseable {

  /** All of the log. */
  byte[] read() throws IOException;

  /** Writes all bytes at a position of the log; not durable before {@link #force}. */
  void write(long position, byte[] bytes) throws IOException;

  /** Makes the log durable. */
  void force() throws IOException;

  /**
   * Replaces the whole log, durably; a crash leaves the old one or the new one.
   *
   * @throws UncertainFileException when it cannot be said which of them a restart reads
   * @throws IOException when the old one is as it was
   */
  void replace(byte[] log) throws IOException;

  /** Makes or replaces a file, durably; a crash leaves none, the old one or the new one. */
  void putFile(String name, byte[] bytes) throws IOException;

  Optional<byte[]> getFile(String name) throws IOException;

  /** Removes a file when it is there. */
  void deleteFile(String name) throws IOException;

  /** Names of the files, without the log. */
  List<String> files() throws IOException;

  /** For messages. */
  String location();

  @Override
  void close() throws IOException;
}
