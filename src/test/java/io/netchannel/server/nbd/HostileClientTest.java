package io.netchannel.server.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import io.netchannel.device.nbd.NbdProtocol;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What clients do wrong ends or delays their own connection, and nothing else. */
@Timeout(120)
class HostileClientTest {
  private static final int SIZE_BYTES = 8 << 20;
  private static final long SEED = 43;
  private static final int FUZZ_RUNS = 20_000;

  @TempDir Path directory;
  private Path socket;
  private final MemoryDisk disk = new MemoryDisk(SIZE_BYTES);
  final NbdExport export = new NbdExport("disk", "", disk, false);
  private ServerOnThreads server;
  private RawClient witness;

  @BeforeEach
  void serve() throws Exception {
    socket = directory.resolve("nbd.sock");
    server = ServerOnThreads.of(List.of(export), mayWait());
    server.listen(socket);
    witness = new RawClient(socket).go("disk");
  }

  /** The witness is served as if nothing had been. */
  @AfterEach
  void serveOthersOn() throws Exception {
    witness.request(0, NbdProtocol.CMD_READ, 7, 0, 512);
    assertThat(witness.answer(7)).isZero();
    assertThat(witness.read(512).remaining()).isEqualTo(512);
    witness.close();
    server.close();
  }

  /** The kind of server that is tested: whether each client has a thread of its own. */
  boolean mayWait() {
    return true;
  }

  private RawClient client() throws Exception {
    return new RawClient(socket);
  }

  @Test
  void unknownClientFlagsEndTheConnection() throws Exception {
    try (RawClient client = client()) {
      client.greet(0x1003).awaitEnd();
    }
  }

  @Test
  void whatIsNoOptionEndsTheConnection() throws Exception {
    try (RawClient client = client()) {
      client
          .greet(3)
          .send(ByteBuffer.wrap("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII)));
      client.awaitEnd();
    }
  }

  @ParameterizedTest
  @CsvSource({"65537", "2147483647", "-1"})
  void anOptionOfAbsurdLengthEndsTheConnection(int length) throws Exception {
    try (RawClient client = client()) {
      client.greet(3).optionHeader(NbdProtocol.OPT_GO, length).awaitEnd();
    }
  }

  @Test
  void aLongOptionIsRefusedAndTheNextIsTaken() throws Exception {
    try (RawClient client = client()) {
      client.greet(3).option(NbdProtocol.OPT_GO, ByteBuffer.allocate(60_000));
      assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_ERR_TOO_BIG);
      client.option(NbdProtocol.OPT_LIST, ByteBuffer.allocate(0));
      assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_SERVER);
    }
  }

