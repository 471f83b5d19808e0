package io.netchannel.midpoint.usb;

import static com.google.common.base.Preconditions.checkArgument;
import static java.nio.charset.StandardCharsets.US_ASCII;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.ImmutableSortedSet;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.ManifestHead;
import io.netchannel.midpoint.usb.UsbManifest.Kind;
import io.netchannel.midpoint.usb.UsbManifest.Settings;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;
import io.netchannel.vdevice.usb.PortMemory;
import io.netchannel.vdevice.usb.RingMark;
import io.netchannel.vdevice.usb.UrbRequest;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * The manifest of a USB port as bytes, big-endian, between the head and the checksum that all
 * manifests have ({@link ManifestHead}).
 *
 * <pre>
 *   head: kind 2  flags 1 resumes, 2 mark, 4 device
 *   gfn (8)  request consumer (4)  response producer (4)     all 0 without mark
 *   incomplete (4)  unanswered (1)  address (1)  speed (1)  configuration (1)
 *   alternates (2)  halted (1)  length of told (1)           no settings without device
 *   per alternate: interface (1)  setting (1)
 *   per halted endpoint: address (1)
 *   told (ASCII)
 *   per unanswered: sequence (8)  generation (8)  length bytes (4)  actual bytes (4)
 *                   id (2)  kind (1)  endpoint (1)  outcome (1)  0 (3)
 * </pre>
 *
 * The peer is authenticated, but a manifest decides what is read of a guest's memory and what the
 * guest is told: every field is checked before it is used.
 */
final class UsbManifestCodec {
  static final byte KIND = 2;

  /** Of the body, before what there are several of. */
  private static final int FIXED_BYTES = 28;

  private static final int ENTRY_BYTES = 32;
  private static final byte RESUMES = 1;
  private static final byte MARK = 2;
  private static final byte DEVICE = 4;
  private static final byte NO_OUTCOME = 0;

  /** Of addresses (USB 2.0, 9.4.6). */
  private static final int MAX_ADDRESS = 127;

  /** Endpoints: 15 of each direction, and the control endpoint. */
  private static final int MAX_HALTED = 31;

  private static final int ENDPOINT_NUMBER = 0x0f;
  private static final int MAX_TOLD_BYTES = 128;
  private static final int MAX_ENTRIES = UsbMidPoint.LIMITS.maxPending();

  /** Frames of 4 KiB that x86 can address with 52 bits (Intel SDM, 4.1.4). */
  private static final long MAX_GFN = (1L << 40) - 1;

  private UsbManifestCodec() {}

  static Manifest.Encoded encode(UsbManifest manifest) {
    byte[] told = manifest.port().told().getBytes(US_ASCII);
    Optional<Settings> device = manifest.device();
    int alternates = device.map(settings -> settings.alternates().size()).orElse(0);
    int halted = device.map(settings -> settings.halted().size()).orElse(0);
    long bodyBytes =
        FIXED_BYTES
            + 2L * alternates
            + halted
            + told.length
            + (long) ENTRY_BYTES * manifest.unanswered().size();
    ByteBuffer out = ManifestHead.begin(KIND, flags(manifest), manifest.generation(), bodyBytes);
    out.putLong(manifest.mark().map(RingMark::gfn).orElse(0L));
    out.putInt(manifest.mark().map(RingMark::requestConsumer).orElse(0));
    out.putInt(manifest.mark().map(RingMark::responseProducer).orElse(0));
    out.putInt(manifest.incomplete());
    out.put((byte) manifest.unanswered().size()).put((byte) manifest.port().address());
    out.put(device.map(settings -> (byte) settings.speed().number()).orElse((byte) 0));
    out.put(device.map(settings -> (byte) settings.configuration()).orElse((byte) 0));
    out.putShort((short) alternates).put((byte) halted).put((byte) told.length);
    device.ifPresent(settings -> putLists(out, settings));
    out.put(told);
    for (Unanswered entry : manifest.unanswered()) {
      out.putLong(entry.sequence()).putLong(entry.generation());
      out.putInt(entry.lengthBytes()).putInt(entry.actualBytes());
      out.putShort((short) entry.id()).put(kindCode(entry.kind())).put((byte) entry.endpoint());
      out.put(entry.outcome().map(UsbManifestCodec::outcomeCode).orElse(NO_OUTCOME));
      out.put((byte) 0).putShort((short) 0);
    }
    return ManifestHead.end(out);
  }

