package io.netchannel.daemon;

import io.netchannel.coordinator.LocalDevices.Kind;
import io.netchannel.coordinator.Migration;
import io.netchannel.coordinator.Migrations;
import io.netchannel.coordinator.Migrations.Entry;
import io.netchannel.coordinator.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Migrations as {@code netchannel migrations} gets them. Fields are added, never changed. */
final class MigrationJson {
  private MigrationJson() {}

  /**
   * One of a list.
   *
   * @param unfinished what it has still to do although it has failed or is over, and why
   */
  static Map<String, Object> summary(Migration migration, Optional<String> unfinished) {
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("id", migration.id());
    summary.put("domain", migration.domainName());
    summary.put("uuid", migration.domain());
    summary.put("role", lowerCase(migration.direction()));
    summary.put("peer", migration.peer());
    summary.put("state", lowerCase(migration.phase()));
    summary.put("started", migration.steps().get(0).at());
    summary.put("outcome", migration.detail());
    unfinished.ifPresent(words -> summary.put("unfinished", words));
    summary.put("pending", migration.pending(Kind.DISK));
    summary.put("urbs", migration.pending(Kind.USB_PORT));
    summary.put(
        "incomplete",
        migration.devices().stream().mapToInt(Migration.MovedDevice::incomplete).sum());
    summary.put("disks", devices(migration, Kind.DISK));
    summary.put("usb", devices(migration, Kind.USB_PORT));
    return summary;
  }

  private static List<String> devices(Migration migration, Kind kind) {
    return migration.devices().stream()
        .filter(moved -> moved.device().kind() == kind)
        .map(
            moved ->
                "%s generation %d, %d pending, %d incomplete"
                    .formatted(
                        moved.device().target(),
                        moved.device().generation(),
                        moved.pending(),
                        moved.incomplete()))
        .toList();
  }

  /**
   * A summary with its timeline.
   *
   * @param whole of both hosts
   */
  static Map<String, Object> detail(
      Migration migration, Optional<String> unfinished, Migrations.Timeline whole) {
    List<Entry> timeline = whole.entries();
    Map<String, Object> detail = summary(migration, unfinished);
    whole.peerAhead().ifPresent(ahead -> detail.put("clock", clock(migration.peer(), ahead)));
    detail.put("blackout", Blackout.of(timeline).map(MigrationJson::blackout).orElse(null));
    detail.put("timeline", lines(timeline));
    return detail;
  }

  private static String clock(String peer, Duration ahead) {
    return String.format(
        Locale.ROOT,
        "%s's is %.1f ms %s, taken out here",
        peer,
        Math.abs(micros(ahead)) / 1e3,
        ahead.isNegative() ? "behind" : "ahead");
  }

  private static Map<String, Object> blackout(Blackout blackout) {
    Map<String, Object> json = new LinkedHashMap<>();
    Entry begin = blackout.begin();
    json.put("begin", begin.detail().isEmpty() ? lowerCase(begin.phase()) : begin.detail());
    json.put("host", begin.host());
    json.put("time", begin.at());
    json.put(
        "marks",
        blackout.marks().stream()
            .map(
                mark -> {
                  Map<String, Object> line = new LinkedHashMap<>();
                  line.put("event", mark.event());
                  line.put("host", mark.host());
                  line.put("time", mark.at());
                  line.put("micros", micros(mark.after()));
                  return line;
                })
            .toList());
    return json;
  }

  private static List<Map<String, Object>> lines(List<Entry> timeline) {
    List<Map<String, Object>> lines = new ArrayList<>();
    Map<String, Phase> phases = new HashMap<>();
    for (int i = 0; i < timeline.size(); i++) {
      Entry entry = timeline.get(i);
      Instant next = i + 1 < timeline.size() ? timeline.get(i + 1).at() : entry.at();
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("time", entry.at());
      line.put("event", lowerCase(entry.phase()));
      line.put("millis", entry.duration().toMillis());
      line.put("host", entry.host());
      line.put("detail", entry.detail());
      line.put("micros", micros(entry.duration()));
      line.put("sinceStartMicros", micros(Duration.between(timeline.get(0).at(), entry.at())));
      line.put("untilNextMicros", micros(Duration.between(entry.at(), next)));
      // Something that happened in the phase, where other lines begin one.
      line.put("note", phases.put(entry.host(), entry.phase()) == entry.phase());
      lines.add(line);
    }
    return lines;
  }

  private static long micros(Duration duration) {
    return TimeUnit.NANOSECONDS.toMicros(duration.toNanos());
  }

  static String lowerCase(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
