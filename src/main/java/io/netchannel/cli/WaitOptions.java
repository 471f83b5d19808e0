package io.netchannel.cli;

import io.netchannel.time.Durations;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/** Whether a command waits for its job, and for how long. */
final class WaitOptions {
  @Option(
      names = "--wait",
      description =
          "Wait until the disk is switched, or in sync where that is all (a manual pivot, a second"
              + " leg), and show how far it is. Ctrl-C ends the waiting only.")
  private boolean wait;

  @Option(
      names = "--wait-timeout",
      paramLabel = "DURATION",
      defaultValue = "5min",
      converter = DurationConverter.class,
      description =
          "With --wait: how long the job may be paused by an error, or the daemon be away (default:"
              + " ${DEFAULT-VALUE}).")
  private Duration patience = Duration.ofMinutes(5);

  static final class DurationConverter implements ITypeConverter<Duration> {
    @Override
    public Duration convert(String text) {
      return Durations.parse(text)
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected a duration such as %s, found %s"
                          .formatted(Durations.EXAMPLES, text)));
    }
  }

  boolean isAsked() {
    return wait;
  }

  /**
   * Refuses one that would do nothing.
   *
   * @throws ParameterException when there is a bound for a wait, and no wait
   */
  void check(CommandLine command) {
    if (!wait && command.getParseResult().hasMatchedOption("--wait-timeout")) {
      throw new ParameterException(command, "--wait-timeout is for --wait");
    }
  }

  /**
   * Waits if that was asked, and prints what became of the job.
   *
   * @throws CommandFailedException when it is not, or cannot be, what it was begun for
   */
  void finish(
      CommandLine command,
      OutputOptions output,
      JobWait.Daemon daemon,
      JobReport job,
      JobWait.Goal goal)
      throws CommandFailedException, InterruptedException {
    ProgressLine line = output.isJson() ? ProgressLine.none() : ProgressLine.on(command.getOut());
    JobWait.Ended ended =
        wait ? await(command.getErr(), line, daemon, job, goal) : begun(job, goal);
    if (output.isJson()) {
      output.print(command.getOut(), ended.job().json(), table -> {});
    }
    if (ended.problem().isPresent()) {
      line.leave();
      throw new CommandFailedException(ended.problem().get());
    }
    line.last(ended.job().line());
  }

  private JobWait.Ended await(
      PrintWriter err, ProgressLine line, JobWait.Daemon daemon, JobReport job, JobWait.Goal goal)
      throws CommandFailedException, InterruptedException {
    JobWait.Pause pause = time -> Thread.sleep(time.toMillis());
    JobWait waiting = new JobWait(daemon, goal, patience, line, System::nanoTime, pause);
    LeftGoing told = LeftGoing.from(err, line, job);
    try {
      return waiting.from(job);
    } catch (CommandFailedException e) {
      line.leave();
      throw e;
    } finally {
      told.close();
    }
  }

  private static JobWait.Ended begun(JobReport job, JobWait.Goal goal) {
    boolean lost =
        switch (job.state()) {
          case FAILED -> true;
          case ABORTED -> goal != JobWait.Goal.ABORTED;
          case BEHIND,
              OPENING,
              COPYING,
              CONVERGING,
              FLUSHING,
              VERIFYING,
              SYNC,
              RECORDING,
              SWITCHED,
              DONE,
              PAUSED ->
              false;
        };
    return new JobWait.Ended(job, lost ? Optional.of(job.line()) : Optional.empty());
  }
}
