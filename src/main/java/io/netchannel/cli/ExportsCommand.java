package io.netchannel.cli;

import com.google.common.collect.Iterables;
import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "exports",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the devices of this host that others may use, who uses them, and whose disks were",
      "switched from them to elsewhere, and when a pool deletes what such a disk has left.",
      "",
      "One whose storage hangs is listed without its clients; then the exit status is 1."
    })
final class ExportsCommand implements Callable<Integer> {
  /** In place of its clients, which "-" would deny. */
  private static final String NO_ANSWER = "(no answer)";

  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws CommandFailedException {
    List<Map<String, Object>> exports = Json.objects(control.call(Map.of("command", "exports")));
    output.print(spec.commandLine().getOut(), exports, out -> print(out, exports));
    String silent =
        exports.stream()
            .filter(export -> export.get("problem") != null)
            .map(export -> "export %s: %s".formatted(export.get("name"), export.get("problem")))
            .collect(Collectors.joining("\n"));
    if (!silent.isEmpty()) {
      throw new CommandFailedException(silent);
    }
    return 0;
  }

  private static void print(PrintWriter out, List<Map<String, Object>> exports) {
    Table table =
        new Table(
            "Name",
            "Kind",
            "Mode",
            "Allow",
            "Client",
            "Gen",
            "Since",
            "From",
            "Running",
            "Source",
            "Moved to");
    for (Map<String, Object> export : exports) {
      List<Map<String, Object>> clients =
          export.get("problem") == null
              ? Json.objects(export.get("clients"))
              : List.of(Map.of("client", NO_ANSWER));
      String allow =
          export.get("allow") instanceof List<?> names && !names.isEmpty()
              ? String.join(",", names.stream().map(String::valueOf).toList())
              : null;
      List<Map<String, Object>> moved =
          export.get("moved") == null ? List.of() : Json.objects(export.get("moved"));
      if (clients.isEmpty() && moved.isEmpty()) {
        clients = List.of(Map.of());
      }
      for (Map<String, Object> client : Iterables.concat(clients, moved)) {
        table.row(
            export.get("name"),
            export.get("kind"),
            export.get("mode"),
            allow,
            client.get("client"),
            client.get("generation"),
            client.get("since"),
            client.get("address"),
            client.get("running"),
            export.get("source"),
            movedTo(client, export));
      }
    }
    table.print(out);
  }

  /** What becomes of a volume that its disk has left. */
  private static String fate(Map<String, Object> export) {
    if (export.get("notDeleted") instanceof String why) {
      return " (not deleted: %s)".formatted(why);
    }
    return export.get("deletedInSeconds") instanceof Number seconds
        ? " (deleted in %s)".formatted(Amounts.estimate(seconds.longValue()))
        : "";
  }

  /** Of a client whose disk is elsewhere; null of one that uses the export. */
  private static String movedTo(Map<String, Object> client, Map<String, Object> export) {
    if (Boolean.TRUE.equals(client.get("partial"))) {
      return "(a copy is not complete)";
    }
    return client.get("to") instanceof String to ? to + fate(export) : null;
  }
}
