package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Descriptors.Endpoint;
import io.netchannel.device.usb.SuperSpeed;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import java.util.stream.LongStream;

/**
 * The device at a peer, from its connect packet to its disconnect packet: its URBs as packets, and
 * what has been set of it. What changes the device goes by packets of its own, which the peer
 * handles before anything else; it forgets what it has of the endpoints concerned, so those URBs
 * end here first.
 */
final class PeerDevice {
  /** Of what waits to be written; beyond it URBs wait where they are, uncopied. */
  private static final long MAX_WRITING_BYTES = 2 << 20;

  // The first two bytes of setup packets: bmRequestType and bRequest.
  private static final int GET_CONFIGURATION = 0x0880;
  private static final int SET_CONFIGURATION = 0x0900;
  private static final int GET_INTERFACE = 0x0a81;
  private static final int SET_INTERFACE = 0x0b01;
  private static final int CLEAR_ENDPOINT_FEATURE = 0x0102;
  private static final int ENDPOINT_HALT = 0;

  private final PacketWriter writer;
  private final Capabilities capabilities;
  private final LongSupplier nanoTime;
  private final RedirSession.Port port;
  private final UsbSpeed speed;
  private final boolean isSuperSpeed;
  private final Transfers transfers;
  private final Streams streams;

  /** URBs for which the writer has no room, or that another one holds back on their endpoint. */
  private final Deque<Pending> backlog = new ArrayDeque<>();

  private final Reading reading = new Reading();
  private Optional<String> failure = Optional.empty();

  /** Empty until it was read. */
  private Optional<PeerSettings> settings = Optional.empty();

  /**
   * Not read yet.
   *
   * @param isSuperSpeed shown at high speed, as the guest's port has no more
   */
  PeerDevice(
      PacketWriter writer,
      Capabilities capabilities,
      LongSupplier nanoTime,
      RedirSession.Port port,
      UsbSpeed speed,
      boolean isSuperSpeed) {
    this.writer = writer;
    this.capabilities = capabilities;
    this.nanoTime = nanoTime;
    this.port = port;
    this.speed = speed;
    this.isSuperSpeed = isSuperSpeed;
    transfers = new Transfers(writer);
    streams = new Streams(writer, nanoTime, speed);
  }

  /** Reads what it is. */
  void begin() {
    new DescriptorReading(reading).begin();
  }

  private final class Reading implements DescriptorReading.Owner {
    private boolean isOver;

    @Override
    public void send(Urb urb, Consumer<Urb> answered) {
      PeerDevice.this.send(
          new Pending(
              urb,
              done -> {
                if (!isOver) {
                  answered.accept(done);
                }
              }));
    }

    @Override
    public void read(Descriptors descriptors, Optional<String> serial, int configuration) {
      PeerSettings found = new PeerSettings(speed, descriptors, serial);
      found.configure(configuration);
      settings = Optional.of(found);
      port.isPlugged(found.plugged());
    }

    @Override
    public void failed(String why) {
      isOver = true;
      failure = Optional.of(why);
    }
  }

  /** Whether all of it was read. */
  boolean isKnown() {
    return settings.isPresent();
  }

  /** Why it cannot be used. */
  Optional<String> failure() {
    return failure;
  }

  /** Takes a URB, whose outcome is told within another call. */
  void submit(Pending pending) {
    backlog.add(pending);
    sendBacklog();
  }

  private void sendBacklog() {
    for (Optional<Pending> next = sendable(); next.isPresent(); next = sendable()) {
      backlog.remove(next.get());
      send(next.get());
    }
  }

  /** The first of those that are not held back, if there is room. */
  private Optional<Pending> sendable() {
    return writer.waitingBytes() < MAX_WRITING_BYTES
        ? backlog.stream().filter(each -> !transfers.stops(each.urb.endpoint())).findFirst()
        : Optional.empty();
  }

