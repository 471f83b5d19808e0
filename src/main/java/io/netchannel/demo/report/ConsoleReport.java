package io.netchannel.demo.report;

import java.io.PrintWriter;
import java.util.stream.Collectors;

/** The report for a terminal. */
public final class ConsoleReport {
  private static final String LINE = "  %-10s %-10s %10s %10s  %s%n";

  private final PrintWriter out;

  public ConsoleReport(PrintWriter out) {
    this.out = out;
  }

  /** The timeline of one migration. */
  public void migration(MigrationReport migration) {
    out.println();
    out.println(migration.title());
    out.printf(LINE, "phase", "host", "at ms", "took ms", "");
    for (MigrationReport.Step step : migration.steps()) {
      out.printf(
          LINE,
          step.phase(),
          step.host(),
          Units.plainMillis(step.atMicros() - migration.beginMicros()),
          Units.plainMillis(step.tookMicros()),
          step.detail());
    }
    out.printf(
        "  guest stopped with %d requests outstanding; %d handed over%s; stood still for %s, ran on"
            + " at %s%n",
        migration.onRings(),
        migration.pending(),
        states(migration),
        Units.millis(migration.downtimeMicros()),
        migration.moved() ? migration.destination() : migration.source());
    if (!migration.message().isEmpty()) {
      out.printf("  virsh says: %s%n", migration.message());
    }
    if (migration.moved()) {
      out.printf(
          "  sent again by the guest and answered from what %s had done: %d%n",
          migration.source(), migration.replayed());
    }
    out.flush();
  }

  /** All verdicts, and where the files are. */
  public void verdicts(DemoReport report) {
    out.println();
    for (Verdict verdict : report.verdicts()) {
      out.printf(
          "%s  %s%s%n",
          verdict.holds() ? "ok    " : "FAILED",
          verdict.name(),
          verdict.detail().isEmpty() ? "" : " (" + verdict.detail() + ")");
    }
    out.flush();
  }

  private static String states(MigrationReport migration) {
    return migration.states().isEmpty()
        ? ""
        : migration.states().entrySet().stream()
            .map(entry -> entry.getValue() + " " + entry.getKey())
            .collect(Collectors.joining(", ", " (", ")"));
  }
}
