package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import java.nio.ByteBuffer;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a server sends, taken apart: well-formed, cut short, out of bounds. */
final class ParsersTest {
  private static final long SEED = 4;
  private static final int FUZZ_RUNS = 20_000;
  private static final NbdUri URI = NbdUri.tcp("h", 1, "x");

  @Test
  void anExportBecomesADisk() throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    int flags =
        NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_FLUSH | NbdProtocol.FLAG_SEND_TRIM;
    info.add(export(1_000_100, flags));
    info.add(blockSizes(1, 65536, 1 << 20));
    info.add(ByteBuffer.wrap(new byte[] {0, NbdProtocol.INFO_DESCRIPTION, 'x'}));
    ExportInfo built = info.build();
    assertThat(built.maximumPayloadBytes()).isEqualTo(1 << 20);
    assertThat(built.geometry(URI, false))
        .isEqualTo(
            new DeviceGeometry(1_000_100 / 512 * 512, 512, 4096, false, true, true, 4096, false));
    assertThat(built.geometry(URI, true).canDiscard()).isFalse();
  }

  @Test
  void anExportThatMakesZeroesCanZero() throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(8192, NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_WRITE_ZEROES));
    assertThat(info.build().geometry(URI, false).canZero()).isTrue();
    assertThat(info.build().geometry(URI, true).canZero()).isFalse();
  }

  @Test
  void withoutBlockSizesTheDefaultsHold() throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(8192, NbdProtocol.FLAG_HAS_FLAGS));
    assertThat(info.build())
        .isEqualTo(new ExportInfo(8192, 1, 1, 4096, NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES));
    assertThat(info.build().geometry(URI, false))
        .isEqualTo(new DeviceGeometry(8192, 512, 4096, false, false, false, 0, false));
  }

  @ParameterizedTest
  @CsvSource({
    "1024, 4096",
    "4096, 4096",
    "512, 512",
    "1, 512",
  })
  void theUnitOfRequestsIsASectorOrAPage(int minimum, int logical) throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(1 << 20, NbdProtocol.FLAG_HAS_FLAGS));
    info.add(blockSizes(minimum, 4096, -1));
    assertThat(info.build().geometry(URI, false).logicalBlockBytes()).isEqualTo(logical);
    assertThat(info.build().maximumPayloadBytes()).isEqualTo(NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES);
  }

  /** Object stores prefer requests of megabytes: no sector of a disk, and no unit of discards. */
  @ParameterizedTest
  @CsvSource({
    "512, 4194304, 4096",
    "1, 65536, 4096",
    "4096, 65536, 4096",
    "512, 512, 512",
    "512, 2048, 2048",
  })
  void whatAServerPrefersIsAHint(int minimum, int preferred, int unit) throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(1 << 20, NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_TRIM));
    info.add(blockSizes(minimum, preferred, 32 << 20));
    DeviceGeometry geometry = info.build().geometry(URI, false);
    assertThat(geometry.physicalBlockBytes()).isEqualTo(unit);
    assertThat(geometry.discardGranularityBytes()).isEqualTo(unit);
  }

  /** Size, flags, minimum of what is there after a reconnect. */
  @ParameterizedTest
  @CsvSource({
    "1048576, 0x65, 512, ''", // all is as it was
    "2097152, 0x6d, 1, ''", // larger, finer, with more abilities
    "1048064, 0x65, 512, 'is smaller: it has 1048064 bytes, and had 1048576'",
    "1048576, 0x65, 4096, 'takes requests of 4096 to 33554432 bytes'",
    "1048576, 0x67, 512, is read-only now",
    "1048576, 0x61, 512, has lost abilities that are in use (flags 0x4)",
    "1048576, 0x45, 512, has lost abilities that are in use (flags 0x20)",
    "1048576, 0x25, 512, has lost abilities that are in use (flags 0x40)",
  })
  void whatComesBackMustDoForWhatTheUserKnows(
      long sizeBytes, String flags, int minimum, String difference) throws Exception {
    DeviceGeometry known = new DeviceGeometry(1 << 20, 512, 4096, false, true, true, 4096, true);
    int needed =
        NbdProtocol.FLAG_SEND_FLUSH
            | NbdProtocol.FLAG_SEND_TRIM
            | NbdProtocol.FLAG_SEND_WRITE_ZEROES;
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(sizeBytes, Integer.decode(flags)));
    info.add(blockSizes(minimum, 4096, 32 << 20));
    assertThat(info.build().difference(known, needed).orElse("")).startsWith(difference);
    assertThat(info.build().difference(known, needed).isEmpty()).isEqualTo(difference.isEmpty());
  }

  @Test
  void aVolatileCacheThatNobodyFlushesIsNotTakenInExchange() throws Exception {
    DeviceGeometry known = new DeviceGeometry(1 << 20, 512, 4096, false, false, false, 0, false);
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(1 << 20, NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_FLUSH));
    assertThat(info.build().difference(known, 0).orElseThrow()).contains("volatile cache");
  }

  /** A server that was updated while it was away may offer more than before. */
  @Test
  void whatWeDoNotUseMakesNoOtherExport() throws Exception {
    int cacheAndFastZero = 1 << 10 | 1 << 11;
    ExportInfo.Builder before = new ExportInfo.Builder();
    before.add(export(8192, NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_FLUSH));
    ExportInfo.Builder after = new ExportInfo.Builder();
    after.add(
        export(8192, NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_SEND_FLUSH | cacheAndFastZero));
    assertThat(after.build()).isEqualTo(before.build());
  }

  @ParameterizedTest
  @CsvSource({
    "1, 65535, 61440",
    "1, 4096, 4096",
    "1, 4095, 3584",
    "8, 2098, 2048",
    "2048, 3000, 2048",
    "1, 512, 512",
  })
  void requestsAreOfWholePagesOrSectors(int minimum, int maximum, int taken) throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(1 << 20, NbdProtocol.FLAG_HAS_FLAGS));
    info.add(blockSizes(minimum, 4096, maximum));
    assertThat(info.build().maximumPayloadBytes()).isEqualTo(taken);
  }

  @ParameterizedTest
  @CsvSource({"1, 511", "8192, 65536"})
  void aServerThatTakesNoSectorsIsNoDisk(int minimum, int maximum) throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(1 << 20, NbdProtocol.FLAG_HAS_FLAGS));
    info.add(blockSizes(minimum, 8192, maximum));
    ExportInfo built = info.build();
    assertThatThrownBy(() -> built.geometry(URI, false))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("a disk needs some of 512 to 4096");
  }

  @Test
  void aReadOnlyExportIsNotServedWritable() throws Exception {
    ExportInfo.Builder info = new ExportInfo.Builder();
    info.add(export(8192, NbdProtocol.FLAG_HAS_FLAGS | NbdProtocol.FLAG_READ_ONLY));
    assertThat(info.build().geometry(URI, true).readOnly()).isTrue();
    assertThatThrownBy(() -> info.build().geometry(URI, false))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("exported read-only");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 4096, 65536",
    "3, 4096, 65536",
    "-2147483648, 4096, 65536",
    "4096, 512, 65536",
    "512, 4095, 65536",
    "4096, 4096, 512",
  })
  void blockSizesThatCannotBeAreRefused(int minimum, int preferred, int maximum) {
    assertThatThrownBy(() -> new ExportInfo.Builder().add(blockSizes(minimum, preferred, maximum)))
        .isInstanceOf(NbdProtocolException.class)
        .hasMessageContaining("expected powers of two");
  }

  @Test
  void infosThatAreCutShortAreRefused() {
    for (ByteBuffer whole : new ByteBuffer[] {export(8192, 1), blockSizes(1, 4096, 65536)}) {
      for (int length = 0; length < whole.capacity(); length++) {
        ByteBuffer part = whole.slice(0, length);
        assertThatThrownBy(() -> new ExportInfo.Builder().add(part))
            .as("%d of %d bytes", length, whole.capacity())
            .isInstanceOf(NbdProtocolException.class);
      }
    }
    assertThatThrownBy(() -> new ExportInfo.Builder().build())
        .isInstanceOf(NbdProtocolException.class)
        .hasMessageContaining("expected NBD_INFO_EXPORT");
    assertThatThrownBy(() -> new ExportInfo.Builder().add(export(-1, 1)))
        .isInstanceOf(NbdProtocolException.class)
        .hasMessageContaining("8 EiB");
  }

  @Test
  void anOversizedReplyIsRefusedBeforeAnythingIsAllocated() {
    for (int length : new int[] {OptionReply.MAX_PAYLOAD_BYTES + 1, Integer.MAX_VALUE, -1}) {
      assertThatThrownBy(() -> OptionReply.parse(reply(NbdProtocol.OPT_GO, 1, length), 7))
          .isInstanceOf(NbdProtocolException.class)
          .hasMessageContaining("of at most");
    }
    assertThatThrownBy(() -> OptionReply.parse(reply(NbdProtocol.OPT_LIST, 1, 0), 7))
        .isInstanceOf(NbdProtocolException.class)
        .hasMessageContaining("found one to 3");
  }

  @Test
  void noInputBreaksAParser() {
    Random random = new Random(SEED);
    for (int run = 0; run < FUZZ_RUNS; run++) {
      byte[] data = new byte[random.nextInt(40)];
      random.nextBytes(data);
      if (data.length > 2 && random.nextBoolean()) {
        data[0] = (byte) (random.nextBoolean() ? 12 : 14);
        data[1] = 0;
        data[2] = (byte) random.nextInt(4);
      }
      NbdClientFuzz.infos(data);
      NbdClientFuzz.negotiation(data);
      NbdClientFuzz.simpleReplies(data);
    }
  }

  private static ByteBuffer export(long sizeBytes, int flags) {
    ByteBuffer info = ByteBuffer.allocate(12);
    return info.putShort((short) NbdProtocol.INFO_EXPORT)
        .putLong(sizeBytes)
        .putShort((short) flags)
        .flip();
  }

  private static ByteBuffer blockSizes(int minimum, int preferred, int maximum) {
    ByteBuffer info = ByteBuffer.allocate(14);
    return info.putShort((short) NbdProtocol.INFO_BLOCK_SIZE)
        .putInt(minimum)
        .putInt(preferred)
        .putInt(maximum)
        .flip();
  }

  private static ByteBuffer reply(int option, int type, int length) {
    ByteBuffer header = ByteBuffer.allocate(NbdProtocol.OPTION_REPLY_BYTES);
    return header
        .putLong(NbdProtocol.OPTION_REPLY_MAGIC)
        .putInt(option)
        .putInt(type)
        .putInt(length)
        .flip();
  }
}
