package io.netchannel.coordinator;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;

import io.netchannel.files.DurableFile;
import io.netchannel.files.FileCalls;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A journal in a directory of its own, usually /var/lib/netchannel/journal: the log {@code journal}
 * and files beside it. Locked, so that two daemons cannot write one journal.
 */
final class FileJournalStorage implements JournalStorage {
  private static final String LOG = "journal";
  private static final String LOCK = "lock";

  private static final Logger logger = LoggerFactory.getLogger(FileJournalStorage.class);

  private final Path directory;
  private final FileCalls calls;
  private final Closeable lock;

  /** Always the file that has the name LOG, or had it last. */
  private FileCalls.OpenFile log;

  /** Makes the directory when it is not there, for its owner only. */
  static FileJournalStorage open(Path directory) throws IOException {
    return open(directory, FileCalls.SYSTEM);
  }

  static FileJournalStorage open(Path directory, FileCalls calls) throws IOException {
    DurableFile.makeDirectory(directory);
    FileChannel lock = FileChannel.open(directory.resolve(LOCK), CREATE, WRITE);
    try {
      if (!tryLock(lock)) {
        throw new IOException(
            "another daemon uses " + directory + "; stop it, or configure another directory");
      }
      return new FileJournalStorage(directory, calls, lock);
    } catch (IOException e) {
      lock.close();
      throw e;
    }
  }

  /**
   * In a directory that is there.
   *
   * @param lock closed after the log
   */
  FileJournalStorage(Path directory, FileCalls calls, Closeable lock) throws IOException {
    this.directory = directory;
    this.calls = calls;
    this.lock = lock;
    this.log = calls.open(directory.resolve(LOG));
    calls.forceDirectory(directory);
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
    return log.read();
  }

  @Override
  public void write(long position, byte[] bytes) throws IOException {
    log.write(position, bytes);
  }

  @Override
  public void force() throws IOException {
    log.force();
  }

  @Override
  public void replace(byte[] bytes) throws IOException {
    FileCalls.OpenFile old = log;
    // The very file that gets the name: opened anew it could fail, and records would go to the old
    // one, which nobody will ever read.
    log = DurableFile.write(calls, directory.resolve(LOG), bytes, DurableFile.PRIVATE);
    try {
      old.close();
    } catch (IOException e) {
      logger.debug(
          "closing the journal before, whose records are in the new one: {}", e.toString());
    }
  }

  @Override
  public void putFile(String name, byte[] bytes) throws IOException {
    DurableFile.write(calls, directory.resolve(name), bytes, DurableFile.PRIVATE).close();
  }

  @Override
  public Optional<byte[]> getFile(String name) throws IOException {
    return calls.read(directory.resolve(name));
  }

  @Override
  public void deleteFile(String name) throws IOException {
    calls.delete(directory.resolve(name));
  }

  @Override
  public List<String> files() throws IOException {
    return calls.list(directory).stream()
        .filter(name -> !name.equals(LOG) && !name.equals(LOCK))
        .toList();
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
}
