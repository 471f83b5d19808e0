package io.netchannel.cli;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;

/**
 * Waits for what a job was begun for, and shows how far it is. The job knows nothing of it.
 *
 * <pre>
 *   LOOKING --not there yet--> shown, half a second --> LOOKING
 *      |  ^                                                ^
 *      |  +--the daemon does not answer: shown-------------+
 *      |
 *      +--in sync, and that was the goal-----------------------------> reached
 *      +--switched, and the XML is right, or 10 s have passed--------> reached
 *      +--aborted, failed--------------------------------------------> a problem, or the goal
 *      +--paused, or no daemon, and nothing was gained for so long---> a problem
 * </pre>
 */
final class JobWait {
  /** Soon enough for people, and next to nothing for the daemon. */
  private static final Duration LOOK = Duration.ofMillis(500);

  /** libvirt changes the XML at once, or it is away: who waits for the disk has it already. */
  private static final Duration XML_PATIENCE = Duration.ofSeconds(10);

  /** What it waits for. */
  enum Goal {
    SWITCHED,
    /** What comes next is for somebody to say. */
    IN_SYNC,
    ABORTED;

    /** Of a job that goes on as it was begun. */
    static Goal of(JobReport job) {
      return job.isPivotManual() ? IN_SYNC : SWITCHED;
    }
  }

  /** Asks the daemon. */
  @FunctionalInterface
  interface Daemon {
    Object call(Map<String, Object> request) throws CommandFailedException;
  }

  /** Lets time pass. */
  @FunctionalInterface
  interface Pause {
    void last(Duration time) throws InterruptedException;
  }

  /**
   * How it ended.
   *
   * @param job as it was seen last
   * @param problem why the goal is not reached; empty when it is
   */
  record Ended(JobReport job, Optional<String> problem) {}

  private final Daemon daemon;
  private final Goal goal;
  private final Duration patience;
  private final ProgressLine line;
  private final LongSupplier nanoTime;
  private final Pause pause;

  /**
   * Since when nothing was gained, with a pause in between; less the time in which it copied, as
   * its guest may write more than that for a while.
   */
  private OptionalLong stuckNanos = OptionalLong.empty();

  /** When it had copied something, or was paused, last. */
  private long copiesSinceNanos;

  /**
   * The least that was left to copy and to compare: below that is progress, which a few retried
   * copies are not.
   */
  private long leastBytes = Long.MAX_VALUE;

  private long doneBytes;

  private OptionalLong awayNanos = OptionalLong.empty();
  private OptionalLong switchedNanos = OptionalLong.empty();

  /**
   * For one job.
   *
   * @param patience with a job that is paused, and with a daemon that is away
   */
  JobWait(
      Daemon daemon,
      Goal goal,
      Duration patience,
      ProgressLine line,
      LongSupplier nanoTime,
      Pause pause) {
    this.daemon = daemon;
    this.goal = goal;
    this.patience = patience;
    this.line = line;
    this.nanoTime = nanoTime;
    this.pause = pause;
  }

  /**
   * Waits.
   *
   * @param job as it is known
   * @throws CommandFailedException when the daemon knows no such job any more, or is away for too
   *     long
   */
  Ended from(JobReport job) throws CommandFailedException, InterruptedException {
    JobReport now = job;
    copiesSinceNanos = nanoTime.getAsLong();
    while (true) {
      Optional<Ended> ended = ended(now);
      if (ended.isPresent()) {
        return ended.get();
      }
      line.show(now.state().name(), now.line());
      pause.last(LOOK);
      now = look(now);
      if (!now.text("started").equals(job.text("started"))) {
        return new Ended(
            now,
            Optional.of(
                "%s: the job of %s has gone, this is another one"
                    .formatted(now.line(), job.text("started"))));
      }
    }
  }

  private Optional<Ended> ended(JobReport job) {
    return switch (job.state()) {
      case SWITCHED, DONE -> {
        if (goal == Goal.ABORTED) {
          yield problem(job, job.line());
        }
        switchedNanos = since(switchedNanos);
        yield job.isXmlSettled() || passed(switchedNanos, XML_PATIENCE)
            ? reached(job)
            : Optional.empty();
      }
      case SYNC -> {
        stuckNanos = OptionalLong.empty();
        leastBytes = Long.MAX_VALUE;
        yield goal == Goal.IN_SYNC ? reached(job) : Optional.empty();
      }
      case ABORTED -> goal == Goal.ABORTED ? reached(job) : problem(job, job.line());
      case FAILED -> problem(job, job.line());
      case PAUSED -> {
        noteProgress(job);
        stuckNanos = since(stuckNanos);
        yield passed(stuckNanos, patience) ? problem(job, stuck(job)) : Optional.empty();
      }
      case COPYING, VERIFYING -> {
        noteProgress(job);
        yield Optional.empty();
      }
      case BEHIND, OPENING, CONVERGING, FLUSHING, RECORDING -> Optional.empty();
    };
  }

  private void noteProgress(JobReport job) {
    long now = nanoTime.getAsLong();
    boolean copied = job.doneBytes() > doneBytes;
    if (copied && stuckNanos.isPresent()) {
      stuckNanos = OptionalLong.of(stuckNanos.getAsLong() + now - copiesSinceNanos);
    }
    if (copied || job.state() == JobReport.State.PAUSED) {
      copiesSinceNanos = now;
    }
    doneBytes = job.doneBytes();
    job.toDoBytes()
        .ifPresent(
            bytes -> {
              if (bytes < leastBytes) {
                leastBytes = bytes;
                stuckNanos = OptionalLong.empty();
              }
            });
  }

  private String stuck(JobReport job) {
    return "%s; nothing was gained for %s. %s"
        .formatted(job.line(), Amounts.time(patience.toMillis()), job.wayOut());
  }

  /**
   * The job as it is now.
   *
   * @throws CommandFailedException as {@link #from}
   */
  JobReport look(JobReport job) throws CommandFailedException, InterruptedException {
    while (true) {
      try {
        Object told =
            daemon.call(
                Map.of(
                    "command",
                    "job",
                    "domain",
                    job.text("domain"),
                    "target",
                    job.text("target"),
                    "action",
                    "show"));
        awayNanos = OptionalLong.empty();
        return new JobReport(told);
      } catch (DaemonAwayException e) {
        awayNanos = since(awayNanos);
        if (passed(awayNanos, patience)) {
          throw e;
        }
        line.show("away", "%s: %s".formatted(job.name(), e.getMessage()));
        pause.last(LOOK);
      }
    }
  }

  private OptionalLong since(OptionalLong known) {
    return known.isPresent() ? known : OptionalLong.of(nanoTime.getAsLong());
  }

  private boolean passed(OptionalLong since, Duration time) {
    return nanoTime.getAsLong() - since.orElseThrow() >= time.toNanos();
  }

  private static Optional<Ended> reached(JobReport job) {
    return Optional.of(new Ended(job, Optional.empty()));
  }

  private static Optional<Ended> problem(JobReport job, String words) {
    return Optional.of(new Ended(job, Optional.of(words)));
  }
}
