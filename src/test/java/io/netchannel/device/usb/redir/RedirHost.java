package io.netchannel.device.usb.redir;

import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * The other part of the protocol, over TCP: serves a device to one client after the other, as
 * usbredirect does. For tests: it trusts its client.
 */
final class RedirHost implements AutoCloseable {
  private final UsbDevice device;
  private final ServerSocketChannel server;
  private final Thread thread;
  private volatile SocketChannel connection;
  private volatile boolean closing;

  /** What the next clients get instead of the protocol. */
  private volatile Optional<byte[]> nonsense = Optional.empty();

  RedirHost(UsbDevice device) throws IOException {
    this.device = device;
    server = ServerSocketChannel.open();
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    thread = new Thread(this::run, "redir-host");
    thread.start();
  }

  int port() throws IOException {
    return ((InetSocketAddress) server.getLocalAddress()).getPort();
  }

  /** Cuts the connection that there is. */
  void cut() throws IOException {
    connection.close();
  }

  void answerWith(Optional<byte[]> newNonsense) {
    nonsense = newNonsense;
  }

  @Override
  public void close() throws IOException {
    closing = true;
    server.close();
    SocketChannel last = connection;
    if (last != null) {
      last.close();
    }
    Uninterruptibles.joinUninterruptibly(thread);
  }

  private void run() {
    while (!closing) {
      try (SocketChannel accepted = server.accept()) {
        connection = accepted;
        serve(accepted);
      } catch (IOException e) {
        // the client has gone, or a test has cut it
      } catch (RedirException e) {
        throw new AssertionError(e);
      }
    }
  }

  private void serve(SocketChannel channel) throws IOException, RedirException {
    if (nonsense.isPresent()) {
      channel.write(ByteBuffer.wrap(nonsense.get()));
      return;
    }
    Client client = new Client(channel);
    try {
      client.serve();
    } finally {
      client.leave();
    }
  }

  /** Of one connection: what ends later than that is told to nobody. */
  private final class Client {
    private final SocketChannel channel;
    private final PacketReader reader = new PacketReader();

    // Guarded by this.
    private final PacketWriter writer = new PacketWriter();
    private boolean announced;

    private final Map<Long, Urb> running = new ConcurrentHashMap<>();
    private final Map<Integer, Boolean> polled = new ConcurrentHashMap<>();

    Client(SocketChannel channel) {
      this.channel = channel;
    }

    void serve() throws IOException, RedirException {
      send(
          PacketType.HELLO,
          0,
          PacketWriter.header(68).position(64).putInt(Capabilities.OURS.bits()));
      boolean greeted = false;
      while (channel.read(reader.room()) >= 0) {
        Optional<Packet> packet = reader.next();
        while (packet.isPresent()) {
          if (!greeted) {
            greeted = true;
            reader.useWideIds();
            synchronized (this) {
              writer.useWideIds();
            }
            device.listen(this::announce);
          } else {
            received(packet.get());
          }
          packet = reader.next();
        }
      }
    }

    void leave() {
      device.listen(() -> {});
      running.values().forEach(device::unlink);
      polled.clear();
    }

    private void send(PacketType type, long id, ByteBuffer header) {
      send(type, id, header, ByteBuffer.allocate(0));
    }

    private synchronized void send(PacketType type, long id, ByteBuffer header, ByteBuffer data) {
      writer.add(type, id, header, data);
      try {
        writer.writeTo(channel);
      } catch (IOException e) {
        // seen by who reads
      }
    }

    private synchronized void announce() {
      boolean isPlugged = device.port().plugged().isPresent();
      if (isPlugged && !announced) {
        announced = true;
        setup(0x0001_0900L, 0, done -> connect());
      } else if (!isPlugged && announced) {
        announced = false;
        send(PacketType.DEVICE_DISCONNECT, 0, PacketWriter.header(0));
      }
    }

