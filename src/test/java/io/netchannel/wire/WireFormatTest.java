package io.netchannel.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The bytes are those of the package's description, and nothing else is understood. */
final class WireFormatTest {
  static final UUID STORAGE = UUID.fromString("00112233-4455-6677-8899-aabbccddeeff");

  /** Of 18 bytes. */
  private static final byte[] DEVICE_DESCRIPTOR =
      ByteBufUtil.decodeHexDump("120100020000004009120300000001020301");

  static final Attached ATTACHED_USB =
      new Attached(
          new AttachedUsb(
              UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"),
              true,
              new UsbPort(
                  4,
                  Optional.of(
                      new UsbPort.Plugged(
                          3,
                          1,
                          ImmutableMap.of(1, 2, 0, 0),
                          ImmutableSet.of(0x82, 2),
                          "NC42",
                          ByteBuffer.wrap(DEVICE_DESCRIPTOR))))),
          new Attached.Window(16, 1 << 20),
          7,
          ImmutableList.of(Attached.Fate.RUNNING));

  static final Attached ATTACHED =
      new Attached(
          new AttachedDisk(
              STORAGE,
              new UUID(0x1111L, 0x2222L),
              new AttachedDisk.Geometry(1L << 30, 512, 4096, false, true, true, 4096, true)),
          new Attached.Window(256, 1 << 24),
          7,
          ImmutableList.of(
              Attached.Fate.UNKNOWN, Attached.Fate.RUNNING, Attached.Fate.done(Status.NO_SPACE)));

  private static final Attach ATTACH =
      Attach.session(
          "vol7", "u/xvdb", 5, true, ImmutableList.of(new Attach.Unanswered(258, 0x0102030405L)));

  private final List<String> frames = new ArrayList<>();
  private byte[] payload = new byte[0];

  private final FrameReader reader =
      new FrameReader(
          new FrameReader.Receiver() {
            @Override
            public void preamble(Preamble theirs) {
              frames.add(theirs.toString());
              reader.limit(theirs);
            }

            @Override
            public ByteBuffer target(FrameHeader header) {
              payload = new byte[header.payloadBytes()];
              return ByteBuffer.wrap(payload);
            }

            @Override
            public void frame(FrameHeader header) {
              frames.add(header.toString());
            }
          });

  // ---- the bytes

  @Test
  void preamble() {
    ByteBuf out = Unpooled.buffer();
    new Preamble(1, 2, 0x100000).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo("4e45544348414e0a" + "0001" + "0002" + "00100000");
  }

