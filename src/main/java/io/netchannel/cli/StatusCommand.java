package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description = "Shows the daemon of this host, its peers, and what it waits for.")
final class StatusCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;

  /** All of them are in the JSON. */
  private static final int NAMED_WAITERS = 3;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws CommandFailedException {
    Map<String, Object> status = Json.object(control.call(Map.of("command", "status")));
    output.print(spec.commandLine().getOut(), status, out -> print(out, status));
    return 0;
  }

  private static void print(PrintWriter out, Map<String, Object> status) {
    status.forEach(
        (name, value) -> {
          if (name.equals("memory") && value instanceof Map<?, ?> memory) {
            memory("disk data:", memory.get("buffers")).ifPresent(out::println);
            memory("handed over:", memory.get("manifests")).ifPresent(out::println);
          } else if (name.equals("serverMemory")) {
            memory("export data:", value).ifPresent(out::println);
          } else if (name.equals("mirrorMemory")) {
            memory("mirror data:", value).ifPresent(out::println);
          } else if (name.equals("servedAgain") && value instanceof Map<?, ?> progress) {
            out.println(servedAgain(progress));
          } else if (!(value instanceof List<?>)) {
            out.println(" %-14s %s".formatted(name + ":", value));
          }
        });
    List<Map<String, Object>> peers = Json.objects(status.getOrDefault("peers", List.of()));
    if (!peers.isEmpty()) {
      out.println();
      Table table = new Table("Peer", "Address", "State", "Problem");
      peers.forEach(
          peer ->
              table.row(
                  peer.get("name"), peer.get("address"), peer.get("state"), peer.get("problem")));
      table.print(out);
    }
    lines(out, "problem: ", status.get("problems"));
    lines(out, "waiting: ", status.get("waiting"));
  }

  private static void lines(PrintWriter out, String what, Object found) {
    if (found instanceof List<?> lines) {
      lines.forEach(line -> out.println("\n" + what + line));
    }
  }

  /** How far the devices of the daemon before it are. */
  private static String servedAgain(Map<?, ?> progress) {
    Object millis = progress.get("millis");
    return " %-14s %s of %s devices%s"
        .formatted(
            "served again:",
            progress.get("devices"),
            progress.get("of"),
            millis == null ? "" : ", the last one %s ms after the start".formatted(millis));
  }

  /** What of a budget is in use, and who waits for it. */
  private static Optional<String> memory(String what, Object found) {
    if (!(found instanceof Map<?, ?> use)
        || !(use.get("inUseBytes") instanceof Number inUse)
        || !(use.get("budgetBytes") instanceof Number budget)) {
      return Optional.empty();
    }
    String words =
        " %-14s %d of %d MiB in use"
            .formatted(what, inUse.longValue() >> 20, budget.longValue() >> 20);
    if (!(use.get("waiting") instanceof List<?> waiting) || waiting.isEmpty()) {
      return Optional.of(words);
    }
    String first =
        waiting.stream()
            .limit(NAMED_WAITERS)
            .map(String::valueOf)
            .collect(Collectors.joining(", "));
    return Optional.of("%s; %d wait for more, first %s".formatted(words, waiting.size(), first));
  }
}
