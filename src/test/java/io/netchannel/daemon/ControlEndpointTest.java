package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
final class ControlEndpointTest {
  @TempDir private Path directory;
  private Path socket;
  private ControlEndpoint endpoint;

  @BeforeEach
  void listen() throws Exception {
    socket = directory.resolve("control.sock");
    endpoint = ControlEndpoint.open(socket, ControlEndpointTest::answer);
  }

  @AfterEach
  void close() {
    endpoint.close();
  }

  private static Object answer(Map<String, Object> request) throws ControlException {
    return switch (String.valueOf(request.get("command"))) {
      case "echo" -> List.of(request);
      case "overflow" -> throw new StackOverflowError("of a test");
      case "refuse" -> throw new ControlException("no, because");
      default -> throw new IllegalStateException("broken");
    };
  }

  private Map<String, Object> call(String request) throws IOException {
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      ByteBuffer out = ByteBuffer.wrap(request.getBytes(StandardCharsets.UTF_8));
      while (out.hasRemaining()) {
        channel.write(out);
      }
      ByteArrayOutputStream reply = new ByteArrayOutputStream();
      ByteBuffer in = ByteBuffer.allocate(1024);
      while (channel.read(in) >= 0) {
        reply.write(in.array(), 0, in.position());
        in.clear();
      }
      return Json.parseObject(reply.toString(StandardCharsets.UTF_8));
    }
  }

  @Test
  void aRequestEndsWithItsLine() throws Exception {
    assertThat(call("{\"command\":\"echo\",\"n\":1}\n"))
        .containsEntry("ok", true)
        .containsEntry("result", List.of(Map.of("command", "echo", "n", 1L)));
  }

  @Test
  void refusalsAndBreakdownsAreErrorsInTheReply() throws Exception {
    assertThat(call("{\"command\":\"refuse\"}\n"))
        .containsEntry("ok", false)
        .containsEntry("error", "no, because");
    assertThat(call("{\"command\":\"break\"}\n")).containsEntry("ok", false);
    assertThat(call("{\"command\":\"overflow\"}\n"))
        .containsEntry("ok", false)
        .extractingByKey("error")
        .asString()
        .contains("of a test");
    assertThat(call("nonsense\n")).containsEntry("ok", false);
    assertThat(call("[]\n")).containsEntry("ok", false);
    assertThat(call("{\"command\":\"echo\"}\n")).as("it goes on").containsEntry("ok", true);
  }

  @Test
  void onlyItsOwnerMayConnect() throws Exception {
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
        .isEqualTo("rw-------");
  }

  @Test
  void theSocketOfADaemonBeforeIsReplacedAndOursIsRemoved() throws Exception {
    endpoint.close();
    assertThat(socket).doesNotExist();
    ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    killed.bind(UnixDomainSocketAddress.of(socket));
    killed.close();
    assertThat(socket).exists();
    endpoint = ControlEndpoint.open(socket, ControlEndpointTest::answer);
    assertThat(call("{\"command\":\"echo\"}\n")).containsEntry("ok", true);
  }
}
