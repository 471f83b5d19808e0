package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * One target per parser, for any fuzzer: whatever the bytes are, a parser either refuses them with
 * a {@link WireException} or has understood them, and then encodes them again as they were.
 */
public final class WireFuzz {
  /** Small, so that short inputs reach the limits. */
  private static final int MAX_PAYLOAD_BYTES = 8192;

  static final long ZEROS_OFFSET_BYTES = 4096;
  static final long ZEROS_LENGTH_BYTES = 1 << 20;

  private WireFuzz() {}

  /** As Jazzer calls a target; it takes one from each class. */
  public static final class Frames {
    private Frames() {}

    public static void fuzzerTestOneInput(byte[] input) {
      frames(input);
    }
  }

  /** See {@link Frames}. */
  public static final class AttachPayload {
    private AttachPayload() {}

    public static void fuzzerTestOneInput(byte[] input) {
      attach(input);
    }
  }

  /** See {@link Frames}. */
  public static final class AttachedPayload {
    private AttachedPayload() {}

    public static void fuzzerTestOneInput(byte[] input) {
      attached(input);
    }
  }

  /** See {@link Frames}. */
  public static final class AttachedUsbPayload {
    private AttachedUsbPayload() {}

    public static void fuzzerTestOneInput(byte[] input) {
      attachedUsb(input);
    }
  }

  /** See {@link Frames}. */
  public static final class ZeroRunsPayload {
    private ZeroRunsPayload() {}

    public static void fuzzerTestOneInput(byte[] input) {
      zeroRuns(input);
    }
  }

  /** See {@link Frames}. */
  public static final class MovedPayload {
    private MovedPayload() {}

    public static void fuzzerTestOneInput(byte[] input) {
      moved(input);
    }
  }

  /** A whole connection: the first byte says in which pieces the rest arrives. */
  public static void frames(byte[] input) {
    if (input.length == 0) {
      return;
    }
    Collector collector = new Collector();
    FrameReader reader = new FrameReader(collector);
    collector.reader = reader;
    int piece = 1 + (input[0] & 0xff);
    try {
      for (int at = 1; at < input.length; at += piece) {
        reader.read(Unpooled.wrappedBuffer(input, at, Math.min(piece, input.length - at)));
      }
    } catch (WireException refused) {
      expectWords(refused);
    }
    byte[] understood = ByteBufUtil.getBytes(collector.again);
    if (!Arrays.equals(understood, Arrays.copyOfRange(input, 1, 1 + understood.length))) {
      throw new AssertionError("what was understood is not what was there");
    }
  }

  public static void attach(byte[] input) {
    ByteBuf again = Unpooled.buffer();
    try {
      Attach attach = Attach.decode(Unpooled.wrappedBuffer(input));
      if (attach.encodedBytes() != input.length) {
        throw new AssertionError(attach + " is said to have " + attach.encodedBytes() + " bytes");
      }
      attach.encode(again);
    } catch (WireException refused) {
      expectWords(refused);
      return;
    }
    expectSame(input, again);
  }

  public static void attached(byte[] input) {
    attached(input, ExportKind.DISK);
  }

  /** What is told of a USB device. */
  public static void attachedUsb(byte[] input) {
    attached(input, ExportKind.USB);
  }

  private static void attached(byte[] input, ExportKind kind) {
    ByteBuf again = Unpooled.buffer();
    try {
      Attached attached = Attached.decode(Unpooled.wrappedBuffer(input), kind);
      if (attached.encodedBytes() != input.length) {
        throw new AssertionError(attached + " is said to have " + attached.encodedBytes());
      }
      attached.encode(again);
    } catch (WireException refused) {
      expectWords(refused);
      return;
    }
    expectSame(input, again);
  }

  /** The answer to who has asked for the zeros of a part of a disk. */
  public static void zeroRuns(byte[] input) {
    ByteBuf again = Unpooled.buffer();
    try {
      ZeroRuns runs =
          ZeroRuns.decode(Unpooled.wrappedBuffer(input), ZEROS_OFFSET_BYTES, ZEROS_LENGTH_BYTES);
      long end = ZEROS_OFFSET_BYTES;
      for (ZeroRuns.Run run : runs.runs()) {
        if (run.offsetBytes() < end || run.lengthBytes() < 1) {
          throw new AssertionError("not in order: " + runs);
        }
        end = run.offsetBytes() + run.lengthBytes();
      }
      if (end > ZEROS_OFFSET_BYTES + ZEROS_LENGTH_BYTES) {
        throw new AssertionError("not asked for: " + runs);
      }
      runs.encode(again);
    } catch (WireException refused) {
      expectWords(refused);
      return;
    }
    expectSame(input, again);
  }

  /** Words that end on a terminal. */
  public static void moved(byte[] input) {
    ByteBuf again = Unpooled.buffer();
    try {
      Moved moved = Moved.decode(Unpooled.wrappedBuffer(input));
      if (moved.to().chars().anyMatch(Character::isISOControl) || moved.to().isEmpty()) {
        throw new AssertionError("no words: " + moved);
      }
      if (!Moved.of(moved.to()).equals(moved)) {
        throw new AssertionError("could not have been sent: " + moved);
      }
      again.writeBytes(moved.encoded());
    } catch (WireException refused) {
      expectWords(refused);
      return;
    }
    expectSame(input, again);
  }

  private static void expectSame(byte[] input, ByteBuf again) {
    if (!Arrays.equals(input, ByteBufUtil.getBytes(again))) {
      throw new AssertionError("what was understood is not what was there");
    }
  }

  private static void expectWords(WireException refused) {
    if (!refused.getMessage().contains("expected")) {
      throw new AssertionError("no plain words", refused);
    }
  }

  /** Encodes again what it gets. */
  private static final class Collector implements FrameReader.Receiver {
    private final ByteBuf again = Unpooled.buffer();
    private FrameReader reader;
    private byte[] payload = new byte[0];

    @Override
    public void preamble(Preamble theirs) {
      theirs.encode(again);
      reader.limit(new Preamble(theirs.oldest(), theirs.newest(), MAX_PAYLOAD_BYTES));
    }

    @Override
    public ByteBuffer target(FrameHeader header) {
      payload = new byte[header.payloadBytes()];
      return ByteBuffer.wrap(payload);
    }

    @Override
    public void frame(FrameHeader header) {
      header.encode(again);
      if (header.payloadBytes() > 0) {
        again.writeBytes(payload);
      }
    }
  }
}
