package io.netchannel.device.nbd;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * One connection in its transmission phase. Requests are written by whoever submits them, as far as
 * the socket takes them without waiting, else by the device's thread; replies are read by the
 * device's thread only. At most one thread is the sender at a time: the one that has set {@link
 * #sending}, under the lock of the requests.
 */
final class NbdConnection implements AutoCloseable {
  /** Some requests of 4 KiB, or the headers of many: one system call for all of them. */
  private static final int MAX_BATCH_REQUESTS = 64;

  /** Replies with as much data in one read; longer data is read to where it belongs. */
  private static final int INPUT_BYTES = 64 * 1024;

  /** Below this, a copy is cheaper than a system call. */
  private static final int DIRECT_READ_BYTES = 16 * 1024;

  /** Told of each error that the server reports, on the device's thread. */
  @FunctionalInterface
  interface Errors {
    void failed(NbdRequest request, int error);
  }

  private final NbdSocket socket;
  private final SocketChannel channel;
  private final Selector selector;
  private final SelectionKey key;
  private final ExportInfo info;
  private final boolean writeThrough;
  private final NbdRequests requests;
  private final Errors errors;
  private final Consumer<SelectionKey> ready = this::ready;

  /** Guarded by the requests: whether this is the connection that requests go to. */
  private boolean current;

  /** Guarded by the requests. */
  private boolean sending;

  private volatile boolean waitsForRoom;
  private volatile IOException writeFailure;

  /** The sender's: what is being written. */
  private final NbdRequest[] batch = new NbdRequest[MAX_BATCH_REQUESTS];

  private final ByteBuffer[] buffers = new ByteBuffer[2 * MAX_BATCH_REQUESTS];
  private int batchRequests;
  private int bufferCount;
  private int bufferIndex;
  private long batchBytes;

  /** The device's thread's. */
  private final ByteBuffer input = ByteBuffer.allocateDirect(INPUT_BYTES).flip();

  private NbdRequest reading;
  private long replies;
  private boolean readable;
  private boolean writable;

  /**
   * Of a socket after its handshake.
   *
   * @param writeThrough whether writes are to be durable when they are answered
   */
  NbdConnection(
      NbdSocket socket,
      ExportInfo info,
      boolean writeThrough,
      NbdRequests requests,
      Errors errors) {
    this.socket = socket;
    this.info = info;
    this.writeThrough = writeThrough;
    this.requests = requests;
    this.errors = errors;
    channel = socket.channel();
    selector = socket.selector();
    key = socket.key();
  }

  ExportInfo info() {
    return info;
  }

  /** Sends everything outstanding, then what comes; by the device's thread. */
  void begin() {
    synchronized (requests) {
      current = true;
      requests.queueAll(info.maximumPayloadBytes(), writeThrough);
      sending = true;
    }
    send();
  }

  /**
   * Under the lock: prepares and queues a new request.
   *
   * @return whether the caller is now the sender and calls {@link #send} without the lock
   */
  boolean offer(NbdRequest request) {
    requests.prepare(request, info.maximumPayloadBytes(), writeThrough);
    requests.queue(request);
    return becomeSender();
  }

  private boolean becomeSender() {
    boolean free = current && !sending;
    if (free) {
      sending = true;
    }
    return free;
  }

  /** Makes the device's thread look at what has changed. */
  void wakeUp() {
    selector.wakeup();
  }

  /** By the sender: writes until nothing waits, or until the socket takes no more. */
  void send() {
    while (true) {
      if (batchRequests == 0 && !takeBatch()) {
        return;
      }
      try {
        while (batchBytes > 0) {
          long written = channel.write(buffers, bufferIndex, bufferCount - bufferIndex);
          batchBytes -= written;
          while (bufferIndex < bufferCount && !buffers[bufferIndex].hasRemaining()) {
            bufferIndex++;
          }
          if (written == 0) {
            waitsForRoom = true;
            selector.wakeup();
            return;
          }
        }
      } catch (IOException e) {
        // The device's thread sees to it; until then this stays the sender, so that no other is.
        writeFailure = e;
        selector.wakeup();
        return;
      }
      noteSent();
    }
  }

  /** False when there is nothing to send: then the caller is not the sender any more. */
  private boolean takeBatch() {
    synchronized (requests) {
      if (!current) {
        return false;
      }
      bufferCount = 0;
      bufferIndex = 0;
      batchBytes = 0;
      while (batchRequests < MAX_BATCH_REQUESTS) {
        NbdRequest request = requests.takeToSend();
        if (request == null) {
          break;
        }
        batch[batchRequests++] = request;
        add(request.header);
        if (request.command == NbdProtocol.CMD_WRITE) {
          add(request.data);
        }
      }
      sending = batchRequests > 0;
      return sending;
    }
  }

  private void add(ByteBuffer buffer) {
    buffers[bufferCount++] = buffer;
    batchBytes += buffer.remaining();
  }

