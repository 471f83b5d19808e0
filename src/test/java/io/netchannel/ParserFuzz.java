package io.netchannel;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.nbd.NbdClientFuzz;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.remote.RemoteAddressFuzz;
import io.netchannel.server.nbd.NbdServerFuzz;
import io.netchannel.wire.WireFuzz;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * All targets in one, as a fuzzer's start takes longer than a look at one parser: the first byte of
 * the input says which parser the rest is for.
 */
public final class ParserFuzz {
  /** Far less than a second's: a target that is not reached is no target. */
  private static final int ENOUGH_RUNS = 1000;

  /**
   * A target.
   *
   * @param name of its parser
   * @param run gives it an input
   * @param seeds inputs to begin with, where chance alone would take long to find a good one
   */
  record Target(String name, Consumer<byte[]> run, List<byte[]> seeds) {
    /** What is printed when it was run often enough. */
    String wasRun() {
      return "at least %d runs of: %s".formatted(ENOUGH_RUNS, name);
    }

    private static Target of(String name, Consumer<byte[]> run, byte[]... seeds) {
      return new Target(name, run, List.of(seeds));
    }
  }

  static final ImmutableList<Target> TARGETS =
      ImmutableList.of(
          Target.of("wire frames", WireFuzz.Frames::fuzzerTestOneInput),
          Target.of("wire ATTACH", WireFuzz.AttachPayload::fuzzerTestOneInput),
          Target.of("wire ATTACHED", WireFuzz.AttachedPayload::fuzzerTestOneInput),
          Target.of("wire ATTACHED to USB", WireFuzz.AttachedUsbPayload::fuzzerTestOneInput),
          Target.of("wire EXTENTS", WireFuzz.ZeroRunsPayload::fuzzerTestOneInput),
          Target.of("wire MOVED", WireFuzz.MovedPayload::fuzzerTestOneInput),
          Target.of(
              "netchannel: source",
              RemoteAddressFuzz::fuzzerTestOneInput,
              text("//hosta:16516/disk"),
              text("//[2001:db8::1]/disk"),
              text("//[fe80::1%25eth0]:16516/disk"),
              text("///disk?socket=/run/server.sock")),
          Target.of(
              "nbd: source",
              NbdClientFuzz.Uris::fuzzerTestOneInput,
              text("nbd://hosta:10809/disk?reconnect=10"),
              text("nbd://[2001:db8::1]/%20?cache=writethrough"),
              text("nbd://%25w/disk"),
              text("nbd://[fe80::1%25eth0]:1/disk"),
              text("nbd+unix:///disk?socket=/run/a%20b.sock&reconnect=10")),
          Target.of(
              "NBD server's negotiation",
              NbdClientFuzz.Negotiation::fuzzerTestOneInput,
              serversNegotiation()),
          Target.of("NBD server's infos", NbdClientFuzz.Infos::fuzzerTestOneInput),
          Target.of("NBD server's replies", NbdClientFuzz.SimpleReplies::fuzzerTestOneInput),
          Target.of(
              "NBD client's options", NbdServerFuzz.Options::fuzzerTestOneInput, clientsOption()),
          Target.of("NBD client's wishes", NbdServerFuzz.Wishes::fuzzerTestOneInput),
          Target.of("NBD client's requests", NbdServerFuzz.Requests::fuzzerTestOneInput));

  private static final long[] runs = new long[TARGETS.size()];

  private ParserFuzz() {}

  /** As Jazzer calls it. */
  public static void fuzzerTestOneInput(byte[] input) {
    if (input.length > 0) {
      int number = (input[0] & 0xff) % TARGETS.size();
      Target target = TARGETS.get(number);
      target.run.accept(Arrays.copyOfRange(input, 1, input.length));
      runs[number]++;
      if (runs[number] == ENOUGH_RUNS) {
        System.out.println(target.wasRun());
      }
    }
  }

  private static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] serversNegotiation() {
    ByteBuffer bytes = ByteBuffer.allocate(100);
    bytes.putLong(NbdProtocol.SERVER_MAGIC).putLong(NbdProtocol.OPTION_MAGIC).putShort((short) 3);
    reply(bytes, NbdProtocol.REP_INFO, 12).putShort((short) NbdProtocol.INFO_EXPORT);
    bytes.putLong(1 << 20).putShort((short) NbdProtocol.FLAG_HAS_FLAGS);
    return array(reply(bytes, NbdProtocol.REP_ACK, 0));
  }

  private static ByteBuffer reply(ByteBuffer bytes, int type, int length) {
    bytes.putLong(NbdProtocol.OPTION_REPLY_MAGIC).putInt(NbdProtocol.OPT_GO);
    return bytes.putInt(type).putInt(length);
  }

  private static byte[] clientsOption() {
    ByteBuffer bytes = ByteBuffer.allocate(100);
    bytes.putInt(3).putLong(NbdProtocol.OPTION_MAGIC).putInt(NbdProtocol.OPT_GO).putInt(10);
    return array(bytes.putInt(4).put(text("disk")).putShort((short) 0));
  }

  private static byte[] array(ByteBuffer bytes) {
    byte[] found = new byte[bytes.flip().remaining()];
    bytes.get(found);
    return found;
  }
}
