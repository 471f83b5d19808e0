package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.StorageState;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.InflightTables;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.BlockOperation;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.Writer;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

final class BlockMidPointTraceTest {
  /** What is told at the end of {@link #busy} when nobody goes on. */
  private static final String ENDED =
      """
      2 drop
      1 done
      3 hold
      1 drop
      3 drop
      retire
      """;

  private final Clock clock = Clock.fixed(Instant.ofEpochSecond(1, 2_000), ZoneOffset.UTC);

  @Test
  void aRequestFromTakeToSeen() {
    StringWriter out = new StringWriter();
    serveOneWrite(out);
    assertThat(out.toString().lines())
        .containsExactly(
            "{\"t\":1000002,\"gen\":5,\"e\":\"serve\"}",
            "{\"t\":1000002,\"gen\":5,\"seq\":1,\"e\":\"take\",\"q\":0,\"id\":3,\"op\":\"write\",\"off\":4096,\"len\":512}",
            "{\"t\":1000002,\"gen\":5,\"seq\":1,\"e\":\"issue\"}",
            "{\"t\":1000002,\"gen\":5,\"seq\":1,\"e\":\"done\",\"outcome\":\"ok\"}",
            "{\"t\":1000002,\"gen\":5,\"seq\":1,\"e\":\"answer\",\"status\":\"okay\"}",
            "{\"t\":1000002,\"gen\":5,\"seq\":1,\"e\":\"seen\"}");
  }

