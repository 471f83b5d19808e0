package io.netchannel.demo.report;

import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** The demo's report as one HTML page. */
public final class HtmlReport {
  private static final DateTimeFormatter WHEN =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm 'UTC'", Locale.ROOT).withZone(ZoneOffset.UTC);

  private final DemoReport report;
  private final StringBuilder html = new StringBuilder();

  private HtmlReport(DemoReport report) {
    this.report = report;
  }

  public static String of(DemoReport report) {
    return new HtmlReport(report).write();
  }

  private String write() {
    header();
    figures();
    verdicts();
    legend();
    report.migrations().forEach(migration -> html.append(migration(migration)));
    add(
        "<footer>netchannel %s, seed %d, %s. Two hosts on the embedded hypervisor in one process;"
            + " times say nothing about real hardware.</footer>",
        report.version(), report.seed(), WHEN.format(report.at()));
    return HtmlPage.of("Netchannel demo", html.toString());
  }

  private void header() {
    long failed = report.verdicts().stream().filter(verdict -> !verdict.holds()).count();
    add("<header><div><h1>Netchannel demo</h1>");
    add(
        "<p>A guest with verified I/O on one shared disk moves between two hosts while requests are"
            + " in flight. Nothing may be lost, doubled or reordered.</p></div>");
    add(
        "<p class=\"badge %s\">%s</p></header>",
        report.holds() ? "good" : "bad",
        report.holds()
            ? "all %d verdicts hold".formatted(report.verdicts().size())
            : "%d of %d verdicts failed".formatted(failed, report.verdicts().size()));
  }

  private void figures() {
    add("<section class=\"tiles\">");
    report.figures().forEach((name, value) -> html.append(new Tile(value, name).html()));
    add("</section>");
  }

  private void verdicts() {
    add("<section><h2>Verdicts</h2><ul class=\"verdicts\">");
    for (Verdict verdict : report.verdicts()) {
      add(
          "<li class=\"%s\"><span>%s</span> <small>%s</small></li>",
          verdict.holds() ? "good" : "bad",
          Html.escape(verdict.name()),
          Html.escape(verdict.detail()));
    }
    add("</ul></section>");
  }

  private void legend() {
    add(
        """
        <section class="legend"><h2>How to read the pictures</h2>
        <p>Time runs from left to right. Each thin line is one request at a host's mid-point, from the
        moment it was taken off the guest's ring until it was answered; point at one to see what it is.</p>
        <ul>
        <li><svg viewBox="0 0 30 8"><path class="r r-read" d="M1 4H29"/></svg> read</li>
        <li><svg viewBox="0 0 30 8"><path class="r r-write" d="M1 4H29"/></svg> write</li>
        <li><svg viewBox="0 0 30 8"><path class="r r-flush" d="M1 4H29"/></svg> flush</li>
        <li><svg viewBox="0 0 30 8"><path class="r r-unseen" d="M1 4H29"/></svg> answered when the guest had stopped: handed over</li>
        <li><svg viewBox="0 0 30 8"><path class="r r-handed" d="M1 4H29"/></svg> not answered: handed over</li>
        <li><svg viewBox="0 0 30 8"><path class="r r-replayed" d="M1 4H29"/></svg> sent again by the guest, answered from what the other host had done</li>
        </ul></section>
        """);
  }

  private static String migration(MigrationReport migration) {
    List<Tile> tiles = new ArrayList<>();
    tiles.add(Tile.of(migration.onRings(), "requests outstanding when the guest stopped"));
    tiles.add(Tile.of(migration.pending(), "pending, handed over" + states(migration)));
    tiles.add(Tile.of(migration.incomplete(), "of them at the device when the seal began"));
    if (migration.moved()) {
      tiles.add(Tile.of(migration.replayed(), "sent again and answered at once"));
    }
    tiles.add(new Tile(Units.millis(migration.downtimeMicros()), "the guest stood still"));
    tiles.add(
        new Tile(Units.millis(migration.longestPauseMicros()), "longest pause its program saw"));
    return MigrationSection.of(migration, tiles);
  }

  private static String states(MigrationReport migration) {
    return migration.states().isEmpty()
        ? ""
        : migration.states().entrySet().stream()
            .map(entry -> entry.getValue() + " " + entry.getKey())
            .collect(Collectors.joining(", ", ": ", ""));
  }

  private void add(String text) {
    html.append(text).append('\n');
  }

  private void add(String format, Object first, Object... more) {
    Object[] values = new Object[more.length + 1];
    values[0] = first;
    System.arraycopy(more, 0, values, 1, more.length);
    add(String.format(Locale.ROOT, format, values));
  }
}