  /** The parts of a transfer of which one has ended early end as that, without data. */
  private void endRest(int endpoint, UrbStatus status) {
    List<Pending> rest =
        backlog.stream()
            .filter(each -> each.urb.endpoint() == endpoint)
            .takeWhile(each -> each.urb.stopsIfShort())
            .toList();
    backlog.removeAll(rest);
    rest.forEach(each -> each.end(status));
  }

  private void send(Pending pending) {
    Urb urb = pending.urb;
    if (urb.type() == UrbType.CONTROL) {
      sendControl(pending);
      return;
    }
    Optional<Endpoint> endpoint = settings.flatMap(found -> found.endpoint(urb.endpoint()));
    if (endpoint.isEmpty() || endpoint.get().type() != urb.type()) {
      pending.end(UrbStatus.INVALID);
      return;
    }
    switch (urb.type()) {
      case BULK -> sendBulk(pending);
      case INTERRUPT -> {
        if (urb.isIn()) {
          streams.receive(pending, endpoint.get());
        } else {
          sendInterrupt(pending);
        }
      }
      case ISOCHRONOUS -> {
        if (urb.isIn()) {
          streams.receive(pending, endpoint.get());
        } else {
          streams.play(pending, endpoint.get());
        }
      }
      case CONTROL -> throw new AssertionError("sent above");
    }
  }

  private void sendControl(Pending pending) {
    Urb urb = pending.urb;
    switch (urb.setupShort(0)) {
      case SET_CONFIGURATION -> {
        endIf(endpoint -> (endpoint & ~Urb.IN) != 0, UrbStatus.CANCELLED);
        add(
            PacketType.SET_CONFIGURATION,
            pending,
            PacketWriter.header(1).put((byte) urb.setupShort(2)));
      }
      case GET_CONFIGURATION -> add(PacketType.GET_CONFIGURATION, pending, PacketWriter.header(0));
      case SET_INTERFACE -> {
        int number = urb.setupShort(4);
        endIf(endpoint -> isOf(number, endpoint), UrbStatus.CANCELLED);
        add(
            PacketType.SET_ALT_SETTING,
            pending,
            PacketWriter.header(2).put((byte) number).put((byte) urb.setupShort(2)));
      }
      case GET_INTERFACE ->
          add(
              PacketType.GET_ALT_SETTING,
              pending,
              PacketWriter.header(1).put((byte) urb.setupShort(4)));
      default -> {
        ByteBuffer header =
            PacketWriter.header(10)
                .put((byte) urb.endpoint())
                .put((byte) urb.setupByte(1))
                .put((byte) urb.setupByte(0))
                .put((byte) 0)
                .putShort((short) urb.setupShort(2))
                .putShort((short) urb.setupShort(4))
                .putShort((short) Math.min(urb.setupShort(6), urb.dataBytes()));
        ByteBuffer data = urb.data().duplicate();
        data.limit(
            data.position() + (urb.isIn() ? 0 : Math.min(urb.setupShort(6), urb.dataBytes())));
        writer.add(PacketType.CONTROL_PACKET, transfers.add(pending), header, data);
      }
    }
  }

  private boolean isOf(int interfaceNumber, int endpoint) {
    return settings.map(found -> found.isOf(interfaceNumber, endpoint)).orElse(false);
  }

  private void add(PacketType type, Pending pending, ByteBuffer header) {
    writer.add(type, transfers.add(pending), header);
  }

  private void sendBulk(Pending pending) {
    Urb urb = pending.urb;
    int bytes = urb.dataBytes();
    if (bytes > capabilities.maxBulkBytes()) {
      pending.end(UrbStatus.INVALID); // a peer of before 2012
      return;
    }
    int headerBytes = capabilities.bulkHeaderBytes();
    ByteBuffer header =
        PacketWriter.header(headerBytes)
            .put((byte) urb.endpoint())
            .put((byte) 0)
            .putShort((short) bytes)
            .putInt(0);
    if (headerBytes > header.position()) {
      header.putShort((short) (bytes >>> 16));
    }
    writer.add(PacketType.BULK_PACKET, transfers.add(pending), header, outgoing(urb));
  }