  @Test
  void aTraceThatCannotBeWrittenDisturbsNobody() {
    serveOneWrite(
        new Writer() {
          @Override
          public void write(char[] buffer, int offset, int length) throws IOException {
            throw new IOException("no space left");
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        });
  }

  /** At once, although the mid-point has nothing else to do: it tells when the manifest came. */
  @Test
  void whatIsStagedIsWrittenAtOnce() {
    StringWriter out = new StringWriter();
    BufferedWriter buffered = new BufferedWriter(out);
    BlockMidPoint midPoint =
        midPoint(new SimulatedHost(new Random(1), new Storage(1 << 14), false), buffered);
    CompletableFuture<Void> staged =
        midPoint
            .stage(new BlockManifest(4, 1 << 14, 0, List.of()))
            .thenRun(
                () ->
                    assertThat(out)
                        .hasToString("{\"t\":1000002,\"gen\":4,\"e\":\"stage\",\"pending\":0}\n"));
    midPoint.doWork();
    assertThat(staged).isCompleted();
  }

  /** Its custody was told a moment before the write was answered, with nothing unflushed. */
  @Test
  void aWriteAnsweredDuringTheSealTravelsAsUnflushed() {
    Authority authority = new Authority(new Random(1), new Storage(1 << 14), false);
    authority.state = new StorageState(new UUID(0, 9), false);
    SimulatedHost host =
        new SimulatedHost(
            new Random(1), () -> ScriptedDevice.of(authority, Optional.empty()), false);
    SharedRings rings = new SharedRings(1);
    host.await(host.midPoint.serve(host.device, 5));
    host.disk.connect(rings);
    host.work();
    authority.afterCustody = host.device::completeAll;
    rings.push(
        0, new SharedRings.Request(3, BlockOperation.WRITE, 4096, 512, DiskModel.content(1)));
    host.work();
    CompletableFuture<BlockManifest> sealed = host.midPoint.seal(Duration.ofSeconds(1));
    host.work();
    BlockManifest manifest = sealed.join();
    assertThat(manifest.entries()).hasSize(1);
    assertThat(manifest.entries().get(0).state()).isEqualTo(BlockManifest.State.DONE);
    assertThat(manifest.storage()).contains(new StorageState(new UUID(0, 9), true));
  }

  @Test
  void whatIsHeardOfALeftRequestIsNotToldTwice() {
    StringWriter out = new StringWriter();
    Authority authority = new Authority(new Random(1), new Storage(1 << 14), false);
    SimulatedHost host =
        new SimulatedHost(
            new Random(1), () -> ScriptedDevice.of(authority, Optional.empty()), false);
    SharedRings rings = new SharedRings(1);
    host.midPoint = midPoint(host, out);
    host.await(host.midPoint.serve(host.device, 5));
    host.disk.connect(rings);
    host.work();
    rings.push(
        0, new SharedRings.Request(3, BlockOperation.WRITE, 4096, 512, DiskModel.content(1)));
    host.work();
    CompletableFuture<BlockManifest> sealed = host.midPoint.seal(Duration.ofSeconds(1));
    host.work();
    assertThat(sealed).isCompleted();
    host.device.completeAll();
    host.work();
    assertThat(out.toString()).contains("\"state\":\"issued\"").doesNotContain("\"done\"");
    host.await(host.midPoint.unseal(7));
    host.work();
    assertThat(rings.queues.get(0).responses).as("aborted: it is answered here").hasSize(1);
  }

  /** A write at the device, one that waits for it, and a flush with data that has three steps. */
  private SimulatedHost busy(Writer out, InflightTable inflight) {
    SimulatedHost host = new SimulatedHost(new Random(1), new Storage(1 << 14), false);
    SharedRings rings = new SharedRings(1);
    host.midPoint = midPoint(host, out, inflight);
    host.await(host.midPoint.serve(host.device, 5));
    host.disk.connect(rings);
    host.work();
    push(rings, 1, BlockOperation.WRITE, 0);
    push(rings, 2, BlockOperation.WRITE, 0);
    push(rings, 3, BlockOperation.FLUSH, 512);
    host.work();
    assertThat(host.device.running).hasSize(2);
    return host;
  }

  private static void push(SharedRings rings, long id, BlockOperation operation, long offset) {
    rings.push(0, new SharedRings.Request(id, operation, offset, 512, DiskModel.content(id)));
  }

  /** What was written to a trace after {@link #busy}: sequences and events. */
  private static String told(StringWriter out) {
    return out.toString()
        .lines()
        .skip(6)
        .map(line -> line.replaceAll(".*?(?:\"seq\":(\\d+),)?\"e\":\"(\\w+)\".*", "$1 $2").strip())
        .collect(Collectors.joining("\n", "", "\n"));
  }

  @Test
  void whatIsAtTheDeviceOfADomainThatHasGoneHasItsOutcome() {
    StringWriter out = new StringWriter();
    SimulatedHost host =
        busy(out, InflightTables.inMemory(BlockMidPoint.INFLIGHT, SimulatedHost.LIMITS.common()));
    host.midPoint.abandon();
    host.midPoint.close();
    assertThat(told(out)).isEqualTo(ENDED);
    host.midPoint.close();
    assertThat(told(out)).as("closed again").isEqualTo(ENDED);
    assertThat(host.midPoint.status().state()).isEqualTo(MidPoint.State.RETIRED);
  }

  /** Its frontend has gone and it waits for the device when the daemon ends. */
  @Test
  void whatIsAtTheDeviceOfADepartingFrontendHasItsOutcome() {
    StringWriter out = new StringWriter();
    SimulatedHost host =
        busy(out, InflightTables.inMemory(BlockMidPoint.INFLIGHT, SimulatedHost.LIMITS.common()));
    host.disk.disconnect(VirtualDevice.State.GONE);
    host.work();
    host.midPoint.close();
    assertThat(told(out)).isEqualTo(ENDED);
  }

  @Test
  void whatTheNextProcessGoesOnWithHasNoOutcomeYet() {
    StringWriter out = new StringWriter();
    InflightTable inflight =
        InflightTables.inMemory(BlockMidPoint.INFLIGHT, SimulatedHost.LIMITS.common());
    busy(out, inflight).midPoint.close();
    assertThat(told(out)).isEqualTo("\n");
    assertThat(inflight.recovered()).hasSize(3);
  }

  /** A process that is killed between the two leaves none without an outcome. */
  @Test
  void theTraceIsWrittenBeforeTheInflightFileForgets() {
    InflightTable inflight =
        InflightTables.inMemory(BlockMidPoint.INFLIGHT, SimulatedHost.LIMITS.common());
    List<Integer> remembered = new ArrayList<>();
    StringWriter out = new StringWriter();
    BufferedWriter buffered =
        new BufferedWriter(out) {
          @Override
          public void flush() throws IOException {
            super.flush();
            if (out.toString().contains("retire")) {
              remembered.add(inflight.recovered().size());
            }
          }
        };
    SimulatedHost host = busy(buffered, inflight);
    host.midPoint.abandon();
    host.midPoint.close();
    assertThat(remembered).first().isEqualTo(3);
    assertThat(inflight.recovered()).isEmpty();
  }

  private BlockMidPoint midPoint(SimulatedHost host, Writer out) {
    return midPoint(
        host, out, InflightTables.inMemory(BlockMidPoint.INFLIGHT, SimulatedHost.LIMITS.common()));
  }

  private BlockMidPoint midPoint(SimulatedHost host, Writer out, InflightTable inflight) {
    return new BlockMidPoint(
        new MidPointId("guest", new UUID(0, 1), 7, "xvdb"),
        host.disk,
        inflight,
        SimulatedHost.LIMITS,
        MidPointTrace.to(out, clock),
        () -> 0,
        () -> {});
  }

  private void serveOneWrite(Writer out) {
    SimulatedHost host = new SimulatedHost(new Random(1), new Storage(1 << 14), false);
    SharedRings rings = new SharedRings(1);
    BlockMidPoint midPoint = midPoint(host, out);
    host.midPoint = midPoint;
    host.await(midPoint.serve(host.device, 5));
    host.disk.connect(rings);
    host.work();
    rings.push(
        0, new SharedRings.Request(3, BlockOperation.WRITE, 4096, 512, DiskModel.content(1)));
    for (int i = 0; i < 5; i++) {
      host.work();
      host.device.completeAll();
    }
    rings.queues.get(0).responseConsumer = 1;
    host.work();
    assertThat(rings.queues.get(0).responses).hasSize(1);
    assertThat(midPoint.status().bytesWritten()).isEqualTo(512);
  }
}
