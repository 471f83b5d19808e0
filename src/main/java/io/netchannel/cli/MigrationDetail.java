package io.netchannel.cli;

import io.netchannel.daemon.Json;
import io.netchannel.daemon.ProductVersion;
import io.netchannel.demo.report.MigrationPage;
import io.netchannel.demo.report.MigrationReport;
import io.netchannel.demo.report.MigrationReport.Step;
import io.netchannel.demo.report.Tile;
import io.netchannel.demo.report.Units;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One migration with its timeline, as the daemon has told it, as text and as a page. */
final class MigrationDetail {
  private static final DateTimeFormatter CLOCK =
      DateTimeFormatter.ofPattern("HH:mm:ss.SSSSSS", Locale.ROOT).withZone(ZoneOffset.UTC);

  /** The gate of a stock disk: "xvda (vbd): 16 unanswered, drained after 8.2 s". */
  private static final Pattern GATE = Pattern.compile("unanswered(?:, drained after (.+))?$");

  private final Map<String, Object> migration;
  private final List<Map<String, Object>> timeline;
  private final Optional<Map<String, Object>> blackout;

  MigrationDetail(Map<String, Object> migration) {
    this.migration = migration;
    timeline = Json.objects(migration.getOrDefault("timeline", List.of()));
    blackout = Optional.ofNullable(migration.get("blackout")).map(Json::object);
  }

  void print(PrintWriter out) {
    migration.forEach(
        (name, value) -> {
          if (!(value instanceof List<?> || value instanceof Map<?, ?>)) {
            out.println(" %-14s %s".formatted(name + ":", value));
          }
        });
    out.println();
    Table table = new Table("Host", "Event", "Time (UTC)", "At ms", "To next ms", "Detail");
    for (Map<String, Object> line : timeline) {
      boolean note = Boolean.TRUE.equals(line.get("note"));
      table.row(
          line.get("host"),
          (note ? "  " : "") + line.get("event"),
          CLOCK.format(time(line)),
          millis(line, "sinceStartMicros"),
          millis(line, "untilNextMicros"),
          line.get("detail"));
    }
    table.print(out);
    blackout.ifPresent(found -> printBlackout(out, found));
  }

  private static void printBlackout(PrintWriter out, Map<String, Object> found) {
    out.println();
    out.println(
        "Blackout, from \"%s\" at %s, %s:"
            .formatted(found.get("begin"), found.get("host"), CLOCK.format(time(found))));
    for (Map<String, Object> mark : marks(found)) {
      out.println(
          " %12s ms  %s at %s"
              .formatted(millis(mark, "micros"), mark.get("event"), mark.get("host")));
    }
  }

  /**
   * The page.
   *
   * @throws CommandFailedException when the migration is not over: there is nothing to report yet
   */
  String html() throws CommandFailedException {
    String state = text("state");
    boolean aborted = state.equals("abort");
    if (!aborted && !state.equals("commit") && !state.equals("resume")) {
      throw new CommandFailedException(
          "migration %s of %s is in %s: a report can be written when it is over"
              .formatted(text("id"), text("domain"), state));
    }
    String peer = text("peer");
    String here =
        timeline.stream()
            .map(line -> String.valueOf(line.get("host")))
            .filter(host -> !host.equals(peer))
            .findFirst()
            .orElse("this host");
    boolean outgoing = text("role").equals("outgoing");
    List<Step> steps = timeline.stream().map(MigrationDetail::step).toList();
    long end = steps.isEmpty() ? 0 : steps.get(steps.size() - 1).atMicros();
    long stopped = blackout.map(found -> micros(time(found))).orElse(end);
    long runs =
        mark(aborted ? "aborted" : "hook answered").map(mark -> micros(time(mark))).orElse(stopped);
    MigrationReport report =
        new MigrationReport(
            "%s from %s to %s"
                .formatted(text("domain"), outgoing ? here : peer, outgoing ? peer : here),
            outgoing ? here : peer,
            outgoing ? peer : here,
            !aborted,
            aborted ? text("outcome") : "",
            stopped,
            Math.max(stopped, runs),
            0,
            number("pending"),
            number("incomplete"),
            Map.of(),
            0,
            0,
            steps,
            List.of());
    return MigrationPage.of(
        report,
        "Migration %s, begun %s".formatted(text("id"), text("started")),
        tiles(),
        "Times are by the clock of the host that was asked. %s"
            .formatted("netchannel " + ProductVersion.get()));
  }

  private List<Tile> tiles() {
    List<Tile> tiles = new ArrayList<>();
    tiles.add(new Tile(text("pending"), "pending, handed over"));
    if (number("urbs") > 0) {
      tiles.add(new Tile(text("urbs"), "URBs of USB ports, handed over"));
    }
    tiles.add(new Tile(text("incomplete"), "of them at the device when the seal began"));
    blackout.ifPresent(
        found ->
            marks(found)
                .forEach(
                    mark ->
                        tiles.add(
                            new Tile(
                                Units.millis(number(mark, "micros")),
                                "from \"%s\" to \"%s\" at %s"
                                    .formatted(
                                        found.get("begin"),
                                        mark.get("event"),
                                        mark.get("host"))))));
    for (Map<String, Object> line : timeline) {
      String detail = String.valueOf(line.get("detail"));
      Matcher gate = GATE.matcher(detail);
      if (gate.find()) {
        tiles.add(
            new Tile(gate.group(1) == null ? "no wait" : gate.group(1), "stock disk " + detail));
      }
    }
    return tiles;
  }

  private Optional<Map<String, Object>> mark(String event) {
    return blackout.stream()
        .flatMap(found -> marks(found).stream())
        .filter(mark -> event.equals(mark.get("event")))
        .findFirst();
  }

  private static List<Map<String, Object>> marks(Map<String, Object> found) {
    return Json.objects(found.getOrDefault("marks", List.of()));
  }

  private static Step step(Map<String, Object> line) {
    return new Step(
        String.valueOf(line.get("host")),
        String.valueOf(line.get("event")).toUpperCase(Locale.ROOT),
        micros(time(line)),
        number(line, "micros"),
        String.valueOf(line.get("detail")));
  }

  private String text(String name) {
    return String.valueOf(migration.get(name));
  }

  private int number(String name) {
    return Math.toIntExact(number(migration, name));
  }

  private static long number(Map<String, Object> object, String name) {
    return object.get(name) instanceof Long value ? value : 0;
  }

  private static Instant time(Map<String, Object> object) {
    return Instant.parse(String.valueOf(object.get("time")));
  }

  private static long micros(Instant time) {
    return ChronoUnit.MICROS.between(Instant.EPOCH, time);
  }

  private static String millis(Map<String, Object> object, String name) {
    return Units.exactMillis(number(object, name));
  }
}
