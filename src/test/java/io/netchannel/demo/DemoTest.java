package io.netchannel.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Devices;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Outcome;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole demo with a small load; and that its verdicts fail when a disk is not to be trusted.
 */
final class DemoTest {
  private static final long SEED = 20080305;

  /** Often enough that a lost write is not overwritten by luck every time. */
  private static final int LOSES_EVERY = 40;

  @TempDir private Path output;

  private final StringWriter console = new StringWriter();

  @Test
  void everyVerdictHolds() throws Exception {
    int exitCode = run(UnaryOperator.identity());

    assertThat(exitCode).as("%s", console).isZero();
    JsonNode report = report();
    assertThat(report.path("verdict").asText()).isEqualTo("pass");
    assertThat(failed(report)).isEmpty();
    assertThat(report.path("migrations")).hasSize(3);
    for (JsonNode migration : report.path("migrations")) {
      assertThat(migration.path("pending").asInt())
          .as("requests handed over: %s", migration.path("title"))
          .isPositive()
          .isEqualTo(migration.path("outstanding").asInt());
    }
    assertThat(report.path("migrations").findValuesAsText("moved"))
        .containsExactly("true", "false", "true");
    assertThat(console.toString()).contains("TAKE_OVER", "ABORT", "COMMIT", "All verdicts hold");
    assertThat(output.resolve("report.html")).content().contains("<svg", "all 12 verdicts hold");
  }

  @Test
  void lostWritesAreFound() throws Exception {
    AtomicInteger writes = new AtomicInteger();

    int exitCode =
        run(
            devices ->
                (source, options) ->
                    new LosingDevice(devices.open(source, options), writes, LOSES_EVERY));

    assertThat(exitCode).as("%s", console).isEqualTo(1);
    JsonNode report = report();
    assertThat(report.path("verdict").asText()).isEqualTo("fail");
    assertThat(failed(report))
        .anyMatch(name -> name.startsWith("the disk:"))
        .anyMatch(name -> name.startsWith("the guest:"));
    assertThat(console.toString()).contains("FAILED", "a write was lost");
  }

  private int run(UnaryOperator<Devices> wrapDevices) throws Exception {
    return new Demo(new PrintWriter(console), Load.small(SEED), true, wrapDevices).run(output);
  }

  private JsonNode report() throws Exception {
    return new ObjectMapper().readTree(Files.readString(output.resolve("report.json")));
  }

  private static List<String> failed(JsonNode report) {
    List<String> names = new ArrayList<>();
    for (JsonNode verdict : report.path("verdicts")) {
      if (!verdict.path("holds").asBoolean()) {
        names.add(verdict.path("name").asText());
      }
    }
    return names;
  }

  /** Says that every write is done, and does not do each Nth. */
  private static final class LosingDevice extends ForwardingDevice {
    private final AtomicInteger writes;
    private final int every;

    LosingDevice(Device device, AtomicInteger writes, int every) {
      super(device);
      this.writes = writes;
      this.every = every;
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      if (writes.incrementAndGet() % every == 0) {
        completion.complete(Outcome.OK);
      } else {
        super.write(offsetBytes, data, completion);
      }
    }
  }
}
