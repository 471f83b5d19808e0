package io.netchannel.cli;

import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "release-export",
    mixinStandardHelpOptions = true,
    description = {
      "Takes an export from a client that will not come back, as its host is gone for good.",
      "",
      "Should it come back after all, it is refused, and its guest gets errors: it has to be",
      "started again."
    })
final class ReleaseExportCommand implements Callable<Integer> {
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "NAME", description = "The export.")
  private String name;

  @Parameters(
      index = "1",
      paramLabel = "CLIENT",
      description = "The client, as 'netchannel exports' shows it.")
  private String client;

  @Override
  public Integer call() throws CommandFailedException {
    control.call(Map.of("command", "release-export", "name", name, "client", client));
    spec.commandLine().getOut().println(name + " is released from " + client);
    return 0;
  }
}
