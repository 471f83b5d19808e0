package io.netchannel.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/**
 * Migrates a guest whose disks go along, and shows how far that is.
 *
 * <pre>
 *   COPYING --all are in sync, at one look--> MOVING --libvirt has moved it--> SETTLING --> moved, with its disks
 *      |  ^                                      |                                +------> moved, a disk is not
 *      |  +--one is not any more--+              +--libvirt has not: a problem
 *      +--a copy ends, is paused for too long: a problem
 * </pre>
 */
final class GuestMove {
  /** Soon enough for people. */
  private static final Duration LOOK = Duration.ofMillis(500);

  /** Moves the guest, for as long as that takes. */
  @FunctionalInterface
  interface Transfer {
    void run() throws CommandFailedException;
  }

  /**
   * How it ended.
   *
   * @param moved whether the guest is at the destination
   * @param jobs as they were seen last
   * @param problem what is not as it was asked for; empty when all is
   */
  record Ended(boolean moved, List<JobReport> jobs, Optional<String> problem) {}

  private final JobWait.Daemon daemon;
  private final Duration patience;
  private final ProgressLine line;
  private final LongSupplier nanoTime;
  private final JobWait.Pause pause;

  /**
   * One move.
   *
   * @param patience with a copy that is paused, and with a daemon that is away
   */
  GuestMove(
      JobWait.Daemon daemon,
      Duration patience,
      ProgressLine line,
      LongSupplier nanoTime,
      JobWait.Pause pause) {
    this.daemon = daemon;
    this.patience = patience;
    this.line = line;
    this.nanoTime = nanoTime;
    this.pause = pause;
  }

  /**
   * Waits until all of it is over.
   *
   * @param jobs of the disks that go along; none for a migration without its storage
   * @throws CommandFailedException when the daemon does not answer for too long
   */
  Ended run(String guest, String host, List<JobReport> jobs, Transfer transfer)
      throws CommandFailedException, InterruptedException {
    List<JobReport> known = new ArrayList<>(jobs);
    Optional<String> lost = inSync(known);
    if (lost.isPresent()) {
      return new Ended(false, known, lost);
    }
    try {
      transfer(guest, host, transfer);
    } catch (CommandFailedException e) {
      return new Ended(false, known, Optional.of(stays(e, known)));
    }
    List<String> problems = new ArrayList<>();
    for (int i = 0; i < known.size(); i++) {
      JobWait.Ended ended = wait(JobWait.Goal.SWITCHED).from(known.get(i));
      known.set(i, ended.job());
      ended.problem().ifPresent(problems::add);
    }
    return new Ended(
        true,
        known,
        problems.isEmpty()
            ? Optional.empty()
            : Optional.of(
                "%s runs at %s, but %s".formatted(guest, host, String.join("; ", problems))));
  }

  /** Why they are not; empty when they were at one look. */
  private Optional<String> inSync(List<JobReport> jobs)
      throws CommandFailedException, InterruptedException {
    boolean together;
    do {
      for (int i = 0; i < jobs.size(); i++) {
        JobWait.Ended ended = wait(JobWait.Goal.IN_SYNC).from(jobs.get(i));
        jobs.set(i, ended.job());
        if (ended.problem().isPresent()) {
          return ended.problem();
        }
      }
      together = true;
      for (int i = 0; i < jobs.size(); i++) {
        jobs.set(i, look(jobs.get(i)));
        together &= isInSync(jobs.get(i));
      }
    } while (!together);
    return Optional.empty();
  }

  private static boolean isInSync(JobReport job) {
    return switch (job.state()) {
      case SYNC, SWITCHED, DONE -> true;
      case BEHIND,
          OPENING,
          COPYING,
          CONVERGING,
          FLUSHING,
          VERIFYING,
          RECORDING,
          PAUSED,
          ABORTED,
          FAILED ->
          false;
    };
  }

  private JobWait wait(JobWait.Goal goal) {
    return new JobWait(daemon, goal, patience, line, nanoTime, pause);
  }

  private JobReport look(JobReport job) throws CommandFailedException {
    return new JobReport(
        daemon.call(
            Map.of(
                "command",
                "job",
                "domain",
                job.text("uuid"),
                "target",
                job.text("target"),
                "action",
                "show")));
  }

  private void transfer(String guest, String host, Transfer transfer)
      throws CommandFailedException, InterruptedException {
    CompletableFuture<Void> moved =
        CompletableFuture.runAsync(
            () -> {
              try {
                transfer.run();
              } catch (CommandFailedException e) {
                throw new CompletionException(e);
              }
            },
            task -> new Thread(task, "migration").start());
    long began = nanoTime.getAsLong();
    while (!moved.isDone()) {
      long millis = Duration.ofNanos(nanoTime.getAsLong() - began).toMillis();
      line.show("moving", "%s: migrating to %s, %s".formatted(guest, host, Amounts.time(millis)));
      pause.last(LOOK);
    }
    try {
      moved.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof CommandFailedException failure) {
        throw failure;
      }
      throw e;
    }
  }

  private static String stays(CommandFailedException why, List<JobReport> jobs) {
    if (jobs.isEmpty()) {
      return why.getMessage();
    }
    return jobs.stream()
        .map(
            job ->
                "'netchannel job %s %s --abort'".formatted(job.text("domain"), job.text("target")))
        .collect(
            Collectors.joining(
                ", ",
                why.getMessage() + "; its copies are kept alike: the same command tries again, ",
                " ends it"));
  }
}
