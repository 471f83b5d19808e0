package io.netchannel.cli;

import io.netchannel.demo.Demo;
import io.netchannel.demo.DemoLog;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = {
      "Shows the main job without Xen: a guest with verified I/O moves between two hosts on an "
          + "embedded hypervisor while requests are in flight, and a migration is aborted.",
      "",
      "Prints the timeline of each migration and what was checked; leaves report.html, report.json,"
          + " the daemons' log and the traces of all requests in DIR. Takes about half a minute and"
          + " touches nothing else; fails when anything that must hold does not."
    })
final class DemoCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      defaultValue = "netchannel-demo",
      description = "Where the report goes (default: ${DEFAULT-VALUE}).")
  private Path output = Path.of("netchannel-demo");

  @Option(
      names = "--seed",
      paramLabel = "NUMBER",
      description = "Repeats the choices of an earlier run, which printed it (default: random).")
  private Long seed;

  @Option(
      names = "--rehearse",
      description =
          "First warms the code, as the daemon does when it starts: shows what the first migration"
              + " gains by it.")
  private boolean rehearse;

  @Override
  public Integer call() throws CommandFailedException {
    try {
      Files.createDirectories(output);
      DemoLog.redirect(output.resolve("netchanneld.log"));
      OptionalLong chosen = seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
      return new Demo(spec.commandLine().getOut(), chosen, rehearse).run(output);
    } catch (IOException e) {
      throw new CommandFailedException(
          "the demo cannot write to %s: %s".formatted(output, e.getMessage()), e);
    }
  }
}
