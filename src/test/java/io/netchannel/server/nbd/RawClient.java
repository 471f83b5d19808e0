package io.netchannel.server.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.nbd.NbdProtocol;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A client that sends whatever bytes a test wants. */
final class RawClient implements AutoCloseable {
  private final SocketChannel channel;

  RawClient(Path socket) throws IOException {
    channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
  }

  /** Through the greeting, with these flags. */
  RawClient greet(int flags) throws IOException {
    ByteBuffer greeting = read(18);
    assertThat(greeting.getLong()).isEqualTo(NbdProtocol.SERVER_MAGIC);
    assertThat(greeting.getLong()).isEqualTo(NbdProtocol.OPTION_MAGIC);
    assertThat((int) greeting.getShort()).isEqualTo(3);
    return send(ByteBuffer.allocate(4).putInt(flags).flip());
  }

  /** Through the handshake of an export, up to transmission. */
  RawClient go(String name) throws IOException {
    greet(3);
    option(NbdProtocol.OPT_GO, wish(name));
    while (true) {
      Reply reply = reply();
      assertThat(reply.type).isIn(NbdProtocol.REP_INFO, NbdProtocol.REP_ACK);
      if (reply.type == NbdProtocol.REP_ACK) {
        return this;
      }
    }
  }

  static ByteBuffer wish(String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    ByteBuffer data = ByteBuffer.allocate(6 + bytes.length);
    return data.putInt(bytes.length).put(bytes).putShort((short) 0).flip();
  }

  record Reply(int type, ByteBuffer data) {
    String text() {
      return StandardCharsets.UTF_8.decode(data.duplicate()).toString();
    }
  }

  RawClient option(int option, ByteBuffer data) throws IOException {
    return optionHeader(option, data.remaining()).send(data);
  }

  RawClient optionHeader(int option, int length) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(NbdProtocol.OPTION_BYTES);
    return send(header.putLong(NbdProtocol.OPTION_MAGIC).putInt(option).putInt(length).flip());
  }

  Reply reply() throws IOException {
    ByteBuffer header = read(NbdProtocol.OPTION_REPLY_BYTES);
    assertThat(header.getLong()).isEqualTo(NbdProtocol.OPTION_REPLY_MAGIC);
    header.getInt();
    int type = header.getInt();
    return new Reply(type, read(header.getInt()));
  }

  RawClient request(int flags, int command, long handle, long offset, int length)
      throws IOException {
    return send(header(flags, command, handle, offset, length));
  }

  static ByteBuffer header(int flags, int command, long handle, long offset, int length) {
    ByteBuffer header = ByteBuffer.allocate(NbdProtocol.REQUEST_BYTES);
    header.putInt(NbdProtocol.REQUEST_MAGIC).putShort((short) flags).putShort((short) command);
    return header.putLong(handle).putLong(offset).putInt(length).flip();
  }

  /** The error number of the next reply, which must be to this request. */
  int answer(long handle) throws IOException {
    ByteBuffer header = read(NbdProtocol.SIMPLE_REPLY_BYTES);
    assertThat(header.getInt()).isEqualTo(NbdProtocol.SIMPLE_REPLY_MAGIC);
    int error = header.getInt();
    assertThat(header.getLong()).isEqualTo(handle);
    return error;
  }

  RawClient send(ByteBuffer data) throws IOException {
    while (data.hasRemaining()) {
      channel.write(data);
    }
    return this;
  }

  ByteBuffer read(int length) throws IOException {
    ByteBuffer data = ByteBuffer.allocate(length);
    while (data.hasRemaining()) {
      assertThat(channel.read(data)).as("bytes of %d", length).isNotNegative();
    }
    return data.flip();
  }

  void shutdownOutput() throws IOException {
    channel.shutdownOutput();
  }

  /** Waits until the server has closed the connection; what it sends before is passed over. */
  void awaitEnd() {
    ByteBuffer data = ByteBuffer.allocate(4096);
    try {
      while (channel.read(data.clear()) >= 0) {
        assertThat(data.position()).isPositive();
      }
    } catch (IOException e) {
      assertThat(e).hasMessageContaining("reset"); // closed with data of ours unread
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
