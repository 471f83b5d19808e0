package io.netchannel.files;

import static java.nio.file.LinkOption.NOFOLLOW_LINKS;

import java.io.Closeable;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The name of a Unix socket that only its owner may connect to, from its first moment on.
 *
 * <pre>
 *   SOCKET is no socket, or somebody answers there -> refused, stays
 *   .sXXXX/ made for its owner only -> .sXXXX/s bound -> its mode 0600 -> renamed to SOCKET
 *                                                          -> .sXXXX/ removed
 *                                        close -> SOCKET removed, if it is still this one
 * </pre>
 *
 * A socket gets its mode from the process's umask, and who connects between bind and chmod is in:
 * so it is bound where nobody else gets to. Clients find no socket or one that answers.
 */
public final class PrivateSocket implements Closeable {
  /** Binds a server's channel. */
  @FunctionalInterface
  public interface Binder {
    void bind(Path path) throws IOException;
  }

  /** sockaddr_un, unix(7): 108 bytes with the zero at its end. */
  private static final int MAX_PATH_BYTES = 107;

  /** Each is there for a moment, or was left by a process killed in that moment. */
  private static final int MAX_TRIES = 100;

  /** Of names of directories: four digits in base 36. */
  private static final int NAMES = 36 * 36 * 36 * 36;

  /** Of a file's mode. */
  private static final int TYPE_MASK = 0170000;

  private static final int TYPE_SOCKET = 0140000;

  private final Path socket;
  private final Object identity;
  private final AtomicBoolean closed = new AtomicBoolean();

  private PrivateSocket(Path socket, Object identity) {
    this.socket = socket;
    this.identity = identity;
  }

  /**
   * Has a server listen at {@code socket}, in place of one that a killed process has left there.
   *
   * @param binder binds the server to the path it is given; who called closes the server when this
   *     throws
   * @throws IOException also when another process listens there, or something is there that is no
   *     socket, a disk's image perhaps: it stays
   */
  public static PrivateSocket bind(Path socket, Binder binder) throws IOException {
    try {
      checkFree(socket);
      Path directory = makeDirectory(socket);
      Path hidden = directory.resolve("s");
      try {
        checkLength(socket);
        checkLength(hidden);
        binder.bind(hidden);
        Files.setPosixFilePermissions(hidden, PosixFilePermissions.fromString("rw-------"));
        Object identity = identity(hidden);
        Files.move(hidden, socket, StandardCopyOption.ATOMIC_MOVE);
        return new PrivateSocket(socket, identity);
      } finally {
        Files.deleteIfExists(hidden);
        Files.deleteIfExists(directory);
      }
    } catch (IOException e) {
      throw new IOException("cannot listen on %s: %s".formatted(socket, DurableFile.reason(e)), e);
    }
  }

  private static void checkFree(Path socket) throws IOException {
    if (!Files.exists(socket, NOFOLLOW_LINKS)) {
      return;
    }
    // To connect to any other kind of file fails as it does to a socket where nobody listens.
    int mode = (Integer) Files.getAttribute(socket, "unix:mode", NOFOLLOW_LINKS);
    if ((mode & TYPE_MASK) != TYPE_SOCKET) {
      throw new IOException("it is there and is no socket; give another path");
    }
    checkLength(socket);
    try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      // One that is alive and has many callers would keep a blocking call waiting.
      probe.configureBlocking(false);
      var unused = probe.connect(UnixDomainSocketAddress.of(socket));
    } catch (ConnectException e) {
      return; // nobody listens: its process was killed
    } catch (SocketException e) {
      throw new IOException(
          "another process listens there and takes no callers (%s); end it"
              .formatted(e.getMessage()),
          e);
    }
    throw new IOException("another process listens there; is it running already?");
  }

  private static void checkLength(Path path) throws IOException {
    int bytes = path.toString().getBytes(StandardCharsets.UTF_8).length;
    if (bytes > MAX_PATH_BYTES) {
      throw new IOException(
          "%s has %d bytes, a Unix socket's path at most %d; give a shorter one"
              .formatted(path, bytes, MAX_PATH_BYTES));
    }
  }

  /**
   * Its name is short, as it must fit where the socket's own does, and nobody else's: a server that
   * ends removes the name that it has bound, which must not be another one's by then.
   */
  private static Path makeDirectory(Path socket) throws IOException {
    for (int tries = 0; tries < MAX_TRIES; tries++) {
      String name =
          Integer.toString(ThreadLocalRandom.current().nextInt(NAMES), Character.MAX_RADIX);
      Path directory = socket.resolveSibling(".s" + name);
      try {
        return Files.createDirectory(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      } catch (FileAlreadyExistsException e) {
        // Another process's.
      }
    }
    throw new IOException(
        "%s and others like it are there; remove them".formatted(socket.resolveSibling(".s...")));
  }

  private static Object identity(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class, NOFOLLOW_LINKS).fileKey();
  }

  /**
   * Removes the name, unless it is another server's by now. Before the server is closed;
   * idempotent.
   */
  @Override
  public void close() throws IOException {
    if (closed.getAndSet(true)) {
      return;
    }
    try {
      if (Objects.equals(identity(socket), identity)) {
        Files.deleteIfExists(socket);
      }
    } catch (NoSuchFileException e) {
      // Somebody has removed it.
    }
  }
}
