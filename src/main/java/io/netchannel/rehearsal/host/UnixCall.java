package io.netchannel.rehearsal.host;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** One question and one answer on a Unix socket, as {@code nc -U -N} does it. */
final class UnixCall {
  private static final int BUFFER_BYTES = 16 * 1024;

  private UnixCall() {}

  static String exchange(Path socket, String question) throws IOException {
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      ByteBuffer sent = ByteBuffer.wrap(question.getBytes(StandardCharsets.UTF_8));
      while (sent.hasRemaining()) {
        channel.write(sent);
      }
      channel.shutdownOutput();
      ByteArrayOutputStream answer = new ByteArrayOutputStream();
      ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
      while (channel.read(buffer) >= 0) {
        answer.write(buffer.array(), 0, buffer.position());
        buffer.clear();
      }
      return answer.toString(StandardCharsets.UTF_8);
    }
  }
}
