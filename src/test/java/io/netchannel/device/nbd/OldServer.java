package io.netchannel.device.nbd;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** An NBD server that does not do NBD_OPT_GO, in one of the ways that there are. */
final class OldServer implements AutoCloseable {
  static final int SIZE_BYTES = 1 << 20;
  static final String NAME = "disk";

  /** How it meets a client. */
  enum Kind {
    /** Fixed newstyle; refuses all options but NBD_OPT_EXPORT_NAME as unknown to it. */
    EXPORT_NAME_ONLY(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES),
    /** Likewise, and of before NBD_FLAG_NO_ZEROES. */
    WITH_ZEROES(NbdProtocol.FLAG_FIXED_NEWSTYLE),
    /** The first newstyle: ends the connection at any option but that one. */
    NOT_FIXED(0),
    /** Fixed newstyle by its flags, and ends the connection at what it does not know. */
    CLOSES(NbdProtocol.FLAG_FIXED_NEWSTYLE),
    WANTS_TLS(NbdProtocol.FLAG_FIXED_NEWSTYLE),
    HAS_A_POLICY(NbdProtocol.FLAG_FIXED_NEWSTYLE);

    private final int flags;

    Kind(int flags) {
      this.flags = flags;
    }
  }

  private final Kind kind;
  private final ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
  private final byte[] disk = new byte[SIZE_BYTES];
  private final List<Integer> options = new CopyOnWriteArrayList<>();
  private final Thread thread = new Thread(this::serve, "old NBD server");

  OldServer(Kind kind) throws IOException {
    this.kind = kind;
    thread.setDaemon(true);
    thread.start();
  }

  String uri(String name) {
    return NbdUri.tcp("127.0.0.1", listener.getLocalPort(), name).toString();
  }

  SocketAddress address() {
    return listener.getLocalSocketAddress();
  }

  /** What clients have asked, in their order. */
  List<Integer> options() {
    return List.copyOf(options);
  }

  private void serve() {
    while (true) {
      try (Socket client = listener.accept()) {
        DataInputStream in = new DataInputStream(client.getInputStream());
        DataOutputStream out = new DataOutputStream(client.getOutputStream());
        if (negotiate(in, out)) {
          transmit(in, out);
        }
      } catch (IOException e) {
        if (listener.isClosed()) {
          return;
        }
      }
    }
  }

  private boolean negotiate(DataInputStream in, DataOutputStream out) throws IOException {
    out.writeLong(NbdProtocol.SERVER_MAGIC);
    out.writeLong(NbdProtocol.OPTION_MAGIC);
    out.writeShort(kind.flags);
    int clientFlags = in.readInt();
    if ((clientFlags & ~kind.flags) != 0) {
      return false; // the protocol: a client must not set what the server has not
    }
    while (true) {
      if (in.readLong() != NbdProtocol.OPTION_MAGIC) {
        return false;
      }
      int option = in.readInt();
      options.add(option);
      byte[] data = new byte[in.readInt()];
      in.readFully(data);
      if (option == NbdProtocol.OPT_EXPORT_NAME) {
        if (!new String(data, StandardCharsets.UTF_8).equals(NAME)) {
          return false;
        }
        out.writeLong(SIZE_BYTES);
        out.writeShort(NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_FLUSH);
        if ((clientFlags & NbdProtocol.FLAG_NO_ZEROES) == 0) {
          out.write(new byte[124]);
        }
        return true;
      }
      switch (kind) {
        case EXPORT_NAME_ONLY, WITH_ZEROES ->
            refuse(out, option, NbdProtocol.REP_ERR_UNSUP, "what is that?");
        case NOT_FIXED, CLOSES -> {
          return false;
        }
        case WANTS_TLS -> refuse(out, option, NbdProtocol.REP_ERR_TLS_REQD, "");
        case HAS_A_POLICY -> refuse(out, option, NbdProtocol.REP_ERR_POLICY, "not\non Sundays");
      }
    }
  }

  private static void refuse(DataOutputStream out, int option, int type, String words)
      throws IOException {
    byte[] text = words.getBytes(StandardCharsets.UTF_8);
    out.writeLong(NbdProtocol.OPTION_REPLY_MAGIC);
    out.writeInt(option);
    out.writeInt(type);
    out.writeInt(text.length);
    out.write(text);
  }

  private void transmit(DataInputStream in, DataOutputStream out) throws IOException {
    while (true) {
      in.readInt();
      in.readShort();
      int command = in.readShort();
      long handle = in.readLong();
      int offset = (int) in.readLong();
      int length = in.readInt();
      if (command == NbdProtocol.CMD_DISC) {
        return;
      }
      if (command == NbdProtocol.CMD_WRITE) {
        in.readFully(disk, offset, length);
      }
      out.writeInt(NbdProtocol.SIMPLE_REPLY_MAGIC);
      out.writeInt(0);
      out.writeLong(handle);
      if (command == NbdProtocol.CMD_READ) {
        out.write(disk, offset, length);
      }
    }
  }

  @Override
  public void close() throws IOException {
    listener.close(); // its thread ends with the connection it has
  }
}
