package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * One connection to a peer (usbredir, docs/usb-redirection-protocol.md, version 0.7), where this
 * host is the "usb-guest": what packets mean, without any I/O. See the package for its states.
 *
 * <p>For one thread.
 */
final class RedirSession {
  /** From the connection to the peer's hello, and from a device to all that is known of it. */
  private static final long GREETING_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static final int VERSION_BYTES = 64;
  private static final int INTERFACE_INFO_BYTES = 132;
  private static final int SUPER_SPEED = 3;

  /** Told of what is at the peer's port. */
  interface Port {
    /** A device is there, or what is set of it has changed. */
    void isPlugged(PortState.Plugged plugged);

    /** It has gone, and all its URBs have ended. */
    void unplugged();

    /** A packet was lost, as nobody has asked for it in time. */
    void lost(int endpoint);
  }

  private final PacketWriter writer;
  private final Runnable wideIds;
  private final LongSupplier nanoTime;
  private final Port port;

  private boolean greeted;
  private Capabilities capabilities = Capabilities.NONE;
  private Optional<PeerDevice> device = Optional.empty();

  /** When the peer has to have greeted, or its device to have been read. */
  private long boundNanos;

  /**
   * Begins with this host's hello.
   *
   * @param wideIds run when the reader has to take ids of 64 bits from the next packet on
   */
  RedirSession(PacketWriter writer, Runnable wideIds, LongSupplier nanoTime, Port port) {
    this.writer = writer;
    this.wideIds = wideIds;
    this.nanoTime = nanoTime;
    this.port = port;
    boundNanos = nanoTime.getAsLong() + GREETING_NANOS;
    ByteBuffer hello = PacketWriter.header(VERSION_BYTES + Integer.BYTES);
    hello.put("netchannel".getBytes(StandardCharsets.US_ASCII)).position(VERSION_BYTES);
    writer.add(PacketType.HELLO, 0, hello.putInt(Capabilities.OURS.bits()));
  }

  /** The device that is there and is known; empty also while it is being read. */
  Optional<PeerDevice> device() {
    return device.filter(PeerDevice::isKnown);
  }

  /** A packet has come. */
  void received(Packet packet) throws RedirException {
    if (greeted == (packet.type() == PacketType.HELLO)) {
      throw new RedirException(
          "expected one hello, and that first, found a %s packet".formatted(packet.type()));
    }
    switch (packet.type()) {
      case HELLO -> hello(packet);
      case DEVICE_CONNECT -> connect(packet);
      case DEVICE_DISCONNECT -> disconnect(packet);
      case INTERFACE_INFO -> {
        var unused = packet.exactly(INTERFACE_INFO_BYTES);
      }
      case EP_INFO -> {
        var unused = packet.exactly(capabilities.endpointInfoBytes());
      }
      case CONFIGURATION_STATUS,
          ALT_SETTING_STATUS,
          ISO_STREAM_STATUS,
          INTERRUPT_RECEIVING_STATUS,
          CONTROL_PACKET,
          BULK_PACKET,
          ISO_PACKET,
          INTERRUPT_PACKET -> {
        // For one that has just gone it may be late.
        if (device.isPresent()) {
          device.get().received(packet);
        }
      }
      case FILTER_REJECT, FILTER_FILTER -> {
        // Not asked for: whoever sends it all the same has no harm of it.
      }
      case RESET,
          SET_CONFIGURATION,
          GET_CONFIGURATION,
          SET_ALT_SETTING,
          GET_ALT_SETTING,
          START_ISO_STREAM,
          STOP_ISO_STREAM,
          START_INTERRUPT_RECEIVING,
          STOP_INTERRUPT_RECEIVING,
          CANCEL_DATA_PACKET,
          DEVICE_DISCONNECT_ACK ->
          throw new RedirException(
              "expected one that has a USB device, found one that wants to use it: a %s packet"
                  .formatted(packet.type()));
    }
    if (device.isPresent() && device.get().failure().isPresent()) {
      throw new RedirException(device.get().failure().get());
    }
  }

  private void hello(Packet packet) throws RedirException {
    ByteBuffer body = packet.header(VERSION_BYTES);
    body.position(VERSION_BYTES);
    capabilities = Capabilities.OURS.and(body.remaining() < Integer.BYTES ? 0 : body.getInt());
    if (capabilities.wideIds()) {
      wideIds.run();
      writer.useWideIds();
    }
    greeted = true;
  }

  private void connect(Packet packet) throws RedirException {
    if (device.isPresent()) {
      throw new RedirException("expected the end of a device before another, found two devices");
    }
    int number = packet.exactly(capabilities.connectBytes()).get();
    UsbSpeed speed = number == 0 ? UsbSpeed.LOW : number == 1 ? UsbSpeed.FULL : UsbSpeed.HIGH;
    boundNanos = nanoTime.getAsLong() + GREETING_NANOS;
    PeerDevice found =
        new PeerDevice(writer, capabilities, nanoTime, port, speed, number == SUPER_SPEED);
    device = Optional.of(found);
    found.begin();
  }

  private void disconnect(Packet packet) throws RedirException {
    var unused = packet.exactly(0);
    end();
    if (capabilities.acknowledgesDisconnect()) {
      writer.add(PacketType.DEVICE_DISCONNECT_ACK, 0, PacketWriter.header(0));
    }
  }

  /** The device has gone, or the connection has; all URBs end with NO_DEVICE. */
  void end() {
    Optional<PeerDevice> gone = device;
    device = Optional.empty();
    gone.ifPresent(PeerDevice::gone);
    if (gone.isPresent() && gone.get().isKnown()) {
      port.unplugged();
    }
  }

  private boolean isBounded() {
    return !greeted || (device.isPresent() && !device.get().isKnown());
  }

  /** When {@link #tick} has something to do; empty for never. */
  OptionalLong nextNanos() {
    if (isBounded()) {
      return OptionalLong.of(boundNanos);
    }
    return device.map(PeerDevice::nextNanos).orElse(OptionalLong.empty());
  }

  /** Does what is due by the clock, and what waits for room in the writer. */
  void tick() throws RedirException {
    if (isBounded() && nanoTime.getAsLong() - boundNanos >= 0) {
      throw new RedirException(
          "expected %s within %d s, found none"
              .formatted(
                  greeted ? "the descriptors of a device" : "a hello of the usbredir protocol",
                  TimeUnit.NANOSECONDS.toSeconds(GREETING_NANOS)));
    }
    if (device.isPresent()) {
      device.get().tick();
    }
  }
}
