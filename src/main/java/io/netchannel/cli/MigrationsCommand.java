package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "migrations",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the migrations that this host took part in, newest first. With a domain, lists its"
          + " migrations and shows the newest with its timeline; with a migration's id, shows that"
          + " one. A timeline has the steps of both hosts, each by its own clock."
    })
final class MigrationsCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "DOMAIN|ID",
      description = "A domain's name or UUID, or a migration's id.")
  private String which;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description =
          "Writes a page about the migration, the newest one of a domain: the timeline as a"
              + " picture, what was pending, what was waited for. It needs nothing else: no"
              + " network, no script.")
  private Path html;

  @Option(
      names = "--take-back",
      description = {
        "The host that the disks were given to is lost for good, with all that it had: they are"
            + " this host's again, each as the device that it was here. What the guest wrote there"
            + " is not on them. Refused while that host answers; be sure that it is off and stays"
            + " so."
      })
  private boolean takesBack;

  @Override
  public Integer call() throws CommandFailedException {
    Map<String, Object> request = new TreeMap<>(Map.of("command", "migrations"));
    if (which != null) {
      request.put("which", which);
    }
    if (html != null && which == null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--html is about one migration: give a DOMAIN or an ID");
    }
    if (takesBack) {
      return takeBack();
    }
    Object found = control.call(request);
    if (html != null) {
      write(newest(found).orElseThrow());
    }
    output.print(
        spec.commandLine().getOut(),
        found,
        out -> {
          if (found instanceof List<?>) {
            print(out, Json.objects(found));
          }
          newest(found).ifPresent(detail -> print(out, detail, found instanceof List<?>));
        });
    return 0;
  }

  private int takeBack() throws CommandFailedException {
    if (which == null || html != null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--take-back is about one migration: give a DOMAIN or an ID alone");
    }
    Object over = control.call(Map.of("command", "take-back", "which", which));
    output.print(spec.commandLine().getOut(), over, out -> print(out, List.of(Json.object(over))));
    return 0;
  }

  /** The migration that was asked for, or the newest one of the domain that was asked for. */
  private static Optional<MigrationDetail> newest(Object found) {
    return (found instanceof List<?> ? Json.objects(found) : List.of(Json.object(found)))
        .stream()
            .findFirst()
            .filter(migration -> migration.containsKey("timeline"))
            .map(MigrationDetail::new);
  }

  private void write(MigrationDetail detail) throws CommandFailedException {
    try {
      Files.writeString(html, detail.html());
    } catch (IOException e) {
      throw new CommandFailedException("cannot write %s: %s".formatted(html, e), e);
    }
  }

  private static void print(PrintWriter out, MigrationDetail detail, boolean afterList) {
    if (afterList) {
      out.println("\nThe newest:\n");
    }
    detail.print(out);
  }

  private static void print(PrintWriter out, List<Map<String, Object>> migrations) {
    Table table =
        new Table("Id", "Domain", "Role", "Peer", "State", "Disks", "USB", "Started", "Outcome");
    for (Map<String, Object> migration : migrations) {
      table.row(
          migration.get("id"),
          migration.get("domain"),
          migration.get("role"),
          migration.get("peer"),
          migration.get("state"),
          migration.get("disks"),
          migration.get("usb"),
          migration.get("started"),
          migration.get("outcome")
              + (migration.get("unfinished") == null ? "" : "; " + migration.get("unfinished")));
    }
    table.print(out);
  }
}