  private static byte flags(UsbManifest manifest) {
    int flags =
        (manifest.resumes() ? RESUMES : 0)
            | (manifest.mark().isPresent() ? MARK : 0)
            | (manifest.device().isPresent() ? DEVICE : 0);
    return (byte) flags;
  }

  private static void putLists(ByteBuffer out, Settings settings) {
    settings
        .alternates()
        .forEach((number, alternate) -> out.put(number.byteValue()).put(alternate.byteValue()));
    settings.halted().forEach(address -> out.put(address.byteValue()));
  }

  /**
   * @param verified somebody has compared the checksum of all of it already
   */
  static UsbManifest decode(ByteBuffer encoded, boolean verified) {
    ManifestHead head = ManifestHead.of(encoded, KIND, FIXED_BYTES, verified);
    ByteBuffer in = head.body();
    byte flags = head.flags();
    checkArgument(
        (flags & ~(RESUMES | MARK | DEVICE)) == 0, "manifest: there are no flags %s", flags);
    RingMark mark = new RingMark(in.getLong(), in.getInt(), in.getInt());
    int incomplete = in.getInt();
    int entries = Byte.toUnsignedInt(in.get());
    int address = Byte.toUnsignedInt(in.get());
    byte speed = in.get();
    int configuration = Byte.toUnsignedInt(in.get());
    int alternates = Short.toUnsignedInt(in.getShort());
    int halted = Byte.toUnsignedInt(in.get());
    int toldBytes = Byte.toUnsignedInt(in.get());
    boolean marked = (flags & MARK) != 0;
    checkArgument(
        marked ? mark.gfn() >= 0 && mark.gfn() <= MAX_GFN : mark.equals(new RingMark(0, 0, 0)),
        "manifest: %s a mark, found %s",
        marked ? "with" : "without",
        mark);
    checkArgument(
        entries <= MAX_ENTRIES && incomplete >= 0 && incomplete <= entries,
        "manifest: %s incomplete of %s unanswered requests; a port has at most %s",
        incomplete,
        entries,
        MAX_ENTRIES);
    checkArgument(
        address <= MAX_ADDRESS, "manifest: address %s, expected 0 to %s", address, MAX_ADDRESS);
    checkArgument(
        halted <= MAX_HALTED && toldBytes <= MAX_TOLD_BYTES,
        "manifest: %s halted endpoints, and %s bytes that were told; expected at most %s and %s",
        halted,
        toldBytes,
        MAX_HALTED,
        MAX_TOLD_BYTES);
    long rest = 2L * alternates + halted + toldBytes + (long) ENTRY_BYTES * entries;
    checkArgument(
        rest == in.remaining(), "manifest: expected %s bytes, found %s", rest, in.remaining());
    boolean plugged = (flags & DEVICE) != 0;
    checkArgument(
        plugged || (speed | configuration | alternates | halted) == 0,
        "manifest: settings of no device");
    Optional<Settings> device =
        plugged
            ? Optional.of(
                new Settings(
                    speed(speed), configuration, alternates(in, alternates), halted(in, halted)))
            : Optional.empty();
    return new UsbManifest(
        head.generation(),
        incomplete,
        (flags & RESUMES) != 0,
        new PortMemory(told(in, toldBytes), address),
        marked ? Optional.of(mark) : Optional.empty(),
        device,
        unanswered(in, entries));
  }

  private static UsbSpeed speed(byte number) {
    for (UsbSpeed speed : UsbSpeed.values()) {
      if (speed.number() == number) {
        return speed;
      }
    }
    throw new IllegalArgumentException("manifest: there is no speed " + number);
  }

  private static ImmutableSortedMap<Integer, Integer> alternates(ByteBuffer in, int count) {
    ImmutableSortedMap.Builder<Integer, Integer> found = ImmutableSortedMap.naturalOrder();
    int previous = -1;
    for (int i = 0; i < count; i++) {
      int number = Byte.toUnsignedInt(in.get());
      int alternate = Byte.toUnsignedInt(in.get());
      checkArgument(
          number > previous && alternate != 0,
          "manifest: alternate setting %s of interface %s after interface %s",
          alternate,
          number,
          previous);
      found.put(number, alternate);
      previous = number;
    }
    return found.buildOrThrow();
  }