    private void connect() {
      info();
      send(PacketType.DEVICE_CONNECT, 0, PacketWriter.header(10).put((byte) 2).position(10));
    }

    private void info() {
      send(PacketType.EP_INFO, 0, PacketWriter.header(160).position(160));
      send(PacketType.INTERFACE_INFO, 0, PacketWriter.header(132).position(132));
    }

    private void setup(long setup, int bytes, Consumer<Urb> done) {
      Urb urb = new Urb();
      urb.control(setup, ByteBuffer.allocateDirect(bytes));
      submit(urb, done::accept);
    }

    private void submit(Urb urb, UrbCompletion completion) {
      device.submit(urb, device.port().incarnation(), completion);
    }

    private void received(Packet packet) {
      ByteBuffer body = packet.body();
      long id = packet.id();
      switch (packet.type()) {
        case SET_CONFIGURATION -> {
          byte value = body.get();
          setup(0x0900L | Byte.toUnsignedLong(value) << 16, 0, done -> configured(id, done, value));
        }
        case GET_CONFIGURATION ->
            setup(0x0880L | 1L << 48, 1, done -> configured(id, done, done.data().get(0)));
        case SET_ALT_SETTING -> {
          byte number = body.get();
          byte alternate = body.get();
          polled.clear();
          setup(
              0x0b01L | Byte.toUnsignedLong(alternate) << 16 | Byte.toUnsignedLong(number) << 32,
              0,
              done -> selected(id, done, number, alternate));
        }
        case RESET -> {
          polled.clear();
          var unused = device.reset();
          setup(0x0001_0900L, 0, done -> {});
        }
        case CANCEL_DATA_PACKET -> {
          Urb urb = running.get(id);
          if (urb != null) {
            device.unlink(urb);
          }
        }
        case CONTROL_PACKET -> control(id, body);
        case BULK_PACKET -> bulk(id, body);
        case INTERRUPT_PACKET -> interruptOut(id, body);
        case START_INTERRUPT_RECEIVING -> poll(Byte.toUnsignedInt(body.get()), 0);
        case START_ISO_STREAM -> startStream(body);
        case ISO_PACKET -> isoOut(body);
        case DEVICE_DISCONNECT_ACK -> {}
        default -> throw new AssertionError("a client sends no " + packet.type());
      }
    }

    private void configured(long id, Urb done, byte value) {
      info();
      send(
          PacketType.CONFIGURATION_STATUS, id, PacketWriter.header(2).put(status(done)).put(value));
    }

    private void selected(long id, Urb done, byte number, byte alternate) {
      info();
      send(
          PacketType.ALT_SETTING_STATUS,
          id,
          PacketWriter.header(3).put(status(done)).put(number).put(alternate));
    }

    private void control(long id, ByteBuffer body) {
      byte[] header = new byte[10];
      body.get(header);
      int length = (header[8] & 0xff) | (header[9] & 0xff) << 8;
      long setup = Byte.toUnsignedLong(header[2]) | Byte.toUnsignedLong(header[1]) << 8;
      for (int i = 4; i < 10; i++) {
        setup |= Byte.toUnsignedLong(header[i]) << (8 * (i - 2));
      }
      Urb urb = new Urb();
      urb.control(setup, data(length, body));
      run(
          id,
          urb,
          done ->
              send(
                  PacketType.CONTROL_PACKET,
                  id,
                  PacketWriter.header(10)
                      .put(header, 0, 3)
                      .put(status(done))
                      .put(header, 4, 4)
                      .putShort((short) done.actualBytes()),
                  came(done)));
    }

    private void bulk(long id, ByteBuffer body) {
      byte endpoint = body.get();
      body.get();
      int length = Short.toUnsignedInt(body.getShort());
      body.getInt();
      length |= Short.toUnsignedInt(body.getShort()) << 16;
      Urb urb = new Urb();
      urb.bulk(Byte.toUnsignedInt(endpoint), data(length, body), false);
      run(
          id,
          urb,
          done ->
              send(
                  PacketType.BULK_PACKET,
                  id,
                  PacketWriter.header(10)
                      .put(endpoint)
                      .put(status(done))
                      .putShort((short) done.actualBytes())
                      .putInt(0)
                      .putShort((short) (done.actualBytes() >> 16)),
                  came(done)));
    }

