package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "mirrors",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the disks with two legs of the domains that run on this host: which legs are up to"
          + " date, and why one is not."
    })
final class MirrorsCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws CommandFailedException {
    List<Map<String, Object>> mirrors = Json.objects(control.call(Map.of("command", "mirrors")));
    output.print(spec.commandLine().getOut(), mirrors, out -> print(out, mirrors));
    return 0;
  }

  private static void print(PrintWriter out, List<Map<String, Object>> mirrors) {
    Table table = new Table("Domain", "Target", "State", "Epoch", "To copy", "Leg", "Up to date");
    for (Map<String, Object> mirror : mirrors) {
      for (Map<String, Object> leg : Json.objects(mirror.get("legs"))) {
        table.row(
            mirror.get("domain"),
            mirror.get("target"),
            mirror.get("state"),
            mirror.get("epoch"),
            mirror.get("leftBytes") instanceof Long left ? Amounts.size(left) : null,
            leg.get("source"),
            Boolean.TRUE.equals(leg.get("upToDate")) ? "yes" : "no");
      }
    }
    table.print(out);
    for (Map<String, Object> mirror : mirrors) {
      for (Map<String, Object> leg : Json.objects(mirror.get("legs"))) {
        if (leg.get("problem") != null) {
          out.println(
              "\n%s of %s: %s: %s"
                  .formatted(
                      mirror.get("target"),
                      mirror.get("domain"),
                      leg.get("source"),
                      leg.get("problem")));
        }
      }
    }
  }
}
