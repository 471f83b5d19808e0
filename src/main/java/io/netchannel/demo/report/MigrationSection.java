package io.netchannel.demo.report;

import java.util.List;
import java.util.Locale;

/** What a page shows of one migration: figures, picture, steps. */
final class MigrationSection {
  private final MigrationReport migration;
  private final StringBuilder html = new StringBuilder();

  private MigrationSection(MigrationReport migration) {
    this.migration = migration;
  }

  static String of(MigrationReport migration, List<Tile> tiles) {
    return new MigrationSection(migration).write(tiles);
  }

  private String write(List<Tile> tiles) {
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
    html.append("<div class=\"tiles small\">\n");
    tiles.forEach(tile -> html.append(tile.html()));
    html.append("</div>\n");
    add("<figure>%s</figure>", TimelinePicture.of(migration));
    steps();
    html.append("</section>\n");
    return html.toString();
  }

  private void steps() {
    html.append(
        "<table><thead><tr><th>phase</th><th>host</th><th class=\"n\">at ms</th>"
            + "<th class=\"n\">took ms</th><th>detail</th></tr></thead><tbody>\n");
    for (MigrationReport.Step step : migration.steps()) {
      add(
          "<tr><td><i class=\"chip p-%s\"></i>%s</td><td>%s</td><td class=\"n\">%s</td>"
              + "<td class=\"n\">%s</td><td>%s</td></tr>",
          step.phase().toLowerCase(Locale.ROOT).replace('_', '-'),
          Html.escape(step.phase()),
          Html.escape(step.host()),
          Units.exactMillis(step.atMicros() - migration.beginMicros()),
          Units.exactMillis(step.tookMicros()),
          Html.escape(step.detail()));
    }
    html.append("</tbody></table>\n");
  }

  private void add(String format, Object... values) {
    html.append(String.format(Locale.ROOT, format, values)).append('\n');
  }
}