  private static ImmutableSortedSet<Integer> halted(ByteBuffer in, int count) {
    ImmutableSortedSet.Builder<Integer> found = ImmutableSortedSet.naturalOrder();
    int previous = -1;
    for (int i = 0; i < count; i++) {
      int address = Byte.toUnsignedInt(in.get());
      checkArgument(
          address > previous && isEndpoint(address),
          "manifest: endpoint %s is halted after %s",
          address,
          previous);
      found.add(address);
      previous = address;
    }
    return found.build();
  }

  private static String told(ByteBuffer in, int length) {
    byte[] bytes = new byte[length];
    in.get(bytes);
    for (byte each : bytes) {
      checkArgument(each > ' ' && each < 0x7f, "manifest: what was told has the byte %s", each);
    }
    return new String(bytes, US_ASCII);
  }

  private static ImmutableList<Unanswered> unanswered(ByteBuffer in, int count) {
    ImmutableList.Builder<Unanswered> found = ImmutableList.builder();
    long previous = Long.MIN_VALUE;
    for (int i = 0; i < count; i++) {
      Unanswered entry = entry(in, i);
      checkArgument(
          i == 0 || entry.sequence() > previous,
          "manifest: entry %s has sequence %s after %s; expected rising ones",
          i,
          entry.sequence(),
          previous);
      previous = entry.sequence();
      found.add(entry);
    }
    return found.build();
  }

  private static Unanswered entry(ByteBuffer in, int index) {
    long sequence = in.getLong();
    long generation = in.getLong();
    int lengthBytes = in.getInt();
    int actualBytes = in.getInt();
    int id = Short.toUnsignedInt(in.getShort());
    Kind kind = kind(in.get(), index);
    int endpoint = Byte.toUnsignedInt(in.get());
    Optional<UrbStatus> outcome = outcome(in.get(), index);
    int reserved = in.get() | in.getShort();
    checkArgument(reserved == 0, "manifest: entry %s ends with %s, expected 0", index, reserved);
    checkArgument(
        lengthBytes >= 0
            && lengthBytes <= UrbRequest.MAX_DATA_BYTES
            && actualBytes >= 0
            && actualBytes <= (outcome.isPresent() ? lengthBytes : 0),
        "manifest: entry %s moved %s of %s bytes",
        index,
        actualBytes,
        lengthBytes);
    checkArgument(
        isEndpoint(endpoint), "manifest: entry %s: there is no endpoint %s", index, endpoint);
    return new Unanswered(
        sequence, generation, id, kind, endpoint, lengthBytes, outcome, actualBytes);
  }

  static boolean isEndpoint(int address) {
    return (address & ~(Urb.IN | ENDPOINT_NUMBER)) == 0;
  }

  private static Kind kind(byte code, int index) {
    for (Kind kind : Kind.values()) {
      if (kindCode(kind) == code) {
        return kind;
      }
    }
    throw new IllegalArgumentException(
        "manifest: entry %d: there is no kind %d".formatted(index, code));
  }

  private static Optional<UrbStatus> outcome(byte code, int index) {
    if (code == NO_OUTCOME) {
      return Optional.empty();
    }
    for (UrbStatus status : UrbStatus.values()) {
      if (outcomeCode(status) == code) {
        return Optional.of(status);
      }
    }
    throw new IllegalArgumentException(
        "manifest: entry %d: there is no outcome %d".formatted(index, code));
  }

  /** Numbers on the wire, written out: the order in the enum may change, these may not. */
  private static byte kindCode(Kind kind) {
    return switch (kind) {
      case CONTROL -> 0;
      case BULK -> 1;
      case INTERRUPT -> 2;
      case ISOCHRONOUS -> 3;
      case UNLINK -> 4;
      case SET_ADDRESS -> 5;
    };
  }

  private static byte outcomeCode(UrbStatus status) {
    return switch (status) {
      case OK -> 1;
      case MISSED_FRAME -> 2;
      case NO_DEVICE -> 3;
      case INVALID -> 4;
      case STALL -> 5;
      case PROTOCOL -> 6;
      case OVERFLOW -> 7;
      case CANCELLED -> 8;
      case SHORT -> 9;
    };
  }
}
