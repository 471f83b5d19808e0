package io.netchannel.cli;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "job",
    mixinStandardHelpOptions = true,
    description = {
      "Shows the job of a disk, or tells it something.",
      "",
      "Exit status: 0 when it was told, with --wait when the disk is switched (with --abort: when"
          + " it is aborted); 1 when that is refused, or the job failed, was aborted, or was paused"
          + " by an error for --wait-timeout; 2 for a command line that cannot be understood."
    })
final class JobCommand implements Callable<Integer> {
  /** One at a time. */
  private static final class Action {
    @Option(names = "--pivot", description = "Switch to the new device, as soon as both are alike.")
    private boolean pivot;

    @Option(
        names = "--abort",
        description = "End it: the disk is the old device, the new one is left as it is.")
    private boolean abort;

    @Option(names = "--pause", description = "Copy nothing until --resume.")
    private boolean pause;

    @Option(names = "--resume", description = "Go on at once, also after an error.")
    private boolean resume;

    @Option(
        names = "--bandwidth",
        paramLabel = "RATE",
        converter = RateConverter.class,
        description =
            "Copy at most so many bytes per second from now on, such as 50M; 0: no bound.")
    private Long bandwidth;

    @Option(
        names = "--write-metadata",
        description = "Make the domain's XML name the new device, if it names the old one.")
    private boolean writeMetadata;

    @Option(
        names = "--forget",
        description =
            "Forget that the disk was switched: a start with an XML that names the old device is no"
                + " longer refused, and a job that waits for who does not know it yet is done.")
    private boolean forget;

    /** As the daemon names it. */
    private String word() {
      if (bandwidth != null) {
        return "bandwidth";
      }
      if (pivot) {
        return "pivot";
      }
      if (abort) {
        return "abort";
      }
      if (pause) {
        return "pause";
      }
      if (resume) {
        return "resume";
      }
      return writeMetadata ? "write-metadata" : "forget";
    }

    private boolean leadsNowhere() {
      return pause || writeMetadata || forget;
    }
  }

  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Mixin private WaitOptions waiting;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
  private String domain;

  @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
  private String target;

  @ArgGroup(exclusive = true)
  private Action action;

  @Override
  public Integer call() throws CommandFailedException, InterruptedException {
    waiting.check(spec.commandLine());
    if (waiting.isAsked() && action != null && action.leadsNowhere()) {
      throw new ParameterException(
          spec.commandLine(),
          "--wait goes alone or with --pivot, --resume, --bandwidth or --abort, not with --"
              + action.word());
    }
    Map<String, Object> request =
        new TreeMap<>(
            Map.of(
                "command",
                "job",
                "domain",
                domain,
                "target",
                target,
                "action",
                action == null ? "show" : action.word()));
    if (action != null && action.bandwidth != null) {
      request.put("bandwidth", action.bandwidth);
    }
    JobReport job = new JobReport(control.call(request));
    if (waiting.isAsked()) {
      waiting.finish(spec.commandLine(), output, control::call, job, goal(job));
    } else {
      output.print(
          spec.commandLine().getOut(),
          job.json(),
          out -> {
            out.println(job.line());
            if (action == null) {
              out.println();
              job.print(out);
            }
          });
    }
    return 0;
  }

  private JobWait.Goal goal(JobReport job) {
    if (action != null && action.abort) {
      return JobWait.Goal.ABORTED;
    }
    return action != null && action.pivot ? JobWait.Goal.SWITCHED : JobWait.Goal.of(job);
  }
}
