package io.netchannel.device.usb.redir;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.VirtualTime;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** A peer whose packets a test writes, by hand, and a session with it, without any network. */
final class ScriptedPeer implements RedirSession.Port {
  /** 1209:0002, a configuration with value 1 and one interface; setting 1 has an iso IN as well. */
  static final String DEVICE = "12010002ff00004009120200000100000001";

  static final String CONFIGURATION =
      "09024500010100c000"
          + "0904000004ff000000"
          + "07058102000200"
          + "07050102000200"
          + "07058203080001"
          + "07050203080001"
          + "0904000102ff000000"
          + "07058301400001"
          + "07050301400001";

  final VirtualTime time = new VirtualTime();
  final List<String> told = new ArrayList<>();
  Optional<PortState.Plugged> plugged = Optional.empty();
  private final PacketWriter ofSession = new PacketWriter();
  private final PacketReader toSession = new PacketReader();
  private final PacketReader toPeer = new PacketReader();
  private ByteBuffer sent = ByteBuffer.allocate(0);
  private final PacketWriter ofPeer = new PacketWriter();
  final RedirSession session =
      new RedirSession(ofSession, toSession::useWideIds, time::nanoTime, this);

  @Override
  public void isPlugged(PortState.Plugged newPlugged) {
    if (plugged.isEmpty()) {
      told.add("plugged");
    }
    plugged = Optional.of(newPlugged);
  }

  @Override
  public void unplugged() {
    told.add("unplugged");
    plugged = Optional.empty();
  }

  @Override
  public void lost(int endpoint) {
    told.add("lost");
  }

  static ByteBuffer bytes(String hex) {
    return ByteBuffer.wrap(HexFormat.of().parseHex(hex.replace(" ", "")))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Sends a packet to the session, through bytes. */
  void send(PacketType type, long id, String hex) throws RedirException {
    ByteBuffer body = bytes(hex);
    ofPeer.add(type, id, body.position(body.limit()));
    send(written(ofPeer));
  }

  void send(byte[] bytes) throws RedirException {
    toSession.room().put(bytes);
    Optional<Packet> next = toSession.next();
    while (next.isPresent()) {
      session.received(next.get());
      next = toSession.next();
    }
  }

  /** The next packet that the session has sent, as "TYPE id body"; empty when there is none. */
  String next() {
    if (!sent.hasRemaining()) {
      sent = ByteBuffer.wrap(written(ofSession));
    }
    try {
      Optional<Packet> packet = toPeer.next();
      while (packet.isEmpty() && sent.hasRemaining()) {
        ByteBuffer room = toPeer.room();
        int bytes = Math.min(room.remaining(), sent.remaining());
        room.put(sent.slice(sent.position(), bytes));
        sent.position(sent.position() + bytes);
        packet = toPeer.next();
      }
      return packet.map(ScriptedPeer::text).orElse("");
    } catch (RedirException e) {
      throw new AssertionError(e);
    }
  }

  private static String text(Packet packet) {
    byte[] body = new byte[packet.body().remaining()];
    packet.body().get(body);
    return (packet.type() + " " + packet.id() + " " + HexFormat.of().formatHex(body)).strip();
  }

  private static byte[] written(PacketWriter writer) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (WritableByteChannel channel = Channels.newChannel(bytes)) {
      writer.writeTo(channel);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  /** Hello of both, with all capabilities of this product. */
  void greet() throws RedirException {
    greet("7a000000");
  }

  void greet(String capabilities) throws RedirException {
    assertThat(next()).isEqualTo("HELLO 0 6e65746368616e6e656c" + "00".repeat(54) + "7a000000");
    send(PacketType.HELLO, 0, "41".repeat(64) + capabilities);
    if (capabilities.equals("7a000000")) {
      toPeer.useWideIds();
      ofPeer.useWideIds();
    }
  }

  /** A device comes, at high speed, and is read. */
  void connect() throws RedirException {
    send(PacketType.EP_INFO, 0, "00".repeat(160));
    send(PacketType.INTERFACE_INFO, 0, "00".repeat(132));
    send(PacketType.DEVICE_CONNECT, 0, "02 ff 00 00 0912 0200 0001");
    control("8006000100001200", DEVICE);
    control("8006000200000900", CONFIGURATION.substring(0, 18));
    control("8006000200004500", CONFIGURATION);
    String asked = next();
    assertThat(asked).startsWith("GET_CONFIGURATION ");
    send(PacketType.CONFIGURATION_STATUS, id(asked), "00 01");
    assertThat(told).contains("plugged");
  }

  /** Answers the request that has come, which has to be this one. */
  private void control(String setup, String answer) throws RedirException {
    String asked = next();
    String packet =
        "80" + setup.substring(2, 4) + setup.substring(0, 2) + "00" + setup.substring(4);
    assertThat(asked).startsWith("CONTROL_PACKET ").endsWith(" " + packet);
    send(
        PacketType.CONTROL_PACKET,
        id(asked),
        packet.substring(0, 16) + "%02x00".formatted(answer.length() / 2) + answer);
  }

  static long id(String packet) {
    return Long.parseLong(packet.split(" ", 3)[1]);
  }

  /** Submits it, outside of which its completion has to be. */
  Transfer submit(Transfer transfer) {
    session.device().orElseThrow().submit(new Pending(transfer.urb, urb -> transfer.completed()));
    return transfer;
  }
}
