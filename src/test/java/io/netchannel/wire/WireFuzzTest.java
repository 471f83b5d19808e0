package io.netchannel.wire;

import com.google.common.collect.ImmutableList;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Runs the fuzz targets on mutations of good input: a fixed number of them, from a fixed seed. */
final class WireFuzzTest {
  private static final long SEED = 20261123;
  private static final int ROUNDS = 40_000;
  private static final int MOST_MUTATIONS = 6;

  /** Values that limits are near to. */
  private static final byte[] EDGES = {0, 1, 2, 0x0a, 0x10, 0x20, 0x40, 0x7f, (byte) 0x80, -1};

  @Test
  void frames() {
    mutate(WireFuzz::frames, List.of(conversation(0), conversation(31), conversation(255)));
  }

  @Test
  void attach() {
    mutate(
        WireFuzz::attach,
        List.of(
            encoded(Attach.probe("vol7", "a/xvdb", true)),
            encoded(
                Attach.session(
                    "vol7",
                    "6b0f/xvdb",
                    3,
                    false,
                    ImmutableList.of(
                        new Attach.Unanswered(0, 5), new Attach.Unanswered(7, 1L << 40)))),
            encoded(Attach.session("vol7", "6b0f/xvdb", 4, false, ImmutableList.of()).asAnew()),
            encoded(Attach.session("stick", "6b0f/usb0", 4, false, ImmutableList.of()).asUsb())));
  }

  @Test
  void attached() {
    ByteBuf out = Unpooled.buffer();
    WireFormatTest.ATTACHED.encode(out);
    mutate(WireFuzz::attached, List.of(ByteBufUtil.getBytes(out)));
  }

  @Test
  void attachedToUsb() {
    ByteBuf out = Unpooled.buffer();
    WireFormatTest.ATTACHED_USB.encode(out);
    mutate(WireFuzz::attachedUsb, List.of(ByteBufUtil.getBytes(out)));
  }

  @Test
  void zeroRuns() {
    ByteBuf out = Unpooled.buffer();
    long first = WireFuzz.ZEROS_OFFSET_BYTES;
    new ZeroRuns(
            ImmutableList.of(
                new ZeroRuns.Run(first, 512),
                new ZeroRuns.Run(first + 512, 4096),
                new ZeroRuns.Run(first + 8192, WireFuzz.ZEROS_LENGTH_BYTES - 8192)))
        .encode(out);
    mutate(WireFuzz::zeroRuns, List.of(ByteBufUtil.getBytes(out)));
  }

  @Test
  void moved() {
    mutate(
        WireFuzz::moved,
        List.of(
            new Moved("file:/dev/vg1/web1").encoded(),
            new Moved("file:/srv/gr\u00f6\u00dfe \u20ac \ud83d\ude00").encoded(),
            Moved.of("a".repeat(2 * Moved.MAX_BYTES)).encoded()));
  }

  private static byte[] encoded(Attach attach) {
    ByteBuf out = Unpooled.buffer();
    attach.encode(out);
    return ByteBufUtil.getBytes(out);
  }

  private static byte[] conversation(int pieces) {
    ByteBuf out = Unpooled.buffer();
    out.writeByte(pieces);
    Preamble.OURS.encode(out);
    FrameHeader header = new FrameHeader();
    Attach attach = Attach.session("vol7", "6b0f/xvdb", 3, false, ImmutableList.of());
    header.control(FrameType.ATTACH, attach.encodedBytes()).encode(out);
    attach.encode(out);
    header.request(FrameType.WRITE, 3, 9, 4096, 512).encode(out);
    out.writeZero(512);
    header.request(FrameType.READ, 4, 10, 0, 8192).encode(out);
    header.reply(Status.OK, 4, 10, 512).encode(out);
    out.writeZero(512);
    header.zero(5, 11, 8192, 1 << 20, true).encode(out);
    header.request(FrameType.EXTENTS, 6, 12, 0, 1L << 40).encode(out);
    header.note(FrameType.MOVED, 2, 4).encode(out);
    out.writeBytes(new Moved("here").encoded());
    header.note(FrameType.ARRIVED, 3, 0).encode(out);
    header.noted(Status.OK, 2, 0).encode(out);
    header.noted(Status.IO_ERROR, 3, 2).encode(out);
    out.writeZero(2);
    header.controlUrb(7, 13, 0x0012000001000680L, 1, 18).encode(out);
    header.urb(8, 14, UrbFormat.BULK, 0x02, false, 0, 0, 1, 31).encode(out);
    out.writeZero(31);
    header.urb(9, 15, UrbFormat.ISOCHRONOUS, 0x03, false, 1, 2, 1, 20).encode(out);
    out.writeZero(24);
    header.urbReply(121, 8, 14, 13, 0, 0, 13).encode(out);
    out.writeZero(13);
    header.urbOrder(FrameType.UNLINK, 9, 15).encode(out);
    header.urbOrder(FrameType.RESET, 16, 16).encode(out);
    UsbPort empty = new UsbPort(1, Optional.empty());
    header.control(FrameType.PORT, empty.encodedBytes()).encode(out);
    empty.encode(out);
    header.refused(Refusal.STALE, 3, 7).encode(out);
    out.writeZero(3);
    header.control(FrameType.DETACH, 0).encode(out);
    return ByteBufUtil.getBytes(out);
  }

  private static void mutate(Consumer<byte[]> target, List<byte[]> seeds) {
    Random random = new Random(SEED);
    seeds.forEach(target);
    for (int round = 0; round < ROUNDS; round++) {
      byte[] input = seeds.get(random.nextInt(seeds.size())).clone();
      for (int n = 1 + random.nextInt(MOST_MUTATIONS); n > 0; n--) {
        input = mutated(input, random);
      }
      try {
        target.accept(input);
      } catch (RuntimeException | Error e) {
        throw new AssertionError(
            "seed %d, round %d, input %s".formatted(SEED, round, HexFormat.of().formatHex(input)),
            e);
      }
    }
  }

  private static byte[] mutated(byte[] input, Random random) {
    if (input.length == 0) {
      return new byte[] {(byte) random.nextInt()};
    }
    int at = random.nextInt(input.length);
    return switch (random.nextInt(6)) {
      case 0 -> Arrays.copyOf(input, at);
      case 1 -> Arrays.copyOf(input, input.length + random.nextInt(40));
      case 2 -> {
        byte[] without = new byte[input.length - 1];
        System.arraycopy(input, 0, without, 0, at);
        System.arraycopy(input, at + 1, without, at, without.length - at);
        yield without;
      }
      case 3 -> {
        input[at] ^= (byte) (1 << random.nextInt(8));
        yield input;
      }
      case 4 -> {
        input[at] = EDGES[random.nextInt(EDGES.length)];
        yield input;
      }
      default -> {
        int from = random.nextInt(input.length);
        int length = Math.min(input.length - Math.max(at, from), 32);
        System.arraycopy(input, from, input, at, length);
        yield input;
      }
    };
  }
}
