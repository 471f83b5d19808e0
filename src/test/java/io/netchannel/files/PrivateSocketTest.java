package io.netchannel.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class PrivateSocketTest {
  private static final int MANY = 100;

  @TempDir private Path directory;

  private Path socket() {
    return directory.resolve("it.sock");
  }

  private static ServerSocketChannel server() throws IOException {
    return ServerSocketChannel.open(StandardProtocolFamily.UNIX);
  }

  private PrivateSocket bind(ServerSocketChannel server) throws IOException {
    return PrivateSocket.bind(socket(), path -> server.bind(UnixDomainSocketAddress.of(path)));
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private List<String> names() throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.map(entry -> entry.getFileName().toString()).toList();
    }
  }

  @Test
  void nobodyElseGetsToItFromItsFirstMomentOn() throws Exception {
    List<String> seen = new ArrayList<>();
    try (ServerSocketChannel server = server()) {
      PrivateSocket name =
          PrivateSocket.bind(
              socket(),
              path -> {
                server.bind(UnixDomainSocketAddress.of(path));
                seen.add(mode(path.getParent()));
                assertThat(socket()).doesNotExist();
              });
      assertThat(seen).containsExactly("rwx------");
      assertThat(mode(socket())).isEqualTo("rw-------");
      assertThat(names()).containsExactly("it.sock");
      try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket()))) {
        assertThat(client.isConnected()).isTrue();
      }
      name.close();
      assertThat(names()).isEmpty();
    }
  }

  @Test
  void theSocketOfAKilledProcessIsReplacedAndThatOfALivingOneIsNot() throws Exception {
    ServerSocketChannel killed = server();
    killed.bind(UnixDomainSocketAddress.of(socket()));
    killed.close();
    assertThat(socket()).exists();
    try (ServerSocketChannel first = server();
        ServerSocketChannel second = server()) {
      var unused = bind(first);
      assertThatThrownBy(() -> bind(second))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(socket() + ": another process listens there");
      try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket()))) {
        assertThat(client.isConnected()).isTrue();
        assertThat(first.accept()).as("it is still the first one's").isNotNull();
      }
    }
  }

  /** A connect that blocks would wait for the one that does not accept. */
  @Test
  void oneThatHasMoreCallersThanItTakesIsAlive() throws Exception {
    List<SocketChannel> callers = new ArrayList<>();
    try (ServerSocketChannel hung = server();
        ServerSocketChannel second = server()) {
      hung.bind(UnixDomainSocketAddress.of(socket()), 1);
      assertThatThrownBy(
              () -> {
                while (callers.size() < MANY) {
                  SocketChannel caller = SocketChannel.open(StandardProtocolFamily.UNIX);
                  callers.add(caller);
                  caller.configureBlocking(false);
                  var unused = caller.connect(UnixDomainSocketAddress.of(socket()));
                }
              })
          .isInstanceOf(SocketException.class);
      assertThatThrownBy(() -> bind(second)).hasMessageContaining("another process listens there");
    } finally {
      for (SocketChannel caller : callers) {
        caller.close();
      }
    }
  }

  @Test
  void whatIsNoSocketStays() throws Exception {
    Files.writeString(socket(), "a disk's image");
    try (ServerSocketChannel server = server()) {
      assertThatThrownBy(() -> bind(server)).hasMessageContaining("is no socket");
    }
    assertThat(Files.readString(socket())).isEqualTo("a disk's image");
    assertThat(names()).containsExactly("it.sock");
  }

  @Test
  void aServerThatEndsLateDoesNotRemoveItsSuccessorsSocket() throws Exception {
    ServerSocketChannel first = server();
    PrivateSocket name = bind(first);
    first.close();
    try (ServerSocketChannel second = server()) {
      var unused = bind(second);
      name.close();
      assertThat(socket()).exists();
    }
  }

  @Test
  void nothingIsLeftOfOneThatCannotBeBound() throws Exception {
    assertThatThrownBy(
            () ->
                PrivateSocket.bind(
                    socket(),
                    path -> {
                      throw new IOException("no more of them");
                    }))
        .hasMessage("cannot listen on " + socket() + ": no more of them");
    Path missing = directory.resolve("none/it.sock");
    assertThatThrownBy(() -> PrivateSocket.bind(missing, path -> {}))
        .hasMessage("cannot listen on " + missing + ": its directory is not there");
    Path tooLong = directory.resolve("s".repeat(120));
    assertThatThrownBy(() -> PrivateSocket.bind(tooLong, path -> {}))
        .hasMessageContaining("at most 107; give a shorter one");
    assertThat(names()).isEmpty();
  }
}
