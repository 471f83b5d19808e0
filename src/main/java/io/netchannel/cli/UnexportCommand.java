package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "unexport",
    mixinStandardHelpOptions = true,
    description = "Ends an export. One that a guest uses stays, unless --force is given.")
final class UnexportCommand implements Callable<Integer> {
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "NAME", description = "The export.")
  private String name;

  @Option(
      names = "--force",
      description = "Also when it is in use: its guests wait until it is there again.")
  private boolean force;

  @Override
  public Integer call() throws CommandFailedException {
    Map<String, Object> done =
        Json.object(control.call(Map.of("command", "unexport", "name", name, "force", force)));
    spec.commandLine()
        .getOut()
        .println(
            Boolean.TRUE.equals(done.get("configured"))
                ? name + " is not exported until the next start: the configuration names it"
                : name + " is not exported any more");
    return 0;
  }
}
