package io.netchannel.device.nbd;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/** An NBD server of one small disk, whose connections break the protocol one after the other. */
final class FaultyServer implements AutoCloseable {
  static final int SIZE_BYTES = 1 << 20;

  /** NBD's number for it, proto.md. */
  private static final int EIO = 5;

  /** What a connection does wrong, at its first request. */
  enum Fault {
    NONE,
    /** Answers what nobody asked, then what was asked. */
    UNKNOWN_HANDLE,
    /** Answers it twice. */
    TWICE,
    /** Answers with what is no reply. */
    BAD_MAGIC,
    /** Ends within the header of the reply. */
    HALF_A_REPLY,
    /** Says that it ends, as a server does that is told to. */
    SHUTTING_DOWN,
    /** Answers that it had an error. */
    IO_ERROR,
    /** Does what it is asked, and ends without a word. */
    DONE_AND_NOT_SAID
  }

  private final ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
  private final byte[] disk = new byte[SIZE_BYTES];
  private final Thread thread = new Thread(this::serve, "faulty NBD server");

  /** Guarded by this. */
  private final Deque<Fault> faults = new ArrayDeque<>();

  private int connections;

  /** Of its first connections; later ones are good. */
  FaultyServer(List<Fault> faults) throws IOException {
    this.faults.addAll(faults);
    thread.setDaemon(true);
    thread.start();
  }

  String uri() {
    return NbdUri.tcp("127.0.0.1", listener.getLocalPort(), "").toString();
  }

  synchronized int connections() {
    return connections;
  }

  private synchronized Fault next() {
    connections++;
    return faults.isEmpty() ? Fault.NONE : faults.remove();
  }

  private void serve() {
    while (true) {
      try (Socket client = listener.accept()) {
        serve(client, next());
      } catch (IOException e) {
        if (listener.isClosed()) {
          return;
        }
      }
    }
  }

  private void serve(Socket client, Fault fault) throws IOException {
    DataInputStream in = new DataInputStream(client.getInputStream());
    DataOutputStream out = new DataOutputStream(client.getOutputStream());
    negotiate(in, out);
    Fault now = fault;
    while (true) {
      in.readInt();
      in.readShort();
      int command = in.readShort();
      long handle = in.readLong();
      int offset = (int) in.readLong();
      int length = in.readInt();
      if (command == NbdProtocol.CMD_WRITE) {
        in.readFully(disk, offset, length);
      }
      if (command == NbdProtocol.CMD_DISC || now == Fault.DONE_AND_NOT_SAID) {
        return;
      }
      byte[] data = command == NbdProtocol.CMD_READ ? read(offset, length) : new byte[0];
      switch (now) {
        case NONE, DONE_AND_NOT_SAID -> {}
        case UNKNOWN_HANDLE -> reply(out, NbdProtocol.SIMPLE_REPLY_MAGIC, 0, ~handle, data);
        case TWICE -> reply(out, NbdProtocol.SIMPLE_REPLY_MAGIC, 0, handle, data);
        case BAD_MAGIC -> reply(out, NbdProtocol.REQUEST_MAGIC, 0, handle, data);
        case HALF_A_REPLY -> {
          out.writeInt(NbdProtocol.SIMPLE_REPLY_MAGIC);
          return;
        }
        case SHUTTING_DOWN ->
            reply(out, NbdProtocol.SIMPLE_REPLY_MAGIC, NbdProtocol.ESHUTDOWN, handle, new byte[0]);
        case IO_ERROR -> {
          reply(out, NbdProtocol.SIMPLE_REPLY_MAGIC, EIO, handle, new byte[0]);
          now = Fault.NONE;
          continue;
        }
      }
      now = Fault.NONE;
      reply(out, NbdProtocol.SIMPLE_REPLY_MAGIC, 0, handle, data);
    }
  }

  private static void negotiate(DataInputStream in, DataOutputStream out) throws IOException {
    out.writeLong(NbdProtocol.SERVER_MAGIC);
    out.writeLong(NbdProtocol.OPTION_MAGIC);
    out.writeShort(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES);
    in.readInt();
    in.readLong();
    in.readInt();
    in.readFully(new byte[in.readInt()]);
    optionReply(out, NbdProtocol.REP_INFO, 12);
    out.writeShort(NbdProtocol.INFO_EXPORT);
    out.writeLong(SIZE_BYTES);
    out.writeShort(NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_FLUSH);
    optionReply(out, NbdProtocol.REP_ACK, 0);
  }

  private static void optionReply(DataOutputStream out, int type, int length) throws IOException {
    out.writeLong(NbdProtocol.OPTION_REPLY_MAGIC);
    out.writeInt(NbdProtocol.OPT_GO);
    out.writeInt(type);
    out.writeInt(length);
  }

  private byte[] read(int offset, int length) {
    byte[] data = new byte[length];
    System.arraycopy(disk, offset, data, 0, length);
    return data;
  }

  private static void reply(DataOutputStream out, int magic, int error, long handle, byte[] data)
      throws IOException {
    out.writeInt(magic);
    out.writeInt(error);
    out.writeLong(handle);
    out.write(data);
  }

  @Override
  public void close() throws IOException {
    listener.close(); // its thread ends with the connection it has
  }
}
