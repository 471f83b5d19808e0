package io.netchannel.rehearsal.stress;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The stress run, small: more guests than there are MiB for them, and two that migrate. */
final class StressTest {
  private static final long BUDGET_BYTES = 12 << 20;

  @TempDir private Path output;

  private final StringWriter console = new StringWriter();

  @Test
  void aDaemonKeepsToItsMemoryAndEveryGuestGetsOn() throws Exception {
    Stress.Load load = new Stress.Load(24, 32, 6, 2, "12M");
    int exitCode = new Stress(load, new PrintWriter(console, true)).run(output);

    assertThat(exitCode).as("%s", console).isZero();
    JsonNode report = new ObjectMapper().readTree(output.resolve("stress.json").toFile());
    JsonNode figures = report.path("figures");
    assertThat(report.path("verdict").asText()).isEqualTo("pass");
    assertThat(figures.path("buffersMadeBytes").asLong())
        .as("all of the disks' part is used, and no more")
        .isEqualTo(BUDGET_BYTES - BUDGET_BYTES / 4);
    assertThat(figures.path("requestsSlowest").asLong()).isPositive();
    assertThat(figures.path("verifiedRequests").asLong()).isPositive();
    assertThat(console.toString()).contains("All of it holds");
  }
}
