package io.netchannel.demo.report;

import com.google.common.io.Resources;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.stream.Collectors;

/** The report as one HTML page that needs nothing else: no network, no script. */
public final class HtmlReport {
  private static final DateTimeFormatter WHEN =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm 'UTC'", Locale.ROOT).withZone(ZoneOffset.UTC);

  private static final String STYLE = "report.css";

  private final DemoReport report;
  private final StringBuilder html = new StringBuilder();

  private HtmlReport(DemoReport report) {
    this.report = report;
  }

  public static String of(DemoReport report) {
    return new HtmlReport(report).write();
  }

  private String write() {
    html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.append("<meta name=\"viewport\" content=\"width=device-width\">\n");
    html.append("<title>Netchannel demo</title>\n<style>\n").append(style()).append("</style>\n");
    html.append("</head>\n<body>\n<main>\n");
    header();
    figures();
    verdicts();
    legend();
    report.migrations().forEach(this::migration);
    add(
        "<footer>netchannel %s, seed %d, %s. Two hosts on the embedded hypervisor in one process;"
            + " times say nothing about real hardware.</footer>",
        report.version(), report.seed(), WHEN.format(report.at()));
    html.append("</main>\n</body>\n</html>\n");
    return html.toString();
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
    report
        .figures()
        .forEach(
            (name, value) ->
                add(
                    "<div><strong>%s</strong><span>%s</span></div>",
                    Html.escape(value), Html.escape(name)));
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

  private void migration(MigrationReport migration) {
    add(
        "<section class=\"migration\"><h2>%s <em class=\"%s\">%s</em></h2>",
        Html.escape(migration.title()),
        migration.moved() ? "moved" : "aborted",
        Html.escape(
            migration.moved()
                ? "moved to " + migration.destination()
                : "aborted, goes on at " + migration.source()));
    if (!migration.message().isEmpty()) {
      add("<p class=\"message\">virsh says: %s</p>", Html.escape(migration.message()));
    }
    add("<div class=\"tiles small\">");
    tile(migration.onRings(), "requests outstanding when the guest stopped");
    tile(migration.pending(), "pending, handed over" + states(migration));
    tile(migration.incomplete(), "of them at the device when the seal began");
    if (migration.moved()) {
      tile(migration.replayed(), "sent again and answered at once");
    }
    add(
        "<div><strong>%s</strong><span>the guest stood still</span></div>",
        Units.millis(migration.downtimeMicros()));
    add(
        "<div><strong>%s</strong><span>longest pause its program saw</span></div></div>",
        Units.millis(migration.longestPauseMicros()));
    add("<figure>%s</figure>", TimelinePicture.of(migration));
    timeline(migration);
    add("</section>");
  }

  private void timeline(MigrationReport migration) {
    add(
        "<table><thead><tr><th>phase</th><th>host</th><th class=\"n\">at ms</th>"
            + "<th class=\"n\">took ms</th><th>detail</th></tr></thead><tbody>");
    for (MigrationReport.Step step : migration.steps()) {
      add(
          "<tr><td><i class=\"chip p-%s\"></i>%s</td><td>%s</td><td class=\"n\">%s</td>"
              + "<td class=\"n\">%s</td><td>%s</td></tr>",
          step.phase().toLowerCase(Locale.ROOT).replace('_', '-'),
          Html.escape(step.phase()),
          Html.escape(step.host()),
          Units.plainMillis(step.atMicros() - migration.beginMicros()),
          Units.plainMillis(step.tookMicros()),
          Html.escape(step.detail()));
    }
    add("</tbody></table>");
  }

  private void tile(int value, String text) {
    add("<div><strong>%d</strong><span>%s</span></div>", value, Html.escape(text));
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

  private static String style() {
    try {
      return Resources.toString(
          Resources.getResource(HtmlReport.class, STYLE), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("the jar has no " + STYLE + " beside this class", e);
    }
  }
}
