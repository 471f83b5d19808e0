package io.netchannel.demo.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * All that the demo has found.
 *
 * @param figures of the whole run, by what they are
 */
public record DemoReport(
    Instant at,
    Duration took,
    String version,
    long seed,
    Map<String, String> figures,
    List<MigrationReport> migrations,
    List<Verdict> verdicts) {

  public DemoReport {
    figures = ImmutableMap.copyOf(figures);
    migrations = ImmutableList.copyOf(migrations);
    verdicts = ImmutableList.copyOf(verdicts);
  }

  /** Whether every verdict holds; false when there is none. */
  public boolean holds() {
    return !verdicts.isEmpty() && verdicts.stream().allMatch(Verdict::holds);
  }
}
