package io.netchannel.device.usb.redir;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import io.netchannel.device.usb.Descriptors.Endpoint;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;

/** The endpoints that the peer polls, or plays, by itself: isochronous ones and interrupt IN. */
final class Streams {
  /** So long the peer is to buffer an isochronous stream, in URBs of so long each. */
  private static final long BUFFER_NANOS = TimeUnit.MILLISECONDS.toNanos(60);

  private static final long URB_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
  private static final int MAX_PACKETS = 32;
  private static final int MAX_URBS = 16;

  private final PacketWriter writer;
  private final LongSupplier nanoTime;
  private final UsbSpeed speed;

  /** By endpoint, while the peer polls it. */
  private final Map<Integer, InStream> in = new HashMap<>();

  private final Map<Integer, IsoOutStream> out = new HashMap<>();

  Streams(PacketWriter writer, LongSupplier nanoTime, UsbSpeed speed) {
    this.writer = writer;
    this.nanoTime = nanoTime;
    this.speed = speed;
  }

  /** Gives a URB the next that comes; the first one starts it. */
  void receive(Pending pending, Endpoint endpoint) {
    in.computeIfAbsent(endpoint.address(), unused -> poll(endpoint)).submit(pending);
  }

  private InStream poll(Endpoint endpoint) {
    if (endpoint.type() == UrbType.ISOCHRONOUS) {
      start(endpoint);
    } else {
      writer.add(
          PacketType.START_INTERRUPT_RECEIVING,
          0,
          PacketWriter.header(1).put((byte) endpoint.address()));
    }
    return new InStream(endpoint);
  }

  /** Sends the packets of a URB. */
  void play(Pending pending, Endpoint endpoint) {
    Urb urb = pending.urb;
    IsoOutStream stream = out.computeIfAbsent(endpoint.address(), unused -> begin(endpoint));
    for (int i = 0; i < urb.packets(); i++) {
      int bytes = urb.packetBytes(i);
      ByteBuffer data = urb.data().slice(urb.data().position() + urb.packetOffset(i), bytes);
      writer.add(
          PacketType.ISO_PACKET, 0, PacketWriter.dataHeader(endpoint.address(), bytes), data);
      urb.packetDone(i, bytes, UrbStatus.OK);
      pending.movedBytes += bytes;
    }
    stream.sent(pending, nanoTime.getAsLong());
  }

  private IsoOutStream begin(Endpoint endpoint) {
    start(endpoint);
    return new IsoOutStream(endpoint.isochronousNanos(speed), nanoTime.getAsLong());
  }

  /** An OUT stream's peer begins when half of its buffer is full: that has to be twice as large. */
  private void start(Endpoint endpoint) {
    long period = endpoint.isochronousNanos(speed);
    long packets = Math.min(Math.max(URB_NANOS / period, 1), MAX_PACKETS);
    long buffered = BUFFER_NANOS / period * ((endpoint.address() & Urb.IN) != 0 ? 1 : 2);
    long urbs = Math.min(Math.max((buffered + packets - 1) / packets, 2), MAX_URBS);
    writer.add(
        PacketType.START_ISO_STREAM,
        0,
        PacketWriter.header(3).put((byte) endpoint.address()).put((byte) packets).put((byte) urbs));
  }

  /** As {@link InStream#packet}; nothing where it was under way when the stream was stopped. */
  boolean packet(int endpoint, UrbStatus status, ByteBuffer data) {
    InStream stream = in.get(endpoint);
    return stream != null && stream.packet(status, data);
  }

  /** Those of some endpoints are polled or played no more, as the peer knows. */
  void stop(IntPredicate endpoints, UrbStatus status) {
    for (int endpoint : ImmutableSet.copyOf(Sets.union(in.keySet(), out.keySet()))) {
      if (endpoints.test(endpoint)) {
        Optional.ofNullable(in.remove(endpoint)).ifPresent(stream -> stream.stop(status));
        Optional.ofNullable(out.remove(endpoint)).ifPresent(stream -> stream.stop(status));
      }
    }
  }

  /** As {@link InStream#unlink}. */
  void unlink(Urb urb) {
    InStream received = in.get(urb.endpoint());
    IsoOutStream played = out.get(urb.endpoint());
    if (received != null) {
      received.unlink(urb);
    } else if (played != null) {
      played.unlink(urb);
    }
  }

  OptionalLong nextNanos() {
    return out.values().stream()
        .map(IsoOutStream::nextNanos)
        .flatMapToLong(OptionalLong::stream)
        .min();
  }

  void tick(long nowNanos) {
    out.values().forEach(stream -> stream.tick(nowNanos));
  }
}
