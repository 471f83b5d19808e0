package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Asks the daemon over its control socket. */
final class ControlClient {
  private final Path socket;

  ControlClient(Path socket) {
    this.socket = socket;
  }

  /**
   * Sends one request and waits for the reply; the daemon bounds its own waits.
   *
   * @return the reply's "result"
   * @throws DaemonAwayException when the daemon does not run, or ends before it has answered
   * @throws CommandFailedException when it says no
   */
  Object call(Map<String, Object> request) throws CommandFailedException {
    Map<String, Object> reply;
    try {
      reply = Json.parseObject(exchange(Json.write(request) + "\n"));
    } catch (IllegalArgumentException e) {
      throw new DaemonAwayException(
          "the daemon at %s broke off its reply (%s); see 'journalctl -u netchanneld'"
              .formatted(socket, e.getMessage()),
          e);
    }
    if (!Boolean.TRUE.equals(reply.get("ok"))) {
      throw new CommandFailedException(String.valueOf(reply.get("error")));
    }
    return reply.get("result");
  }

  private String exchange(String request) throws CommandFailedException {
    if (!Files.exists(socket)) {
      throw new DaemonAwayException(
          "no daemon on this host: there is no %s; start it with 'systemctl start netchanneld'"
              .formatted(socket));
    }
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      ByteBuffer out = ByteBuffer.wrap(request.getBytes(StandardCharsets.UTF_8));
      while (out.hasRemaining()) {
        channel.write(out);
      }
      channel.shutdownOutput();
      ByteArrayOutputStream reply = new ByteArrayOutputStream();
      ByteBuffer in = ByteBuffer.allocate(16 * 1024);
      while (channel.read(in) >= 0) {
        reply.write(in.array(), 0, in.position());
        in.clear();
      }
      return reply.toString(StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new DaemonAwayException(
          "cannot talk to the daemon at %s: %s; only root may, and it must run: 'systemctl status netchanneld'"
              .formatted(socket, e.getMessage()),
          e);
    }
  }
}
