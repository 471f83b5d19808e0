package io.netchannel.cli;

import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "release-export",
    mixinStandardHelpOptions = true,
    description = {
      "Takes an export from a client that will not come back, as its host is gone for good.",
      "",
      "Should it come back after all, it is refused, and its guest gets errors: it has to be",
      "started again.",
      "",
      "With --moved: an export that a disk was switched away from may be used for that disk again."
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

  @Option(
      names = "--moved",
      description = {
        "CLIENT's disk was switched to elsewhere, or was being copied here: let it be started from"
            + " NAME again, with what NAME has. What it wrote elsewhere since is not there."
      })
  private boolean moved;

  @Override
  public Integer call() throws CommandFailedException {
    control.call(
        Map.of("command", "release-export", "name", name, "client", client, "moved", moved));
    spec.commandLine()
        .getOut()
        .println(
            moved
                ? name + " may be used as the disk of " + client + " again, as it is"
                : name + " is released from " + client);
    return 0;
  }
}
