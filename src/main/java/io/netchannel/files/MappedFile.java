package io.netchannel.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Files whose bytes are memory: on tmpfs they outlive the process, whatever ends it. */
public final class MappedFile {
  private static final Logger log = LoggerFactory.getLogger(MappedFile.class);

  private static final int CHUNK_BYTES = 64 << 10;

  private MappedFile() {}

  /**
   * Maps the beginning of a file, which has room for all of it from then on. A hole would be filled
   * at a store into it, and where the file system is full by then that ends the whole process
   * (SIGBUS). What the file has stays as it was; what it has not yet is zero.
   *
   * @param channel of {@code file}, for reading and writing
   * @param sizeBytes up to 2 GiB
   * @param content what a person calls it, as in "room for the 512 bytes of ..."
   * @return for as long as it is used: the mapping goes with the object
   * @throws IOException when there is no room; a file that was empty is removed then, as the part
   *     of it would keep others out, too
   */
  public static ByteBuffer map(FileChannel channel, Path file, long sizeBytes, String content)
      throws IOException {
    long before = channel.size();
    try {
      allocate(channel, sizeBytes);
    } catch (IOException e) {
      if (before == 0) {
        Files.deleteIfExists(file);
      }
      throw new IOException(
          "%s: expected room for the %d bytes of %s, found none (%s); make room on that file system"
              .formatted(file, sizeBytes, content, e.getMessage()),
          e);
    }
    return channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes);
  }

  /**
   * Removes a file that nobody uses any more, and gives its room back at once. A mapping is there
   * until the garbage collector comes to it, and with it would be the room of a file that is only
   * deleted: nobody sees what takes it.
   *
   * @param file nothing where there is none
   */
  public static void remove(Path file) throws IOException {
    giveRoomBack(file);
    Files.deleteIfExists(file);
  }

  private static void giveRoomBack(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      long sizeBytes = channel.size();
      if (sizeBytes > 0) {
        channel.truncate(0);
        // As long as before: a stray access finds zeros, where beyond the end it would be a SIGBUS.
        var unused = channel.write(ByteBuffer.allocate(1), sizeBytes - 1);
      }
    } catch (NoSuchFileException e) {
      log.debug("{}: is not there", file);
    } catch (IOException e) {
      log.warn("{}: gives its room back later: {}", file, e.toString());
    }
  }

  /** Writes each byte once: what is there as it was, zeros beyond the old end. */
  private static void allocate(FileChannel channel, long sizeBytes) throws IOException {
    for (long at = 0; at < sizeBytes; at += CHUNK_BYTES) {
      ByteBuffer chunk = ByteBuffer.allocate((int) Math.min(CHUNK_BYTES, sizeBytes - at));
      int read = 0;
      while (read >= 0 && chunk.hasRemaining()) {
        read = channel.read(chunk, at + chunk.position());
      }
      chunk.clear();
      while (chunk.hasRemaining()) {
        var unused = channel.write(chunk, at + chunk.position());
      }
    }
  }
}
