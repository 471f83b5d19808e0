package io.netchannel.cli;

import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    description = {
      "Lets other hosts use a device of this one, as netchannel://THIS-HOST/NAME.",
      "",
      "It stays exported until 'netchannel unexport', also after a restart."
    })
final class ExportCommand implements Callable<Integer> {
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "NAME", description = "What its clients call it.")
  private String name;

  @Parameters(
      index = "1",
      paramLabel = "PATH|SOURCE",
      description = "An absolute path, or a source such as \"file:/dev/vg0/data\".")
  private String source;

  @Option(
      names = "--allow",
      paramLabel = "NAME",
      split = ",",
      description =
          "Who may use it: names in the clients' certificates. Without any, only this host itself.")
  private List<String> allow = List.of();

  @Option(names = "--read-only", description = "Nobody may write; many may read.")
  private boolean readOnly;

  @Override
  public Integer call() throws CommandFailedException {
    control.call(
        Map.of(
            "command", "export",
            "name", name,
            "source", source.startsWith("/") ? "file:" + source : source,
            "readOnly", readOnly,
            "allow", allow));
    spec.commandLine().getOut().println("Exported as " + name);
    return 0;
  }
}