  private void noteSent() {
    List<NbdRequest> answered = null;
    synchronized (requests) {
      if (current) {
        for (int i = 0; i < batchRequests; i++) {
          NbdRequest request = batch[i];
          request.sent = true;
          if (request.early != null) {
            answered = answered == null ? new ArrayList<>() : answered;
            answered.add(request);
          }
        }
      }
      batchRequests = 0;
    }
    if (answered != null) {
      for (NbdRequest request : answered) {
        finish(request, request.early);
      }
    }
  }

  /**
   * By the device's thread: waits for the socket, or for {@link #wakeUp}, and does what there is.
   *
   * @throws IOException when the connection is lost
   */
  void serve() throws IOException {
    int interest = SelectionKey.OP_READ | (waitsForRoom ? SelectionKey.OP_WRITE : 0);
    if (key.interestOps() != interest) {
      key.interestOps(interest);
    }
    var unused = selector.select(ready);
    if (readable) {
      readable = false;
      // What completions submit meanwhile goes out in one write, after all of them.
      boolean sender;
      synchronized (requests) {
        sender = becomeSender();
      }
      try {
        receive();
      } finally {
        if (sender) {
          send();
        }
      }
    }
    if (writable) {
      writable = false;
      waitsForRoom = false;
      send();
    }
    if (writeFailure != null) {
      throw writeFailure;
    }
  }

  private void ready(SelectionKey selected) {
    readable = selected.isReadable();
    writable = waitsForRoom && selected.isWritable();
  }

  private void receive() throws IOException {
    while (true) {
      boolean all = reading == null ? fillInput() : readData();
      takeReplies();
      if (all) {
        return;
      }
    }
  }

  /** True when the socket has no more. */
  private boolean fillInput() throws IOException {
    input.compact();
    int room = input.remaining();
    int count = channel.read(input);
    input.flip();
    return atEnd(count, room);
  }

  /** Straight to where the data belongs. */
  private boolean readData() throws IOException {
    ByteBuffer data = reading.data;
    int room = data.remaining();
    if (room < DIRECT_READ_BYTES) {
      return fillInput();
    }
    return atEnd(channel.read(data), room);
  }

  private static boolean atEnd(int count, int room) throws IOException {
    if (count < 0) {
      throw new EOFException("the server closed the connection");
    }
    return count < room;
  }

  private void takeReplies() throws IOException {
    while (true) {
      if (reading != null) {
        ByteBuffer data = reading.data;
        int count = Math.min(data.remaining(), input.remaining());
        data.put(data.position(), input, input.position(), count);
        data.position(data.position() + count);
        input.position(input.position() + count);
        if (data.hasRemaining()) {
          return;
        }
        NbdRequest request = reading;
        reading = null;
        answered(request, 0);
      }
      if (input.remaining() < NbdProtocol.SIMPLE_REPLY_BYTES) {
        return;
      }
      takeReply();
    }
  }

  private void takeReply() throws IOException {
    int error = SimpleReply.error(input);
    long handle = SimpleReply.handle(input);
    NbdRequest request;
    synchronized (requests) {
      request = requests.find(handle);
      if (request == null || request.early != null) {
        throw new NbdProtocolException(
            "expected a reply to a request that is outstanding, found handle %x".formatted(handle));
      }
    }
    if (error == NbdProtocol.ESHUTDOWN) {
      throw new IOException("the server is shutting down");
    }
    if (error == 0 && request.command == NbdProtocol.CMD_READ) {
      reading = request;
    } else {
      answered(request, error);
    }
  }

  private void answered(NbdRequest request, int error) {
    replies++;
    if (error != 0) {
      errors.failed(request, error);
    }
    Outcome outcome = NbdProtocol.outcomeOf(error);
    synchronized (requests) {
      if (!request.sent) {
        request.early = outcome; // its sender, who still has it in hand, goes on with it
        return;
      }
    }
    finish(request, outcome);
  }

  private void finish(NbdRequest request, Outcome answer) {
    Outcome outcome = answer;
    Completion completion = null;
    boolean sender = false;
    synchronized (requests) {
      if (!current) {
        return; // lost meanwhile: it is sent again
      }
      request.doneBytes += request.partBytes;
      if (outcome == Outcome.OK && request.doneBytes < request.lengthBytes) {
        sender = offer(request);
      } else {
        completion = request.completion;
        outcome = requests.ended(request, outcome);
        requests.remove(request);
      }
    }
    if (completion != null) {
      Completion.tell(completion, outcome, "nbd");
    }
    if (sender) {
      send();
    }
  }

  /** How many the server has sent on this connection. */
  long replies() {
    return replies;
  }

  /** Tells the server that nothing comes any more; by the device's thread when that is so. */
  void disconnect() {
    ByteBuffer request = ByteBuffer.allocate(NbdProtocol.REQUEST_BYTES);
    request.putInt(NbdProtocol.REQUEST_MAGIC);
    request.putShort(Integer.BYTES + Short.BYTES, (short) NbdProtocol.CMD_DISC);
    try {
      var unused = channel.write(request.clear());
    } catch (IOException e) {
      // It ends in any case; a server takes the end of the connection for the same.
    }
  }

  /** Nobody uses a request's buffers through this connection any more when it returns. */
  @Override
  public void close() {
    socket.close();
    synchronized (requests) {
      current = false;
    }
  }
}
