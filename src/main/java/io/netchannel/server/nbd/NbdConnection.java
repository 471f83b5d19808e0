package io.netchannel.server.nbd;

import io.netchannel.device.Device;
import io.netchannel.device.nbd.NbdProtocol;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.Optional;

/** One client: the handshake, then its requests, on a thread of its own. */
final class NbdConnection {
  private final SocketChannel channel;
  private final Negotiation negotiation;
  private final ClientInput input;

  NbdConnection(SocketChannel channel, Negotiation negotiation, ClientInput input) {
    this.channel = channel;
    this.negotiation = negotiation;
    this.input = input;
  }

  /**
   * Serves until the client goes.
   *
   * @param negotiated run when the handshake is over
   * @throws IOException when the connection or the client's protocol breaks
   */
  void serve(Runnable negotiated) throws IOException, InterruptedException {
    Optional<NbdExport> export = negotiation.run();
    negotiated.run();
    if (export.isPresent()) {
      transmit(export.get());
    }
  }

  private void transmit(NbdExport export) throws IOException, InterruptedException {
    Replies replies = new Replies(channel);
    input.beforeWaiting(replies::send);
    String name = Thread.currentThread().getName() + " replies";
    Thread writer = new Thread(() -> write(replies), name);
    writer.setDaemon(true);
    writer.start();
    try {
      takeRequests(export, replies);
    } finally {
      replies.stop();
      export.connectionEnds();
      try {
        channel.close(); // a writer that waits for the client ends
        replies.end();
        writer.join();
      } finally {
        export.connectionHasEnded();
      }
    }
  }

  private void write(Replies replies) {
    try {
      replies.sendUntilEnded();
    } catch (IOException e) {
      close(); // the reader ends, and with it the connection
      replies.fail();
    }
  }

  private void takeRequests(NbdExport export, Replies replies)
      throws IOException, InterruptedException {
    RequestHeader header = new RequestHeader();
    Device whenAlone = export.device().onCallersThread(true);
    Device whenNot = export.device().onCallersThread(false);
    while (true) {
      if (replies.isMuch()) {
        replies.send();
      }
      header.parse(require());
      if (header.command == NbdProtocol.CMD_DISC) {
        replies.send();
        return;
      }
      int error = header.check(export.geometry(), export.readOnly());
      Slot slot = replies.obtain(error == 0 ? header.dataBytes() : 0);
      takeData(header, error, slot, replies);
      if (error != 0) {
        slot.refuse(header, error);
        continue;
      }
      // While this thread waits for the storage nobody takes the next request: only if none is
      // there, and none is under way whose reply might bring one.
      boolean alone = input.buffered() == 0 && replies.isAlone();
      slot.submit(alone ? whenAlone : whenNot);
    }
  }

  private void takeData(RequestHeader header, int error, Slot slot, Replies replies)
      throws IOException {
    try {
      if (error != 0) {
        input.skip(header.payloadBytes());
      } else {
        ByteBuffer data = slot.take(header);
        if (header.command == NbdProtocol.CMD_WRITE) {
          input.readTo(data);
        }
      }
    } catch (IOException e) {
      replies.abandon();
      throw e;
    }
  }

  private ByteBuffer require() throws IOException {
    try {
      return input.require(NbdProtocol.REQUEST_BYTES);
    } catch (EOFException e) {
      if (input.buffered() == 0) {
        throw new ClientGoneException(); // without NBD_CMD_DISC, as some clients do
      }
      throw e;
    }
  }

  /** The client closed the connection where a request might have begun. */
  static final class ClientGoneException extends IOException {
    private static final long serialVersionUID = 1L;
  }

  /** Ends it from another thread. */
  void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // It is closed all the same.
    }
  }
}