  @Test
  void header() {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader()
        .request(FrameType.WRITE, 0x0203, 0x1122334455667788L, 0x200, 0x1000)
        .encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "05"
                + "00"
                + "0203"
                + "00001000"
                + "1122334455667788"
                + "0000000000000200"
                + "0000000000001000");
    out.clear();
    new FrameHeader().reply(Status.UNSUPPORTED, 1, 2, 0).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo("08" + "03" + "0001" + "00000000" + "0000000000000002" + "00".repeat(16));
    out.clear();
    new FrameHeader().zero(1, 2, 0x200, 0x1000, true).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "0d"
                + "01"
                + "0001"
                + "00000000"
                + "0000000000000002"
                + "0000000000000200"
                + "0000000000001000");
    out.clear();
    new FrameHeader().request(FrameType.EXTENTS, 1, 2, 0x200, 0x1000).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .startsWith("0e" + "00" + "0001" + "00000000" + "0000000000000002")
        .endsWith("0000000000000200" + "0000000000001000");
    out.clear();
    new FrameHeader().refused(Refusal.STALE, 4, 9).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo("03" + "01" + "0000" + "00000004" + "0000000000000009" + "00".repeat(16));
  }

  @Test
  void attach() throws Exception {
    ByteBuf out = Unpooled.buffer();
    ATTACH.encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "0000000000000005"
                + "0001"
                + "0004"
                + "0006"
                + "0001"
                + "766f6c37"
                + "752f78766462"
                + "0102"
                + "0000000102030405");
    assertThat(out.readableBytes()).isEqualTo(ATTACH.encodedBytes());
    assertThat(Attach.decode(out)).isEqualTo(ATTACH);
  }

  @Test
  void whereADiskIs() throws Exception {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().note(FrameType.MOVED, 3, 6).encode(out);
    out.writeBytes(new Moved("file:/").encoded());
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "0f"
                + "00"
                + "0000"
                + "00000006"
                + "0000000000000003"
                + "00".repeat(16)
                + "66696c653a2f");
    out.clear();
    new FrameHeader().note(FrameType.ARRIVED, 4, 0).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo("10" + "00" + "0000" + "00000000" + "0000000000000004" + "00".repeat(16));
    out.clear();
    new FrameHeader().noted(Status.IO_ERROR, 4, 9).encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo("11" + "01" + "0000" + "00000009" + "0000000000000004" + "00".repeat(16));
    out.clear();
    Attach anew = Attach.session("v", "c", 5, true, ImmutableList.of()).asAnew();
    anew.encode(out);
    assertThat(ByteBufUtil.hexDump(out)).startsWith("0000000000000005" + "0004");
    assertThat(Attach.decode(out)).isEqualTo(anew);
  }

  /** Whatever a source is called, it can be sent. */
  @Test
  void wordsThatMayBeSent() throws Exception {
    sends("file:/dev/vg1/web1", "file:/dev/vg1/web1");
    sends("file:/a b\u00e4", "file:/a b\u00e4");
    sends("a\0\33[31m\u009b\u007f\n", "a??[31m???");
    sends("\ud83d\ude00 \ud83d", "\ud83d\ude00 ?");
    sends("", "?");
  }

  private static void sends(String words, String sent) throws Exception {
    byte[] bytes = Moved.of(words).encoded();
    assertThat(Moved.decode(Unpooled.wrappedBuffer(bytes)).to()).isEqualTo(sent);
  }

  @Test
  void wordsThatAreTooLongAreCutBetweenCharacters() throws Exception {
    for (String character : List.of("a", "\u00e4", "\u20ac", "\ud83d\ude00")) {
      byte[] sent = Moved.of("a" + character.repeat(2000)).encoded();
      assertThat(sent).hasSizeBetween(Moved.MAX_BYTES - 3, Moved.MAX_BYTES);
      assertThat(Moved.decode(Unpooled.wrappedBuffer(sent)).encoded()).isEqualTo(sent);
    }
  }

  @Test
  void hostileWords() {
    refusesWords("", "1 to 1024 bytes");
    refusesWords("61".repeat(1025), "1 to 1024 bytes");
    refusesWords("61ff", "UTF-8");
    refusesWords("c0af", "UTF-8");
    refusesWords("eda080", "UTF-8");
    refusesWords("e282", "UTF-8");
    refusesWords("611b5b", "without control characters");
    refusesWords("610a", "without control characters");
    refusesWords("c29b", "without control characters");
  }

  private static void refusesWords(String digits, String why) {
    refuses(Moved::decode, Unpooled.wrappedBuffer(ByteBufUtil.decodeHexDump(digits)), why);
  }

  @Test
  void attached() throws Exception {
    ByteBuf out = Unpooled.buffer();
    ATTACHED.encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "00112233445566778899aabbccddeeff"
                + "00000000000011110000000000002222"
                + "0000000040000000"
                + "00000200"
                + "00001000"
                + "00001000"
                + "000e"
                + "0100"
                + "01000000"
                + "0003"
                + "0000"
                + "0000000000000007"
                + "0000"
                + "0100"
                + "0202");
    assertThat(out.readableBytes()).isEqualTo(ATTACHED.encodedBytes());
    assertThat(Attached.decode(out, ExportKind.DISK)).isEqualTo(ATTACHED);
  }

  @Test
  void urbs() throws Exception {
    FrameHeader header = new FrameHeader();
    expectHeader(
        header.controlUrb(2, 9, 0x0012000001000680L, 3, 18),
        "14"
            + "02"
            + "0002"
            + "00000000"
            + "0000000000000009"
            + "8006000100001200"
            + "00000003"
            + "00000012");
    assertThat(header.urbSetup()).isEqualTo(0x0012000001000680L);
    assertThat(header.urbIsIn()).isTrue();
    expectHeader(
        header.controlUrb(2, 9, 0x0001000000000900L, 3, 1),
        "14"
            + "02"
            + "0002"
            + "00000001"
            + "0000000000000009"
            + "0009000000000100"
            + "00000003"
            + "00000001");
    expectHeader(
        header.urb(15, 10, UrbFormat.INTERRUPT, 0x82, true, 8, 0, 0x7fffffff, 65536),
        "14"
            + "11"
            + "000f"
            + "00000000"
            + "000000000000000a"
            + "82"
            + "00"
            + "0000"
            + "00000008"
            + "7fffffff"
            + "00010000");
    expectHeader(
        header.urb(15, 10, UrbFormat.ISOCHRONOUS, 0x03, false, 1, 128, 1, 512),
        "14"
            + "00"
            + "000f"
            + "00000300"
            + "000000000000000a"
            + "03"
            + "00"
            + "0080"
            + "00000001"
            + "00000001"
            + "00000200");
    assertThat(header.urbType()).isEqualTo(UrbFormat.ISOCHRONOUS);
    assertThat(header.urbEndpoint()).isEqualTo(3);
    assertThat(header.urbPackets()).isEqualTo(128);
    assertThat(header.urbInterval()).isEqualTo(1);
    assertThat(header.urbIncarnation()).isEqualTo(1);
    assertThat(header.urbBytes()).isEqualTo(512);
    assertThat(header.urbIsIn()).isFalse();
    expectHeader(
        header.urbReply(104, 15, 10, 100, -2, 5, 484),
        "15"
            + "68"
            + "000f"
            + "000001e4"
            + "000000000000000a"
            + "fffffffe"
            + "00000005"
            + "0000000000000064");
    assertThat(header.urbStartFrame()).isEqualTo(-2);
    assertThat(header.urbErrors()).isEqualTo(5);
    assertThat(header.urbActualBytes()).isEqualTo(100);
    expectHeader(
        header.urbOrder(FrameType.UNLINK, 15, 10),
        "16" + "00" + "000f" + "00000000" + "000000000000000a" + "00".repeat(16));
    expectHeader(
        header.urbOrder(FrameType.RESET, 16, 11),
        "17" + "00" + "0010" + "00000000" + "000000000000000b" + "00".repeat(16));
  }

  private static void expectHeader(FrameHeader header, String digits) throws Exception {
    ByteBuf out = Unpooled.buffer();
    header.encode(out);
    assertThat(ByteBufUtil.hexDump(out)).isEqualTo(digits);
    String written = header.toString();
    header.decode(out, Wire.MAX_PAYLOAD_BYTES, Wire.VERSION);
    assertThat(header).hasToString(written);
  }

  @Test
  void attachedToUsb() throws Exception {
    ByteBuf out = Unpooled.buffer();
    ATTACHED_USB.encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "00112233445566778899aabbccddeeff"
                + "01"
                + "00".repeat(37)
                + "0010"
                + "00100000"
                + "0001"
                + "002a"
                + "0000000000000007"
                + "0100"
                + "00000004"
                + "03"
                + "01"
                + "02"
                + "02"
                + "0004"
                + "00000012"
                + "0000"
                + "0102"
                + "0282"
                + "4e433432"
                + ByteBufUtil.hexDump(DEVICE_DESCRIPTOR));
    assertThat(out.readableBytes()).isEqualTo(ATTACHED_USB.encodedBytes());
    assertThat(Attached.decode(out, ExportKind.USB)).isEqualTo(ATTACHED_USB);
  }

  @Test
  void anEmptyPort() throws Exception {
    ByteBuf out = Unpooled.buffer();
    UsbPort empty = new UsbPort(2, Optional.empty());
    empty.encode(out);
    assertThat(ByteBufUtil.hexDump(out)).isEqualTo("00000002" + "00".repeat(10));
    assertThat(UsbPort.decode(out)).isEqualTo(empty);
  }

  @Test
  void whatIsTooLongForAPortIsCut() throws Exception {
    byte[] descriptors = Arrays.copyOf(DEVICE_DESCRIPTOR, 2 * UsbPort.MAX_DESCRIPTORS_BYTES);
    UsbPort.Plugged plugged =
        new UsbPort.Plugged(
            1,
            0,
            ImmutableMap.of(),
            ImmutableSet.of(),
            "\u20ac".repeat(500) + "\n",
            ByteBuffer.wrap(descriptors));
    ByteBuf out = Unpooled.buffer();
    new UsbPort(1, Optional.of(plugged)).encode(out);
    UsbPort.Plugged understood = UsbPort.decode(out).plugged().orElseThrow();
    assertThat(understood.serial()).isEqualTo("\u20ac".repeat(126));
    assertThat(understood.descriptorBytes()).hasSize(UsbPort.MAX_DESCRIPTORS_BYTES);
  }

  @Test
  void hostilePorts() {
    refusesUsb(bytes -> bytes.setByte(16, 2), "no unknown flags");
    refusesUsb(bytes -> bytes.setByte(17, 1), "0 as reserved");
    refusesUsb(bytes -> bytes.setByte(53, 1), "0 as reserved");
    refusesUsb(bytes -> bytes.setShort(62, 0x2b), "more bytes");
    refusesUsb(bytes -> bytes.setInt(74, 0), "an incarnation from 1 on");
    refusesUsb(bytes -> bytes.setInt(74, -1), "below 2^31");
    refusesUsb(bytes -> bytes.setByte(78, 0), "nothing of what is not plugged");
    refusesUsb(bytes -> bytes.setByte(78, 4), "a speed of 0 to 3");
    refusesUsb(bytes -> bytes.setByte(80, 3), "more bytes");
    refusesUsb(bytes -> bytes.setShort(82, 379), "a short serial number");
    refusesUsb(bytes -> bytes.setInt(84, -1), "short descriptors");
    refusesUsb(bytes -> bytes.setShort(82, 5).setInt(84, 17), "descriptors");
    refusesUsb(bytes -> bytes.setByte(90, 0), "ascending interfaces");
    refusesUsb(bytes -> bytes.setByte(93, 2), "ascending endpoints");
    refusesUsb(bytes -> bytes.setByte(94, 10), "a serial number of text");
    refusesUsb(bytes -> bytes.setByte(94, 0xff), "a serial number of text");
  }

  private static void refusesUsb(UnaryOperator<ByteBuf> change, String why) {
    ByteBuf out = Unpooled.buffer();
    ATTACHED_USB.encode(out);
    refuses(in -> Attached.decode(in, ExportKind.USB), change.apply(out), why);
  }

  @Test
  void zeroRuns() throws Exception {
    ByteBuf out = Unpooled.buffer();
    ZeroRuns runs =
        new ZeroRuns(
            ImmutableList.of(
                new ZeroRuns.Run(0x200, 0x200),
                new ZeroRuns.Run(0x400, 0x200),
                new ZeroRuns.Run(0x1000, 0x1000)));
    runs.encode(out);
    assertThat(ByteBufUtil.hexDump(out))
        .isEqualTo(
            "0000000000000200"
                + "0000000000000200"
                + "0000000000000400"
                + "0000000000000200"
                + "0000000000001000"
                + "0000000000001000");
    assertThat(ZeroRuns.decode(out.duplicate(), 0x200, 0x1e00)).isEqualTo(runs);
    assertThat(ZeroRuns.decode(Unpooled.EMPTY_BUFFER, 0, 512).runs()).isEmpty();
    assertThat(ZeroRuns.MAX_RUNS).isEqualTo(256);
  }

  // ---- the way they arrive

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 100, 5000})
  void arrivesInPieces(int piece) throws Exception {
    ByteBuf in = conversation();
    while (in.isReadable()) {
      reader.read(in.readSlice(Math.min(piece, in.readableBytes())));
    }
    assertThat(frames).hasSize(4);
    assertThat(frames.get(1)).startsWith("WRITE slot 3 sequence 9 offset 4096 length 512");
    assertThat(frames.get(2)).startsWith("READ slot 4 sequence 10 offset 0 length 8192");
    assertThat(frames.get(3)).startsWith("PING").contains("sequence 77");
    assertThat(payload).hasSize(512).containsOnly(0x5a);
  }

  @Test
  void whatIsCutOffIsNoFrame() throws Exception {
    ByteBuf in = conversation();
    reader.read(in.readSlice(Preamble.BYTES + FrameHeader.BYTES + 511));
    assertThat(frames).hasSize(1);
  }

  private static ByteBuf conversation() {
    ByteBuf out = Unpooled.buffer();
    Preamble.OURS.encode(out);
    FrameHeader header = new FrameHeader();
    header.request(FrameType.WRITE, 3, 9, 4096, 512).encode(out);
    for (int i = 0; i < 512; i++) {
      out.writeByte(0x5a);
    }
    header.request(FrameType.READ, 4, 10, 0, 8192).encode(out);
    header.ping(FrameType.PING, 77).encode(out);
    return out;
  }

  // ---- what is refused

  @ParameterizedTest
  @CsvSource({
    "'GET / HTTP/1.1\r\n', preamble",
    "'NETCHAN\n\0\2\0\1\0\0\40\0', ascending order",
    "'NETCHAN\n\0\0\0\1\0\0\40\0', ascending order",
    "'NETCHAN\n\0\1\0\1\0\0\0\1', largest payload",
  })
  void strangePreambles(String text, String why) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    assertThat(bytes).hasSize(16);
    assertThatThrownBy(() -> reader.read(Unpooled.wrappedBuffer(bytes)))
        .isInstanceOf(WireException.class)
        .hasMessageContaining(why);
  }

  @Test
  void versionsAreNegotiated() throws Exception {
    assertThat(new Preamble(1, 3, 8192).with(new Preamble(2, 5, 4096)))
        .isEqualTo(new Preamble(3, 3, 4096));
    assertThatThrownBy(() -> new Preamble(1, 2, 8192).with(new Preamble(3, 4, 8192)))
        .isInstanceOf(WireException.class)
        .hasMessageContaining("expected version 1 to 2", "speaks 3 to 4");
    assertThatThrownBy(() -> new Preamble(3, 4, 8192).with(new Preamble(1, 2, 8192)))
        .isInstanceOf(WireException.class);
  }

  /** Type, status, slot, payload, sequence, offset, length as hexadecimal digits. */
  @ParameterizedTest
  @CsvSource({
    "00 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, type of frame",
    "19 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, type of frame",
    "ff 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, type of frame",
    "04 00 0000 00000000 0000000000000000 0000000000000000 0000000000000200, sequence from 1",
    "04 00 0000 00000000 8000000000000000 0000000000000000 0000000000000200, below 2^63",
    "04 00 0000 00000000 0000000000000001 8000000000000000 0000000000000200, below 2^63",
    "04 00 0000 00000000 0000000000000001 0000000000000000 8000000000000200, below 2^63",
    "04 00 0000 00000000 0000000000000001 7fffffffffffffff 0000000000000200, ends below 2^63",
    "04 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, a length from 1",
    "04 00 0000 00000000 0000000000000001 0000000000000000 0000000000100001, a length from 1",
    "04 00 0000 00000200 0000000000000001 0000000000000000 0000000000000200, payload of at most 0",
    "04 01 0000 00000000 0000000000000001 0000000000000000 0000000000000200, status 0",
    "05 00 0000 00100001 0000000000000001 0000000000000000 0000000000100001, payload of at most",
    "05 00 0000 ffffffff 0000000000000001 0000000000000000 0000000000100000, payload of at most",
    "05 00 0000 00000200 0000000000000001 0000000000000000 0000000000000400, as long as the data",
    "05 00 0000 00000000 0000000000000001 0000000000000000 0000000000000200, as long as the data",
    "06 00 0000 00000000 0000000000000001 0000000000000000 0000000000000200, a length from 0 to 0",
    "06 00 0000 00000000 0000000000000001 0000000000000200 0000000000000000, offset 0",
    "07 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, a length from 1",
    "08 04 0000 00000000 0000000000000001 0000000000000000 0000000000000000, a status from 0 to 3",
    "08 01 0000 00000200 0000000000000001 0000000000000000 0000000000000000, no data",
    "08 00 0000 00000000 0000000000000001 0000000000000000 0000000000000001, length 0",
    "03 00 0000 00000001 0000000000000000 0000000000000000 0000000000000000, a reason from 1",
    "03 09 0000 00000001 0000000000000000 0000000000000000 0000000000000000, a reason from 1",
    "03 01 0000 00000801 0000000000000000 0000000000000000 0000000000000000, at most 2048",
    "01 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, a payload",
    "01 00 0000 000a00c7 0000000000000000 0000000000000000 0000000000000000, at most 655558",
    "01 00 0001 00000020 0000000000000000 0000000000000000 0000000000000000, slot 0",
    "02 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, a payload",
    "09 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, sequence 0",
    "09 01 0000 00000000 0000000000000000 0000000000000000 0000000000000000, status 0",
    "0b 00 0000 00000001 0000000000000000 0000000000000000 0000000000000000, at most 0",
    "0b 00 0001 00000000 0000000000000000 0000000000000000 0000000000000000, slot 0",
    "0d 02 0000 00000000 0000000000000001 0000000000000000 0000000000000200, no unknown flags",
    "0d 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, a length from 1",
    "0d 00 0000 00000200 0000000000000001 0000000000000000 0000000000000200, payload of at most 0",
    "0d 00 0000 00000000 0000000000000001 7fffffffffffffff 0000000000000200, ends below 2^63",
    "0d 01 0000 00000000 0000000000000000 0000000000000000 0000000000000200, sequence from 1",
    "0e 01 0000 00000000 0000000000000001 0000000000000000 0000000000000200, status 0",
    "0e 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, a length from 1",
    "0e 00 0000 00000010 0000000000000001 0000000000000000 0000000000000200, payload of at most 0",
    "0f 00 0000 00000000 0000000000000001 0000000000000000 0000000000000000, a payload",
    "0f 00 0000 00000401 0000000000000001 0000000000000000 0000000000000000, at most 1024",
    "0f 00 0000 00000004 0000000000000000 0000000000000000 0000000000000000, sequence from 1",
    "0f 01 0000 00000004 0000000000000001 0000000000000000 0000000000000000, status 0",
    "0f 00 0001 00000004 0000000000000001 0000000000000000 0000000000000000, slot 0",
    "0f 00 0000 00000004 0000000000000001 0000000000000200 0000000000000000, offset 0",
    "10 00 0000 00000001 0000000000000001 0000000000000000 0000000000000000, payload of at most 0",
    "10 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, sequence from 1",
    "10 01 0000 00000000 0000000000000001 0000000000000000 0000000000000000, status 0",
    "11 00 0000 00000001 0000000000000001 0000000000000000 0000000000000000, words just when",
    "11 01 0000 00000000 0000000000000001 0000000000000000 0000000000000000, words just when",
    "11 04 0000 00000001 0000000000000001 0000000000000000 0000000000000000, a status from 0 to 3",
    "11 01 0000 00000801 0000000000000001 0000000000000000 0000000000000000, at most 2048",
    "11 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, sequence from 1",
    "12 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, a payload",
    "12 00 0000 000020d1 0000000000000000 0000000000000000 0000000000000000, at most 8400",
    "12 00 0000 00000010 0000000000000001 0000000000000000 0000000000000000, sequence 0",
    "12 01 0000 00000010 0000000000000000 0000000000000000 0000000000000000, status 0",
    "13 00 0000 0000200d 0000000000000000 0000000000000000 0000000000000000, at most 8204",
    "14 03 0000 00000000 0000000000000000 8100000000000000 0000000000000000, sequence from 1",
    "14 04 0000 00000000 0000000000000001 8100000000000000 0000000000000000, no unknown flags",
    "14 23 0000 00000000 0000000000000001 8100000000000000 0000000000000000, no unknown flags",
    "14 12 0000 00000000 0000000000000001 8100000000000000 0000000000000000, SHORT_NOT_OK of bulk",
    "14 10 0000 00000000 0000000000000001 8100000000000000 0000000000000000, SHORT_NOT_OK of bulk",
    "14 03 0000 00000000 0000000000000001 8100000000000000 0000000100010001, at most 65536",
    "14 03 0000 00000000 0000000000000001 8100000000000000 00000001ffffffff, at most 65536",
    "14 03 0000 00000000 0000000000000001 8100000000000000 8000000100000200, a length below",
    "14 03 0000 00000000 0000000000000001 9100000000000000 0000000100000200, endpoint",
    "14 03 0000 00000000 0000000000000001 8101000000000000 0000000100000200, 0 as reserved",
    "14 01 0000 00000000 0000000000000001 8100000080000000 0000000100000200, an interval below",
    "14 03 0000 00000000 0000000000000001 8100000100000000 0000000100000200, at most 0 packets",
    "14 00 0000 00000102 0000000000000001 8300008100000000 0000000100000200, at most 128 packets",
    "14 00 0000 00000006 0000000000000001 8300000200000000 0000000100000200, a payload of 4 bytes",
    "14 00 0000 00000004 0000000000000001 0300000200000000 0000000100000200, a payload of 516"
        + " bytes",
    "14 03 0000 00000200 0000000000000001 8100000000000000 0000000100000200, a payload of 0 bytes",
    "14 02 0000 00000000 0000000000000001 0009000100000000 0000000100000200, a payload of 512"
        + " bytes",
    "14 03 0000 00010181 0000000000000001 0100000000000000 0000000100010000, payload of at most"
        + " 65920",
    "15 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, sequence from 1",
    "15 01 0000 00000000 0000000000000001 0000000000000000 0000000000000000, as a URB",
    "15 00 0000 00000000 0000000000000001 0000000000000000 0000000000010001, at most 65536",
    "15 00 0000 00010181 0000000000000001 0000000000000000 0000000000010000, payload of at most"
        + " 65920",
    "16 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, sequence from 1",
    "16 01 0000 00000000 0000000000000001 0000000000000000 0000000000000000, status 0",
    "16 00 0000 00000000 0000000000000001 0000000000000001 0000000000000000, offset 0",
    "17 00 0000 00000000 0000000000000001 0000000000000000 0000000000000001, length 0",
    "17 00 0000 00000001 0000000000000001 0000000000000000 0000000000000000, payload of at most 0",
    "18 00 0000 00000000 0000000000000000 0000000000000000 0000000000000000, a payload",
    "18 00 0001 0000000e 0000000000000000 0000000000000000 0000000000000000, slot 0",
    "18 01 0000 0000000e 0000000000000000 0000000000000000 0000000000000000, status 0",
  })
  void hostileHeaders(String digits, String why) throws Exception {
    ByteBuf in = Unpooled.buffer();
    Preamble.OURS.encode(in);
    in.writeBytes(ByteBufUtil.decodeHexDump(digits.replace(" ", "")));
    assertThat(in.readableBytes()).isEqualTo(Preamble.BYTES + FrameHeader.BYTES);
    assertThatThrownBy(() -> reader.read(in))
        .isInstanceOf(WireException.class)
        .hasMessageContaining("expected " + (why.startsWith("type") ? "a " : ""))
        .hasMessageContaining(why);
    assertThat(frames).hasSize(1);
    assertThat(payload).as("allocated").isEmpty();
  }

  /** An older peer has no such types, and takes them for what they are not. */
  @ParameterizedTest
  @ValueSource(strings = {"0d", "0e", "0f", "10", "11", "12", "13"})
  void versionOneHasNoneOfVersionTwosTypes(String type) throws Exception {
    ByteBuf in = Unpooled.buffer();
    new Preamble(1, 1, Wire.MAX_PAYLOAD_BYTES).encode(in);
    in.writeBytes(
        ByteBufUtil.decodeHexDump(
            type + "00" + "0000" + "00000000" + "0000000000000001" + "00".repeat(14) + "0200"));
    assertThatThrownBy(() -> reader.read(in))
        .isInstanceOf(WireException.class)
        .hasMessageContaining("expected a type of frame from 1 to 12");
    assertThat(frames).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"12", "13"})
  void versionThreeHasNoRecords(String type) throws Exception {
    ByteBuf in = Unpooled.buffer();
    new Preamble(1, 3, Wire.MAX_PAYLOAD_BYTES).encode(in);
    in.writeBytes(ByteBufUtil.decodeHexDump(type + "00" + "0000" + "00000010" + "00".repeat(24)));
    assertThatThrownBy(() -> reader.read(in))
        .isInstanceOf(WireException.class)
        .hasMessageContaining("expected a type of frame from 1 to 17");
    assertThat(frames).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"14", "15", "16", "17", "18"})
  void versionFourHasNoUsb(String type) throws Exception {
    ByteBuf in = Unpooled.buffer();
    new Preamble(1, 4, Wire.MAX_PAYLOAD_BYTES).encode(in);
    in.writeBytes(ByteBufUtil.decodeHexDump(type + "00" + "0000" + "00000000" + "00".repeat(24)));
    assertThatThrownBy(() -> reader.read(in))
        .isInstanceOf(WireException.class)
        .hasMessageContaining("expected a type of frame from 1 to 19");
    assertThat(frames).hasSize(1);
  }

  @Test
  void recordsAreReadAsTheyWereWritten() throws Exception {
    LegRecord told =
        new LegRecord(Optional.of("vol7"), "6b0f/xvdb", 3, Optional.of("who 4 open a,b a"));
    assertThat(LegRecord.decode(told.encoded(Unpooled.buffer()))).isEqualTo(told);
    LegRecord asked = LegRecord.ask(Optional.empty(), "6b0f/xvdb");
    assertThat(LegRecord.decode(asked.encoded(Unpooled.buffer()))).isEqualTo(asked);
    for (boolean inUse : new boolean[] {false, true}) {
      LegRecord.Known known = new LegRecord.Known(3, inUse, Optional.of("who 4 open a,b a"));
      assertThat(LegRecord.Known.decode(known.encoded(Unpooled.buffer()))).isEqualTo(known);
    }
  }

  @Test
  void hostileRecords() {
    LegRecord told = new LegRecord(Optional.of("vol7"), "6b0f/xvdb", 3, Optional.of("r"));
    refusesRecord(told, bytes -> bytes.setLong(0, -1), "a generation below 2^63");
    refusesRecord(told, bytes -> bytes.setLong(0, 0), "no record of who only asks");
    refusesRecord(told, bytes -> bytes.setShort(14, 1), "0 as reserved");
    refusesRecord(told, bytes -> bytes.setShort(12, 2), "15 more bytes");
    refusesRecord(told, bytes -> bytes.setByte(29, 10), "record of printable ASCII");
    refusesRecord(told, bytes -> bytes.setByte(16, '.'), "name of an export");
    ByteBuf known = new LegRecord.Known(3, true, Optional.of("r")).encoded(Unpooled.buffer());
    refuses(LegRecord.Known::decode, known.setShort(10, 2), "flags 0 or 1");
  }

  private static void refusesRecord(LegRecord told, Consumer<ByteBuf> change, String why) {
    ByteBuf in = told.encoded(Unpooled.buffer());
    change.accept(in);
    refuses(LegRecord::decode, in, why);
  }

  @Test
  void hostileZeroRuns() {
    refusesRuns(0x100, 0x200, "0000000000000100" + "00000000000000", "whole runs");
    refusesRuns(0, 0x20000, "0000000000000000".repeat(2 * 257), "256 at most");
    refusesRuns(0x200, 0x200, "0000000000000000" + "0000000000000200", "behind the last");
    refusesRuns(0x200, 0x200, "0000000000000400" + "0000000000000001", "behind the last");
    refusesRuns(0x200, 0x200, "ffffffffffffffff" + "0000000000000200", "behind the last");
    refusesRuns(0x200, 0x200, "0000000000000200" + "0000000000000000", "in range");
    refusesRuns(0x200, 0x200, "0000000000000200" + "0000000000000201", "in range");
    refusesRuns(0x200, 0x200, "0000000000000200" + "ffffffffffffffff", "in range");
    String run = "0000000000000000" + "0000000000000200";
    refusesRuns(0, 0x800, run + run, "behind the last");
    refusesRuns(0, 0x800, "0000000000000400" + "0000000000000200" + run, "behind the last");
  }

  private static void refusesRuns(long offset, long length, String digits, String why) {
    ByteBuf in = Unpooled.wrappedBuffer(ByteBufUtil.decodeHexDump(digits));
    refuses(bytes -> ZeroRuns.decode(bytes, offset, length), in, why);
  }

  @Test
  void hostileAttach() {
    refuses(ATTACH, bytes -> bytes.setLong(0, 0), "a generation");
    refuses(ATTACH, bytes -> bytes.setLong(0, -1), "a generation");
    refuses(ATTACH, bytes -> bytes.setShort(8, 3), "a generation");
    refuses(ATTACH, bytes -> bytes.setShort(8, 32), "no unknown flags");
    refuses(ATTACH, bytes -> bytes.setShort(8, 17), "USB with PROBE at most");
    refuses(ATTACH, bytes -> bytes.setShort(8, 20), "USB with PROBE at most");
    refuses(ATTACH, bytes -> bytes.setShort(8, 24), "USB with PROBE at most");
    refuses(ATTACH, bytes -> bytes.setShort(8, 5), "ANEW of who writes");
    refuses(ATTACH, bytes -> bytes.setLong(0, 0).setShort(8, 6), "ANEW of who writes");
    refuses(ATTACH, bytes -> bytes.setShort(10, 5), "more bytes");
    refuses(ATTACH, bytes -> bytes.setShort(10, 0xffff), "more bytes");
    refuses(ATTACH, bytes -> bytes.setShort(14, 0), "more bytes");
    refuses(ATTACH, bytes -> bytes.setShort(14, 0xffff), "more bytes");
    refuses(ATTACH, bytes -> bytes.setByte(16, '/'), "name of an export");
    refuses(ATTACH, bytes -> bytes.setByte(16, '.'), "name of an export");
    refuses(ATTACH, bytes -> bytes.setByte(17, 0xc3), "name of an export");
    refuses(ATTACH, bytes -> bytes.setByte(20, ' '), "client's identity");
    refuses(ATTACH, bytes -> bytes.setLong(28, 0), "ascending");
    refuses(ATTACH, bytes -> bytes.setLong(28, -1), "ascending");
    refuses(ATTACH, bytes -> bytes.writerIndex(15), "16 or more");
    refuses(ATTACH, bytes -> bytes.writeByte(0), "more bytes");
    Attach doubled =
        Attach.session(
            "v",
            "c",
            1,
            false,
            ImmutableList.of(new Attach.Unanswered(1, 4), new Attach.Unanswered(2, 4)));
    refuses(doubled, bytes -> bytes, "ascending");
  }

  private static void refuses(Attach attach, UnaryOperator<ByteBuf> change, String why) {
    ByteBuf out = Unpooled.buffer();
    attach.encode(out);
    refuses(Attach::decode, change.apply(out), why);
  }

  private interface Decoder {
    Object decode(ByteBuf in) throws WireException;
  }

  private static void refuses(Decoder decoder, ByteBuf changed, String why) {
    assertThatThrownBy(() -> decoder.decode(changed))
        .isInstanceOf(WireException.class)
        .hasMessageContaining("expected")
        .hasMessageContaining(why);
  }

  @Test
  void hostileAttached() {
    refusesAttached(bytes -> bytes.setLong(32, 0), "a size");
    refusesAttached(bytes -> bytes.setLong(32, 513), "a size");
    refusesAttached(bytes -> bytes.setLong(32, -512), "a size");
    refusesAttached(bytes -> bytes.setInt(40, 0), "power of 2");
    refusesAttached(bytes -> bytes.setInt(40, 513), "power of 2");
    refusesAttached(bytes -> bytes.setInt(44, 0x80000000), "power of 2");
    refusesAttached(bytes -> bytes.setInt(48, -1), "granularity");
    refusesAttached(bytes -> bytes.setShort(52, 16), "unknown flags");
    refusesAttached(bytes -> bytes.setShort(54, 0), "a window");
    refusesAttached(bytes -> bytes.setInt(56, 4095), "a window");
    refusesAttached(bytes -> bytes.setInt(56, -1), "a window");
    refusesAttached(bytes -> bytes.setShort(60, 2), "more bytes");
    refusesAttached(bytes -> bytes.setShort(62, 1), "0 as reserved");
    refusesAttached(bytes -> bytes.setLong(64, -1), "a generation");
    refusesAttached(bytes -> bytes.setByte(72, 3), "a state");
    refusesAttached(bytes -> bytes.setByte(73, 1), "only when DONE");
    refusesAttached(bytes -> bytes.setByte(77, 4), "a status");
    refusesAttached(bytes -> bytes.writerIndex(71), "72 or more");
  }

  private static void refusesAttached(UnaryOperator<ByteBuf> change, String why) {
    ByteBuf out = Unpooled.buffer();
    ATTACHED.encode(out);
    refuses(in -> Attached.decode(in, ExportKind.DISK), change.apply(out), why);
  }

  @Test
  void names() {
    assertThat(Names.isExport("vol7.raw_A-1")).isTrue();
    assertThat(List.of("", ".x", "-x", "a/b", "a b", "a".repeat(65))).noneMatch(Names::isExport);
    assertThat(Names.isClient("6b0f/xvdb")).isTrue();
    assertThat(List.of("", "a b", "\u00e4", "a\n", "a".repeat(129))).noneMatch(Names::isClient);
  }
}
