package io.netchannel.device.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.SourceFilter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TraceFilterTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.ofEpochSecond(1_700_000_000L, 123_456_789), ZoneOffset.UTC);

  @TempDir Path directory;
  private final HeldDevice device = new HeldDevice();
  private final List<Outcome> outcomes = new ArrayList<>();

  @Test
  void eachRequestHasALineAtItsBeginAndOneAtItsEnd() throws Exception {
    Path trace = directory.resolve("vdb.jsonl");
    try (Device traced = TraceFilter.parse(trace.toString(), CLOCK).around(device)) {
      traced.write(4096, BlockBuffers.allocate(8192), outcomes::add);
      traced.flush(outcomes::add);
      traced.zero(512, 1024, true, outcomes::add);
      assertThat(Requests.zeros(traced, 0, 512)).containsExactly(new Extents.Run(0, 512));
      device.completions.get(2).complete(Outcome.UNSUPPORTED);
      device.completions.get(1).complete(Outcome.OK);
      device.completions.get(0).complete(Outcome.NO_SPACE);
    }
    assertThat(outcomes).containsExactly(Outcome.UNSUPPORTED, Outcome.OK, Outcome.NO_SPACE);
    assertThat(device.arrived).contains("zero 512+1024, a hole will do");
    assertThat(device.closed).isTrue();
    String t = "{\"t\":1700000000123456,";
    assertThat(Files.readAllLines(trace))
        .containsExactly(
            t + "\"e\":\"open\",\"size\":1048576}",
            t + "\"e\":\"begin\",\"n\":1,\"op\":\"write\",\"off\":4096,\"len\":8192}",
            t + "\"e\":\"begin\",\"n\":2,\"op\":\"flush\",\"off\":0,\"len\":0}",
            t + "\"e\":\"begin\",\"n\":3,\"op\":\"zero\",\"off\":512,\"len\":1024}",
            t + "\"e\":\"end\",\"n\":3,\"op\":\"zero\",\"outcome\":\"unsupported\"}",
            t + "\"e\":\"end\",\"n\":2,\"op\":\"flush\",\"outcome\":\"ok\"}",
            t + "\"e\":\"end\",\"n\":1,\"op\":\"write\",\"outcome\":\"no_space\"}",
            t + "\"e\":\"close\"}");
  }

  @Test
  void appendsToATraceThatIsThereAndEveryLineIsJson() throws Exception {
    Path trace = directory.resolve("vdb.jsonl");
    for (int run = 0; run < 2; run++) {
      try (Device traced = TraceFilter.parse(trace.toString(), CLOCK).around(device)) {
        traced.read(0, BlockBuffers.allocate(512), outcomes::add);
        traced.discard(0, 4096, outcomes::add);
      }
    }
    ObjectMapper json = new ObjectMapper();
    List<String> lines = Files.readAllLines(trace);
    assertThat(lines).hasSize(8);
    for (String line : lines) {
      JsonNode node = json.readTree(line);
      assertThat(node.get("e").isTextual()).isTrue();
    }
  }

  @Test
  void refusesARelativePathAndAMissingDirectory() throws Exception {
    assertThatThrownBy(() -> TraceFilter.parse("x.jsonl", CLOCK))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("absolute path");
    SourceFilter<Device> filter = TraceFilter.parse(directory + "/none/x.jsonl", CLOCK);
    assertThatThrownBy(() -> filter.around(device))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("/none/x.jsonl");
    assertThat(device.closed).as("left to the caller").isFalse();
  }

  @Test
  void aPathThatCannotBeWrittenIsToldInWords() {
    assertThatThrownBy(() -> TraceFilter.parse("/var/log/\uD800", CLOCK))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("LC_ALL=C.UTF-8");
  }
}
