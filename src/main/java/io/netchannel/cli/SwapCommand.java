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
    name = "swap",
    mixinStandardHelpOptions = true,
    description = {
      "Gives a running guest's disk another device: copies it, keeps both alike, then switches. The"
          + " guest notices nothing, and any error before the switch leaves it the disk it has.",
      "",
      "Returns when copying has begun, with --wait when the disk is switched. Said again, it is the"
          + " same job.",
      "",
      "Exit status: 0 when it has begun, with --wait when it is switched; 1 when it failed, was"
          + " aborted, or was paused by an error for --wait-timeout; 2 for a command line that"
          + " cannot be understood."
    })
final class SwapCommand implements Callable<Integer> {
  enum Pivot {
    auto,
    manual
  }

  enum Converge {
    auto,
    never
  }

  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Mixin private WaitOptions waiting;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
  private String domain;

  @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
  private String target;

  @Parameters(
      index = "2",
      paramLabel = "SOURCE",
      description =
          "The new device: a path of a file or block device, or a source such as"
              + " netchannel://hostb/data. What is on it is overwritten.")
  private String source;

  @Option(names = "--create", description = "Make SOURCE, a file, as large as the disk.")
  private boolean create;

  @Option(
      names = "--dest-is-zero",
      description = "All of SOURCE reads as zeros: what is zero on the disk is left out.")
  private boolean destIsZero;

  @Option(
      names = "--verify",
      description =
          "Before the switch read and compare both devices: where they differ the job fails, and"
              + " tells at which byte. The guest goes on meanwhile.")
  private boolean verify;

  @Option(
      names = "--pivot",
      paramLabel = "WHEN",
      description =
          "${COMPLETION-CANDIDATES} (default: auto): switch as soon as both are alike, or when"
              + " 'netchannel job --pivot' says so.")
  private Pivot pivot = Pivot.auto;

  @Option(
      names = "--converge",
      paramLabel = "WHEN",
      description =
          "${COMPLETION-CANDIDATES} (default: auto): a guest that writes faster than is copied goes"
              + " at the new disk's pace, or is never held up.")
  private Converge converge = Converge.auto;

  @Option(
      names = "--bandwidth",
      paramLabel = "RATE",
      defaultValue = "0",
      converter = RateConverter.class,
      description =
          "Copy at most so many bytes per second, such as 50M (default: as fast as the guest's own"
              + " requests permit).")
  private long bandwidth;

  @Override
  public Integer call() throws CommandFailedException, InterruptedException {
    waiting.check(spec.commandLine());
    JobReport job =
        new JobReport(
            control.call(
                Map.of(
                    "command", "swap",
                    "domain", domain,
                    "target", target,
                    "source", AttachDiskCommand.sourceText(source),
                    "destIsZero", destIsZero,
                    "create", create,
                    "verify", verify,
                    "pivot", pivot.name(),
                    "converge", converge.name(),
                    "bandwidth", bandwidth)));
    waiting.finish(spec.commandLine(), output, control::call, job, JobWait.Goal.of(job));
    return 0;
  }
}
