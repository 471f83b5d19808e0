package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;

/**
 * What the peer answers by its number: control, bulk and interrupt OUT transfers, and what sets or
 * asks for configuration and alternate settings.
 */
final class Transfers {
  /** How long the peer may take to answer what was cancelled; it has only to say so. */
  private static final long CANCEL_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final PacketWriter writer;
  private final Map<Long, Pending> outstanding = new LinkedHashMap<>();
  private long lastId;

  Transfers(PacketWriter writer) {
    this.writer = writer;
  }

  /** A number for one that is about to be sent. */
  long add(Pending pending) {
    outstanding.put(++lastId, pending);
    return lastId;
  }

  /** Whether one that is outstanding may leave what comes next to none of those behind it. */
  boolean stops(int endpoint) {
    return outstanding.values().stream()
        .anyMatch(each -> each.urb.endpoint() == endpoint && each.urb.stopsIfShort());
  }

  /**
   * The one that an answer without data is for; it is outstanding no more.
   *
   * @return empty when there is none such any more
   */
  Optional<Pending> answered(long id) {
    return Optional.ofNullable(outstanding.remove(id));
  }

  /**
   * The one that an answer is for, of which the header has been read.
   *
   * @param bytes that were moved, as the header says
   * @return as {@link #answered(long)}
   * @throws RedirException when there is not as much data as there has to be; it is outstanding
   *     still then
   */
  Optional<Pending> answered(Packet packet, long bytes) throws RedirException {
    Pending pending = outstanding.get(packet.id());
    if (pending == null) {
      return Optional.empty();
    }
    packet.checkData(pending.urb.isIn() ? bytes : 0);
    if (bytes > pending.urb.dataBytes()) {
      throw new RedirException(
          "expected at most the %d bytes that were asked for, found %d"
              .formatted(pending.urb.dataBytes(), bytes));
    }
    return answered(packet.id());
  }

  /**
   * Asks the peer to cancel one, which it has to answer.
   *
   * @return false when that is not outstanding
   */
  boolean cancel(Urb urb, long nowNanos) {
    for (Map.Entry<Long, Pending> each : outstanding.entrySet()) {
      if (each.getValue().urb == urb) {
        if (each.getValue().cancelNanos == 0) {
          each.getValue().cancelNanos = nowNanos + CANCEL_NANOS;
          writer.add(PacketType.CANCEL_DATA_PACKET, each.getKey(), PacketWriter.header(0));
        }
        return true;
      }
    }
    return false;
  }

  /** Ends those on some endpoints, whatever the peer may still answer. */
  void end(IntPredicate endpoints, UrbStatus status) {
    List<Pending> ended = new ArrayList<>();
    outstanding
        .values()
        .removeIf(
            each -> {
              boolean ends = endpoints.test(each.urb.endpoint());
              if (ends) {
                ended.add(each);
              }
              return ends;
            });
    ended.forEach(each -> each.end(status));
  }

  /** When the peer is late with an answer to what was cancelled. */
  OptionalLong nextNanos() {
    return outstanding.values().stream()
        .filter(each -> each.cancelNanos != 0)
        .mapToLong(each -> each.cancelNanos)
        .findFirst();
  }

  void tick(long nowNanos) throws RedirException {
    OptionalLong next = nextNanos();
    if (next.isPresent() && nowNanos - next.getAsLong() >= 0) {
      throw new RedirException(
          "expected an answer to a cancelled transfer within %d s, found none"
              .formatted(TimeUnit.NANOSECONDS.toSeconds(CANCEL_NANOS)));
    }
  }
}