    private void interruptOut(long id, ByteBuffer body) {
      byte endpoint = body.get();
      body.get();
      int length = Short.toUnsignedInt(body.getShort());
      Urb urb = new Urb();
      urb.interrupt(endpoint, data(length, body), false, 0);
      run(
          id,
          urb,
          done ->
              send(
                  PacketType.INTERRUPT_PACKET,
                  id,
                  data(endpoint, status(done), done.actualBytes())));
    }

    private void run(long id, Urb urb, Consumer<Urb> answer) {
      running.put(id, urb);
      submit(
          urb,
          done -> {
            running.remove(id);
            if (done.status() == UrbStatus.NO_DEVICE) {
              announce(); // first, as libusbredirhost does: an answer has no word for it
            }
            answer.accept(done);
          });
    }

    private void poll(int endpoint, long number) {
      polled.putIfAbsent(endpoint, true);
      Urb urb = new Urb();
      urb.interrupt(endpoint, ByteBuffer.allocateDirect(64), false, 0);
      submit(
          urb,
          done -> {
            if (done.status() == UrbStatus.OK && polled.containsKey(endpoint)) {
              send(
                  PacketType.INTERRUPT_PACKET,
                  number,
                  data((byte) endpoint, (byte) 0, done.actualBytes()),
                  came(done));
              poll(endpoint, number + 1);
            }
          });
    }

    private void startStream(ByteBuffer body) {
      int endpoint = Byte.toUnsignedInt(body.get());
      int packets = body.get();
      int urbs = body.get();
      if ((endpoint & Urb.IN) == 0) {
        return;
      }
      polled.put(endpoint, true);
      for (int i = 0; i < urbs; i++) {
        stream(endpoint, packets);
      }
    }

    private void stream(int endpoint, int packets) {
      Urb urb = new Urb();
      urb.isochronous(endpoint, ByteBuffer.allocateDirect(packets * 192), 0);
      for (int i = 0; i < packets; i++) {
        urb.addPacket(i * 192, 192);
      }
      submit(
          urb,
          done -> {
            if (done.status() != UrbStatus.OK || !polled.containsKey(endpoint)) {
              return;
            }
            for (int i = 0; i < packets; i++) {
              int bytes = done.packetActualBytes(i);
              send(
                  PacketType.ISO_PACKET,
                  i,
                  data((byte) endpoint, (byte) 0, bytes),
                  done.data().slice(i * 192, bytes));
            }
            stream(endpoint, packets);
          });
    }

    private void isoOut(ByteBuffer body) {
      byte endpoint = body.get();
      body.get();
      int bytes = body.getShort();
      Urb urb = new Urb();
      urb.isochronous(endpoint, data(bytes, body), 0);
      urb.addPacket(0, bytes);
      submit(urb, done -> {});
    }
  }

  private static ByteBuffer data(byte endpoint, byte status, int bytes) {
    return PacketWriter.header(4).put(endpoint).put(status).putShort((short) bytes);
  }

  /** Room for so much, with what has come of it. */
  private static ByteBuffer data(int bytes, ByteBuffer body) {
    return ByteBuffer.allocateDirect(bytes).put(body).position(0);
  }

  private static ByteBuffer came(Urb done) {
    return done.data().slice(0, done.isIn() ? done.actualBytes() : 0);
  }

  private static byte status(Urb done) {
    return switch (done.status()) {
      case OK, SHORT -> 0;
      case CANCELLED -> 1;
      case INVALID -> 2;
      case STALL -> 4;
      case OVERFLOW -> 6;
      case MISSED_FRAME, NO_DEVICE, PROTOCOL -> 3;
    };
  }
}