  @Test
  void unknownOptionsAreRefusedAndTheNextIsTaken() throws Exception {
    int startTls = 5;
    int structuredReply = 8;
    int setMetaContext = 10;
    try (RawClient client = client()) {
      client.greet(3);
      for (int option : new int[] {startTls, structuredReply, setMetaContext, 0, -1, 99}) {
        client.option(option, ByteBuffer.allocate(3));
        assertThat(client.reply().type()).as("%d", option).isEqualTo(NbdProtocol.REP_ERR_UNSUP);
      }
      client.option(NbdProtocol.OPT_ABORT, ByteBuffer.allocate(0));
      assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_ACK);
      client.awaitEnd();
    }
  }

  @Test
  void malformedWishesAreRefused() throws Exception {
    ByteBuffer good = RawClient.wish("disk");
    try (RawClient client = client()) {
      client.greet(3);
      for (int length = 0; length < good.remaining(); length++) {
        client.option(NbdProtocol.OPT_GO, good.slice(0, length));
        assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_ERR_INVALID);
      }
      for (int length : new int[] {-1, Integer.MAX_VALUE, 5, 4097}) {
        ByteBuffer bad = RawClient.wish("disk").putInt(0, length);
        client.option(NbdProtocol.OPT_INFO, bad);
        assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_ERR_INVALID);
      }
      ByteBuffer noText = RawClient.wish("disk").put(5, (byte) 0xff);
      client.option(NbdProtocol.OPT_INFO, noText);
      assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_ERR_INVALID);
      client.option(NbdProtocol.OPT_LIST, ByteBuffer.allocate(1));
      assertThat(client.reply().type()).isEqualTo(NbdProtocol.REP_ERR_INVALID);
      client.option(NbdProtocol.OPT_GO, RawClient.wish("other"));
      RawClient.Reply unknown = client.reply();
      assertThat(unknown.type()).isEqualTo(NbdProtocol.REP_ERR_UNKNOWN);
      assertThat(unknown.text()).contains("\"other\"");
    }
  }

  @Test
  void anUnknownExportInTheOldWayEndsTheConnection() throws Exception {
    try (RawClient client = client()) {
      client.greet(3).option(NbdProtocol.OPT_EXPORT_NAME, ByteBuffer.wrap(new byte[] {'x'}));
      client.awaitEnd();
    }
  }

  @Test
  void aConnectionCutShortAnywhereIsAnEnd() throws Exception {
    ByteBuffer all = ByteBuffer.allocate(200);
    all.putInt(3).putLong(NbdProtocol.OPTION_MAGIC).putInt(NbdProtocol.OPT_GO);
    ByteBuffer wish = RawClient.wish("disk");
    all.putInt(wish.remaining()).put(wish);
    all.put(RawClient.header(0, NbdProtocol.CMD_WRITE, 1, 0, 512)).put(new byte[100]).flip();
    for (int length = 0; length < all.limit(); length++) {
      try (RawClient client = client()) {
        client.send(all.slice(0, length));
        client.shutdownOutput();
        client.awaitEnd();
      }
    }
    assertThat(disk.content(0, 512)).as("nothing of half a write").containsOnly(0);
  }

  @Test
  void whatIsNoRequestEndsTheConnection() throws Exception {
    try (RawClient client = client().go("disk")) {
      client.send(ByteBuffer.allocate(NbdProtocol.REQUEST_BYTES)).awaitEnd();
    }
    try (RawClient client = client().go("disk")) {
      client.request(0, NbdProtocol.CMD_WRITE, 1, 0, RequestHeader.MAX_PAYLOAD_BYTES + 1);
      client.awaitEnd();
    }
    try (RawClient client = client().go("disk")) {
      client.request(0, NbdProtocol.CMD_WRITE, 1, 0, -1).awaitEnd();
    }
  }

  @ParameterizedTest
  @CsvSource({
    // flags, command, offset, length, error
    "0, 0, 1, 512, 22", // not aligned
    "0, 0, 512, 513, 22",
    "0, 0, 8388608, 512, 22", // behind the end
    "0, 0, 8388096, 1024, 22",
    "0, 0, -512, 512, 22",
    "0, 0, 9223372036854775296, 1024, 22",
    "0, 0, 0, -512, 22", // nearly 4 GiB
    "0, 1, 8388608, 512, 28",
    "0, 1, -512, 512, 28",
    "0, 6, 8388096, 1024, 28",
    "0, 4, 8388096, 1024, 22",
    "2, 0, 0, 512, 22", // flags that the command has not
    "2, 1, 0, 512, 22",
    "16, 6, 0, 512, 22",
    "0, 3, 512, 0, 22", // a flush of a range
    "0, 3, 0, 512, 22",
    "0, 5, 0, 512, 22", // commands that are not offered, or do not exist
    "0, 7, 0, 512, 22",
    "0, 8, 0, 512, 22",
    "0, 65535, 0, 512, 22",
  })
  void aRequestThatCannotBeIsRefusedAndTheNextIsServed(
      int flags, int command, long offset, int length, int error) throws Exception {
    try (RawClient client = client().go("disk")) {
      client.request(flags, command, 11, offset, length);
      if (command == NbdProtocol.CMD_WRITE) {
        client.send(ByteBuffer.allocate(length));
      }
      assertThat(client.answer(11)).isEqualTo(error);
      client.request(0, NbdProtocol.CMD_READ, 12, 0, 512);
      assertThat(client.answer(12)).isZero();
    }
  }

  @Test
  void aClientThatTakesNoRepliesHoldsBoundedMemory() throws Exception {
    try (RawClient client = client().go("disk")) {
      // 1 GiB of replies: they would not fit into this process.
      ByteBuffer requests = ByteBuffer.allocate(1024 * NbdProtocol.REQUEST_BYTES);
      for (int i = 0; i < 1024; i++) {
        requests.put(RawClient.header(0, NbdProtocol.CMD_READ, i, 0, 1 << 20));
      }
      client.send(requests.flip());
      serveOthers();
      for (int i = 0; i < 1024; i++) {
        assertThat(client.answer(i)).isZero();
        assertThat(client.read(1 << 20).remaining()).isEqualTo(1 << 20);
      }
    }
  }

  /** It could ask for 512 times 4 GiB, and all who come after would wait for that. */
  @ParameterizedTest
  @EnumSource(names = {"OK", "UNSUPPORTED"})
  void zeroesAreNotMadeOnForAClientThatHasGone(Outcome zeroes) throws Exception {
    disk.failZeroes(zeroes, zeroes);
    witness.request(0, NbdProtocol.CMD_WRITE, 5, 6 << 20, 512);
    witness.send(ByteBuffer.wrap("x".repeat(512).getBytes(StandardCharsets.US_ASCII)));
    assertThat(witness.answer(5)).isZero();
    disk.hold();
    try (RawClient client = client().go("disk")) {
      client.request(0, NbdProtocol.CMD_WRITE_ZEROES, 1, 0, SIZE_BYTES);
      while (disk.held() == 0) {
        Thread.sleep(1); // the first part comes to the disk; the bound is the test's
      }
    }
    while (!export.isEnding()) {
      Thread.sleep(1); // likewise
    }
    disk.release();
    serveOthers();
    assertThat(disk.content(6 << 20, 512)).containsOnly('x');
  }

  private void serveOthers() throws Exception {
    try (RawClient other = client().go("disk")) {
      other.request(0, NbdProtocol.CMD_READ, 1, 0, 4096);
      assertThat(other.answer(1)).isZero();
    }
  }

  @Test
  void whoDoesNotNegotiateIsSentAway() throws Exception {
    Path quick = directory.resolve("quick.sock");
    try (ServerOnThreads impatient =
        ServerOnThreads.of(
            List.of(new NbdExport("", "", disk, false)), mayWait(), Duration.ofMillis(50))) {
      impatient.listen(quick);
      try (RawClient client = new RawClient(quick)) {
        client.greet(3).awaitEnd();
      }
    }
  }

  @Test
  void thereAreOnlySoManyConnections() throws Exception {
    RawClient[] clients = new RawClient[NbdServer.MAX_CONNECTIONS - 1];
    for (int i = 0; i < clients.length; i++) {
      clients[i] = client().go("disk");
    }
    try (RawClient one = client().go("disk")) {
      one.awaitEnd();
    }
    for (RawClient client : clients) {
      client.close();
    }
  }

  /** Who says nothing is closed for who comes, long before it would be for being slow. */
  @Test
  void silentConnectionsKeepNobodyOut() throws Exception {
    Path patient = directory.resolve("patient.sock");
    List<RawClient> silent = new ArrayList<>();
    try (ServerOnThreads slow =
        ServerOnThreads.of(
            List.of(new NbdExport("disk", "", disk, false)), mayWait(), Duration.ofHours(1))) {
      slow.listen(patient);
      for (int i = 0; i < 2 * NbdServer.MAX_CONNECTIONS; i++) {
        silent.add(new RawClient(patient));
      }
      silent.get(0).awaitEnd();
      try (RawClient one = new RawClient(patient).go("disk")) {
        one.request(0, NbdProtocol.CMD_READ, 1, 0, 512);
        assertThat(one.answer(1)).isZero();
        assertThat(one.read(512).remaining()).isEqualTo(512);
        RawClient first = new RawClient(patient);
        silent.add(first);
        // More than there are places: several threads let them in, each at its own pace.
        for (int i = 0; i < 2 * NbdServer.MAX_CONNECTIONS; i++) {
          silent.add(new RawClient(patient));
        }
        first.awaitEnd();
        one.request(0, NbdProtocol.CMD_READ, 2, 0, 512);
        assertThat(one.answer(2)).as("it has no place to lose").isZero();
      }
      for (RawClient client : silent) {
        client.close();
      }
    }
  }

  @Test
  void noInputBreaksAParser() {
    Random random = new Random(SEED);
    for (int run = 0; run < FUZZ_RUNS; run++) {
      byte[] data = new byte[random.nextInt(120)];
      random.nextBytes(data);
      ByteBuffer start = ByteBuffer.wrap(data);
      if (data.length >= 28 && random.nextBoolean()) {
        start.putInt(0, NbdProtocol.REQUEST_MAGIC);
        start.putShort(6, (short) random.nextInt(8));
        start.putLong(16, random.nextInt() & -512L);
        start.putInt(24, random.nextInt(1 << 21) & -512);
      } else if (data.length >= 20 && random.nextBoolean()) {
        start.putInt(0, random.nextInt(4)).putLong(4, NbdProtocol.OPTION_MAGIC);
        start.putInt(16, random.nextInt(data.length));
      } else if (data.length >= 6 && random.nextBoolean()) {
        start.putInt(0, random.nextInt(data.length));
      }
      NbdServerFuzz.requests(data);
      NbdServerFuzz.options(data);
      NbdServerFuzz.Wishes.fuzzerTestOneInput(data);
    }
  }
}