  private void sendInterrupt(Pending pending) {
    Urb urb = pending.urb;
    writer.add(
        PacketType.INTERRUPT_PACKET,
        transfers.add(pending),
        PacketWriter.dataHeader(urb.endpoint(), urb.dataBytes()),
        outgoing(urb));
  }

  private static ByteBuffer outgoing(Urb urb) {
    ByteBuffer data = urb.data().duplicate();
    return urb.isIn() ? data.limit(data.position()) : data;
  }

  /** Unlinks one, which ends now or with the peer's answer; nothing when it is not here. */
  void unlink(Urb urb) {
    for (Pending each : backlog) {
      if (each.urb == urb) {
        backlog.remove(each);
        each.end(UrbStatus.CANCELLED);
        return;
      }
    }
    if (transfers.cancel(urb, nanoTime.getAsLong())) {
      return;
    }
    streams.unlink(urb);
  }

  /** Has the peer reset it. Nothing answers that; a device that is lost by it is disconnected. */
  void reset() {
    endIf(unused -> true, UrbStatus.CANCELLED);
    writer.add(PacketType.RESET, 0, PacketWriter.header(0));
    settings.ifPresent(PeerSettings::reset);
    changed();
  }

  /** It is not there any more. */
  void gone() {
    reading.isOver = true;
    endIf(unused -> true, UrbStatus.NO_DEVICE);
  }

  private void endIf(IntPredicate endpoints, UrbStatus status) {
    Deque<Pending> held = new ArrayDeque<>(backlog);
    backlog.clear();
    for (Pending each : held) {
      if (endpoints.test(each.urb.endpoint())) {
        each.end(status);
      } else {
        backlog.add(each);
      }
    }
    transfers.end(endpoints, status);
    streams.stop(endpoints, status);
  }

  private void changed() {
    settings.ifPresent(found -> port.isPlugged(found.plugged()));
  }

  OptionalLong nextNanos() {
    return LongStream.concat(transfers.nextNanos().stream(), streams.nextNanos().stream()).min();
  }

  void tick() throws RedirException {
    sendBacklog();
    long now = nanoTime.getAsLong();
    transfers.tick(now);
    streams.tick(now);
  }

  /** A packet for it has come. */
  void received(Packet packet) throws RedirException {
    switch (packet.type()) {
      case CONFIGURATION_STATUS -> configurationStatus(packet);
      case ALT_SETTING_STATUS -> alternateStatus(packet);
      case ISO_STREAM_STATUS, INTERRUPT_RECEIVING_STATUS -> streamStatus(packet);
      case CONTROL_PACKET -> controlAnswer(packet);
      case BULK_PACKET -> bulkAnswer(packet);
      case ISO_PACKET, INTERRUPT_PACKET -> dataPacket(packet);
      default -> throw new AssertionError(packet.type() + " is the session's");
    }
  }

  private void configurationStatus(Packet packet) throws RedirException {
    ByteBuffer body = packet.exactly(2);
    UrbStatus status = status(body.get());
    byte value = body.get();
    Optional<Pending> pending = transfers.answered(packet.id());
    if (pending.isEmpty()) {
      return;
    }
    boolean isSet = pending.get().urb.setupShort(0) == SET_CONFIGURATION;
    if (isSet && status == UrbStatus.OK) {
      settings.ifPresent(found -> found.configure(Byte.toUnsignedInt(value)));
      changed();
    }
    completeSetting(pending.get(), status, value);
  }

  private void alternateStatus(Packet packet) throws RedirException {
    ByteBuffer body = packet.exactly(3);
    UrbStatus status = status(body.get());
    int number = Byte.toUnsignedInt(body.get());
    byte value = body.get();
    Optional<Pending> pending = transfers.answered(packet.id());
    if (pending.isEmpty()) {
      return;
    }
    boolean isSet = pending.get().urb.setupShort(0) == SET_INTERFACE;
    if (isSet
        && status == UrbStatus.OK
        && settings.map(found -> found.select(number, Byte.toUnsignedInt(value))).orElse(false)) {
      changed();
    }
    completeSetting(pending.get(), status, value);
  }

