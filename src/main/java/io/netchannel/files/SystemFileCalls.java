package io.netchannel.files;

import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** The calls of this system. */
final class SystemFileCalls implements FileCalls {

  private record Channel(FileChannel channel) implements OpenFile {
    @Override
    public byte[] read() throws IOException {
      ByteBuffer all = ByteBuffer.allocate(Math.toIntExact(channel.size()));
      while (all.hasRemaining() && channel.read(all, all.position()) > 0) {
        // read on
      }
      return all.array();
    }

    @Override
    public void write(long position, byte[] bytes) throws IOException {
      ByteBuffer rest = ByteBuffer.wrap(bytes);
      while (rest.hasRemaining()) {
        channel.write(rest, position + rest.position());
      }
    }

    @Override
    public void force() throws IOException {
      // Its length with it where that has changed, but not its times, which would cost more.
      channel.force(false);
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }

  @Override
  public OpenFile open(Path file) throws IOException {
    return new Channel(FileChannel.open(file, CREATE, READ, WRITE));
  }

  @Override
  public OpenFile openFresh(Path file, Set<PosixFilePermission> mode) throws IOException {
    // Not the file that is there: its mode, and what it was opened for before, would stay.
    Files.deleteIfExists(file);
    FileChannel channel =
        FileChannel.open(
            file,
            ImmutableSet.of(CREATE_NEW, READ, WRITE),
            PosixFilePermissions.asFileAttribute(mode));
    return new Channel(channel);
  }

  @Override
  public void rename(Path from, Path to) throws IOException {
    Files.move(from, to, ATOMIC_MOVE);
  }

  @Override
  public void forceDirectory(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory, READ)) {
      channel.force(true);
    }
  }

  @Override
  public void delete(Path file) throws IOException {
    Files.deleteIfExists(file);
  }

  @Override
  public Optional<byte[]> read(Path file) throws IOException {
    try {
      return Optional.of(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  @Override
  public List<String> list(Path directory) throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
    }
  }
}
