package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "migrations",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the migrations that this host took part in, newest first; with a migration's id, shows"
          + " that one with its timeline."
    })
final class MigrationsCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "DOMAIN|ID",
      description = "A domain's name or UUID: only its migrations. A migration's id: its details.")
  private String which;

  @Override
  public Integer call() throws CommandFailedException {
    Map<String, Object> request = new TreeMap<>(Map.of("command", "migrations"));
    if (which != null) {
      request.put("which", which);
    }
    Object found = control.call(request);
    output.print(
        spec.commandLine().getOut(),
        found,
        out -> {
          if (found instanceof List<?>) {
            print(out, Json.objects(found));
          } else {
            detail(out, Json.object(found));
          }
        });
    return 0;
  }

  private static void print(PrintWriter out, List<Map<String, Object>> migrations) {
    Table table = new Table("Id", "Domain", "Role", "Peer", "State", "Disks", "Started", "Outcome");
    for (Map<String, Object> migration : migrations) {
      table.row(
          migration.get("id"),
          migration.get("domain"),
          migration.get("role"),
          migration.get("peer"),
          migration.get("state"),
          migration.get("disks"),
          migration.get("started"),
          migration.get("outcome"));
    }
    table.print(out);
  }

  private static void detail(PrintWriter out, Map<String, Object> migration) {
    migration.forEach(
        (name, value) -> {
          if (!(value instanceof List<?>)) {
            out.println(" %-14s %s".formatted(name + ":", value));
          }
        });
    out.println();
    Table table = new Table("Time", "Event", "Detail");
    for (Map<String, Object> event : Json.objects(migration.getOrDefault("timeline", List.of()))) {
      table.row(event.get("time"), event.get("event"), event.get("detail"));
    }
    table.print(out);
  }
}
