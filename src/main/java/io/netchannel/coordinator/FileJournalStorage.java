package io.netchannel.coordinator;

import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.TRUNCATE_EXISTING;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A journal in a directory of its own, usually /var/lib/netchannel/journal: the log {@code journal}
 * and files beside it. Locked, so that two daemons cannot write one journal.
 */
final class FileJournalStorage implements JournalStorage {
  private static final String LOG = "journal";
  private static final String LOCK = "lock";
  private static final String TEMPORARY = ".tmp";

  /** Makes the names in a directory durable: a new one is so only when the directory is. */
  @FunctionalInterface
  interface DirectorySync {
    void force(Path directory) throws IOException;
  }

  private final Path directory;
  private final DirectorySync names;
  private final FileChannel lock;

  /** Always the file that has the name LOG, or had it last. */
  private FileChannel log;

  /** Makes the directory when it is not there, readable by its owner only. */
  FileJournalStorage(Path directory) throws IOException {
    this(directory, FileJournalStorage::forceDirectory);
  }

  FileJournalStorage(Path directory, DirectorySync names) throws IOException {
    this.directory = directory;
    this.names = names;
    Files.createDirectories(
        directory,
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    this.lock = FileChannel.open(directory.resolve(LOCK), CREATE, WRITE);
    try {
      if (!tryLock(lock)) {
        throw new IOException(
            "another daemon uses " + directory + "; stop it, or configure another directory");
      }
      this.log = FileChannel.open(directory.resolve(LOG), CREATE, READ, WRITE);
      names.force(directory);
    } catch (IOException e) {
      lock.close();
      throw e;
    }
  }

  private static boolean tryLock(FileChannel channel) throws IOException {
    try {
      FileLock held = channel.tryLock();
      return held != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }

  @Override
  public byte[] read() throws IOException {
    ByteBuffer all = ByteBuffer.allocate(Math.toIntExact(log.size()));
    while (all.hasRemaining() && log.read(all, all.position()) > 0) {
      // read on
    }
    return all.array();
  }

  @Override
  public void write(long position, byte[] bytes) throws IOException {
    writeAll(log, position, bytes);
  }

  @Override
  public void force() throws IOException {
    log.force(false);
  }

  @Override
  public void replace(byte[] bytes) throws IOException {
    FileChannel old = log;
    // The very file that gets the name: opened anew it could fail, and records would go to the old
    // one, which nobody will ever read.
    log = written(LOG, bytes);
    try (old) {
      names.force(directory);
    } catch (IOException e) {
      throw new UncertainException(e);
    }
  }

  @Override
  public void putFile(String name, byte[] bytes) throws IOException {
    written(name, bytes).close();
    names.force(directory);
  }

  /** Has the name when it returns, though not durably; changes nothing when it throws. */
  private FileChannel written(String name, byte[] bytes) throws IOException {
    Path temporary = directory.resolve(name + TEMPORARY);
    FileChannel file = FileChannel.open(temporary, CREATE, TRUNCATE_EXISTING, READ, WRITE);
    try {
      writeAll(file, 0, bytes);
      file.force(true);
      Files.move(temporary, directory.resolve(name), ATOMIC_MOVE);
      return file;
    } catch (IOException e) {
      try (file) {
        Files.deleteIfExists(temporary);
      }
      throw e;
    }
  }

  @Override
  public Optional<byte[]> getFile(String name) throws IOException {
    Path file = directory.resolve(name);
    return Files.exists(file) ? Optional.of(Files.readAllBytes(file)) : Optional.empty();
  }

  @Override
  public void deleteFile(String name) throws IOException {
    Files.deleteIfExists(directory.resolve(name));
  }

  @Override
  public List<String> files() throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries
          .map(entry -> entry.getFileName().toString())
          .filter(name -> !name.equals(LOG) && !name.equals(LOCK))
          .sorted()
          .toList();
    }
  }

  @Override
  public String location() {
    return directory.resolve(LOG).toString();
  }

  @Override
  public void close() throws IOException {
    try (lock) {
      log.close();
    }
  }

  private static void writeAll(FileChannel channel, long position, byte[] bytes)
      throws IOException {
    ByteBuffer rest = ByteBuffer.wrap(bytes);
    while (rest.hasRemaining()) {
      channel.write(rest, position + rest.position());
    }
  }

  private static void forceDirectory(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory, READ)) {
      channel.force(true);
    }
  }
}