  private static void completeSetting(Pending pending, UrbStatus status, byte value) {
    Urb urb = pending.urb;
    boolean hasData = urb.isIn() && urb.dataBytes() > 0 && status == UrbStatus.OK;
    if (hasData) {
      urb.data().put(urb.data().position(), value);
    }
    pending.complete(status, hasData ? 1 : 0);
  }

  private void controlAnswer(Packet packet) throws RedirException {
    ByteBuffer body = packet.header(10);
    body.position(3);
    UrbStatus status = status(body.get());
    body.position(8);
    int bytes = Short.toUnsignedInt(body.getShort());
    Optional<Pending> pending = transfers.answered(packet, bytes);
    if (pending.isEmpty()) {
      return;
    }
    Urb urb = pending.get().urb;
    if (status == UrbStatus.OK
        && urb.setupShort(0) == CLEAR_ENDPOINT_FEATURE
        && urb.setupShort(2) == ENDPOINT_HALT
        && settings.map(found -> found.clearHalt(urb.setupShort(4))).orElse(false)) {
      changed();
    }
    if (isSuperSpeed) {
      SuperSpeed.atHighSpeed(urb, body);
    }
    pending.get().complete(status, bytes, body);
  }

  private void bulkAnswer(Packet packet) throws RedirException {
    ByteBuffer body = packet.header(capabilities.bulkHeaderBytes());
    body.position(1);
    UrbStatus status = status(body.get());
    long bytes = Short.toUnsignedLong(body.getShort());
    body.position(8);
    if (capabilities.bulkHeaderBytes() > 8) {
      bytes |= Short.toUnsignedLong(body.getShort()) << 16;
    }
    answer(packet, status, bytes);
  }

  private void dataPacket(Packet packet) throws RedirException {
    ByteBuffer body = packet.header(4);
    int endpoint = Byte.toUnsignedInt(body.get());
    UrbStatus status = status(body.get());
    int bytes = Short.toUnsignedInt(body.getShort());
    if ((endpoint & Urb.IN) == 0) {
      answer(packet, status, bytes);
      return;
    }
    packet.checkData(bytes);
    if (streams.packet(endpoint, status, body)) {
      port.lost(endpoint);
    }
  }

  private void answer(Packet packet, UrbStatus status, long bytes) throws RedirException {
    Optional<Pending> pending = transfers.answered(packet, bytes);
    if (pending.isEmpty()) {
      return;
    }
    Urb urb = pending.get().urb;
    int endpoint = urb.endpoint();
    if (status == UrbStatus.STALL && settings.map(found -> found.halt(endpoint)).orElse(false)) {
      changed();
    }
    boolean isShort = status == UrbStatus.OK && bytes < urb.dataBytes();
    boolean isEarly = isShort || (status != UrbStatus.OK && status != UrbStatus.CANCELLED);
    boolean stops = urb.stopsIfShort() && isEarly;
    pending.get().complete(status, (int) bytes, packet.body());
    if (stops) {
      endRest(endpoint, isShort ? UrbStatus.SHORT : status);
    }
  }

  private void streamStatus(Packet packet) throws RedirException {
    ByteBuffer body = packet.exactly(2);
    UrbStatus status = status(body.get());
    int endpoint = Byte.toUnsignedInt(body.get());
    if (status != UrbStatus.OK) {
      streams.stop(each -> each == endpoint, status);
    }
  }

  private static UrbStatus status(byte number) {
    return switch (number) {
      case 0 -> UrbStatus.OK;
      case 1 -> UrbStatus.CANCELLED;
      case 2 -> UrbStatus.INVALID;
      case 4 -> UrbStatus.STALL;
      case 6 -> UrbStatus.OVERFLOW;
      default -> UrbStatus.PROTOCOL; // an I/O error, a timeout, and what a newer peer knows
    };
  }
}
