package io.netchannel.cli;

import io.netchannel.demo.DemoLog;
import io.netchannel.rehearsal.stress.Stress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "stress",
    mixinStandardHelpOptions = true,
    description = {
      "Shows without Xen that a daemon keeps to its memory: many guests on one model host ask for"
          + " more than there is, some rest, some migrate all at once.",
      "",
      "Prints what must hold and the figures, and leaves stress.json and the daemons' log in DIR."
          + " Takes about a minute; touches nothing else; fails when anything does not hold."
    })
final class StressCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      defaultValue = "netchannel-stress",
      description = "Where the report goes (default: ${DEFAULT-VALUE}).")
  private Path output = Path.of("netchannel-stress");

  @Option(
      names = "--disks",
      paramLabel = "NUMBER",
      description = "Guests with a disk each (default: ${DEFAULT-VALUE}).")
  private int disks = Stress.Load.DEFAULT.disks();

  @Option(
      names = "--depth",
      paramLabel = "NUMBER",
      description = "Requests that each has outstanding, 1 to 32 (default: ${DEFAULT-VALUE}).")
  private int depth = Stress.Load.DEFAULT.depth();

  @Option(
      names = "--seconds",
      paramLabel = "NUMBER",
      description = "How long they are busy (default: ${DEFAULT-VALUE}).")
  private int seconds = Stress.Load.DEFAULT.seconds();

  @Option(
      names = "--moves",
      paramLabel = "NUMBER",
      description =
          "More guests, with verified I/O, that migrate at once (default: ${DEFAULT-VALUE}).")
  private int moves = Stress.Load.DEFAULT.moves();

  @Option(
      names = "--budget",
      paramLabel = "SIZE",
      description = "The daemon's [memory] buffers (default: ${DEFAULT-VALUE}).")
  private String budget = Stress.Load.DEFAULT.budget();

  @Override
  public Integer call() throws CommandFailedException {
    Stress.Load load;
    try {
      load = new Stress.Load(disks, depth, seconds, moves, budget);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    try {
      Files.createDirectories(output);
      DemoLog.redirect(output.resolve("netchanneld.log"));
      return new Stress(load, spec.commandLine().getOut()).run(output);
    } catch (IOException e) {
      throw new CommandFailedException("the stress run broke off: " + e.getMessage(), e);
    }
  }
}
