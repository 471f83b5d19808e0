package io.netchannel.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Migrates a guest whose disks go along, and shows how far that is.
 *
 * <pre>
 *   COPYING --all are in sync, at one look--> MOVING --libvirt has moved it--> SETTLING --> moved, with its disks
 *      |  ^                                      |                                +------> moved, a disk is not
 *      |  +--one is not any more--+              +--libvirt has not: a problem, with what has become of each copy,
 *      |                                            as soon as both hosts agree on where guest and disks are
 *      +--a copy ends, is paused for too long: a problem, with the copies that go on
 * </pre>
 *
 * Whatever libvirt says, the other host may not be heard for long: what it has not said by then is
 * not guessed.
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
   * @param patience with a copy that is paused, with a daemon that is away, and with the other host
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
    Optional<String> lost;
    try {
      lost = inSync(known);
    } catch (CommandFailedException e) {
      throw new CommandFailedException(e.getMessage() + goOn(known), e);
    }
    if (lost.isPresent()) {
      return new Ended(false, known, lost);
    }
    try {
      transfer(guest, host, transfer);
    } catch (CommandFailedException e) {
      return notMoved(guest, host, e.getMessage(), known);
    }
    return moved(guest, host, known);
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
          List<JobReport> others = new ArrayList<>(jobs);
          others.remove(i);
          return Optional.of(ended.problem().get() + goOn(looks(others)));
        }
      }
      together = true;
      for (JobReport now : looks(jobs)) {
        together &= isInSync(now);
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

  /** Each as it is now, also in the list itself. */
  private List<JobReport> looks(List<JobReport> jobs)
      throws CommandFailedException, InterruptedException {
    for (int i = 0; i < jobs.size(); i++) {
      jobs.set(i, look(jobs.get(i)));
    }
    return jobs;
  }

  private JobReport look(JobReport job) throws CommandFailedException, InterruptedException {
    return wait(JobWait.Goal.IN_SYNC).look(job);
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

  /** libvirt says that it has moved: then its copies end, as soon as the other host says so too. */
  private Ended moved(String guest, String host, List<JobReport> jobs) throws InterruptedException {
    List<String> problems = new ArrayList<>();
    long began = nanoTime.getAsLong();
    for (int i = 0; i < jobs.size(); i++) {
      try {
        jobs.set(i, awaitEnd(host, jobs.get(i), job -> !isOver(job), began));
        if (isOver(jobs.get(i))) {
          JobWait.Ended ended = wait(JobWait.Goal.SWITCHED).from(jobs.get(i));
          jobs.set(i, ended.job());
          ended.problem().ifPresent(problems::add);
        } else {
          problems.add(notOver(jobs.get(i)));
        }
      } catch (CommandFailedException e) {
        problems.add(
            "what has become of %s is not known: %s".formatted(jobs.get(i).name(), e.getMessage()));
      }
    }
    return new Ended(
        true,
        jobs,
        problems.isEmpty()
            ? Optional.empty()
            : Optional.of(
                "%s runs at %s, but %s".formatted(guest, host, String.join("; ", problems))));
  }

  private static String notOver(JobReport job) {
    return job.isGiven()
        ? job.notSaid()
        : job.line() + "; that has not ended yet: 'netchannel migrations'";
  }

  /** Whether its guest's migration has still to end, or has ended there and the copy has not. */
  private static boolean isUndecided(JobReport job) {
    return job.isGiven() || job.isMigrating() || (job.isElsewhere() && !isOver(job));
  }

  /**
   * libvirt says that it has not moved. It may have failed after the guest was let run, or after
   * its copies were given: then these are over. Where it has lost the other host only, that may go
   * on.
   */
  private Ended notMoved(String guest, String host, String why, List<JobReport> jobs)
      throws InterruptedException {
    long began = nanoTime.getAsLong();
    try {
      for (int i = 0; i < jobs.size(); i++) {
        jobs.set(i, awaitEnd(host, jobs.get(i), job -> isUndecided(job) || job.isEnding(), began));
      }
    } catch (CommandFailedException e) {
      return new Ended(
          false,
          jobs,
          Optional.of("%s; what has become of its copies: %s".formatted(why, e.getMessage())));
    }
    boolean moved = jobs.stream().anyMatch(JobReport::hasArrived);
    StringBuilder words = new StringBuilder(why);
    if (moved) {
      words.append("; yet %s runs at %s".formatted(guest, host));
    }
    for (JobReport job : jobs) {
      if (hasGone(job)) {
        words.append(", with %s at %s".formatted(job.text("target"), job.text("new")));
      } else if (hasEnded(job)) {
        words.append("; ").append(job.line());
      }
    }
    return new Ended(moved, jobs, Optional.of(words + goOn(jobs)));
  }

  /**
   * Which device is the disk is known when the hosts agree, and then its copy ends.
   *
   * @param began when it was begun to wait for them
   * @return as it was seen last, which may be before that
   */
  private JobReport awaitEnd(
      String host, JobReport job, Predicate<JobReport> isUndecided, long began)
      throws CommandFailedException, InterruptedException {
    JobReport now = look(job);
    while (isUndecided.test(now) && nanoTime.getAsLong() - began < patience.toNanos()) {
      line.show("deciding", "waiting for %s to say which disks it has".formatted(host));
      pause.last(LOOK);
      now = look(now);
    }
    return now;
  }

  /** What is not over: how to go on with those that do, or to end them. */
  private static String goOn(List<JobReport> jobs) {
    List<String> words = new ArrayList<>();
    for (JobReport job : jobs) {
      if (job.isGiven() || (isUndecided(job) && !job.isMigrating())) {
        words.add(notOver(job));
      }
    }
    if (jobs.stream().anyMatch(job -> job.isMigrating() && !job.isGiven())) {
      words.add("the migration is not over yet: 'netchannel migrations'");
    }
    String ends =
        jobs.stream()
            .filter(job -> !isOver(job) && !job.isEnding() && !isUndecided(job))
            .map(
                job ->
                    "'netchannel job %s %s --abort'"
                        .formatted(job.text("domain"), job.text("target")))
            .collect(Collectors.joining(", "));
    if (!ends.isEmpty()) {
      words.add("copies go on: the same command tries again, %s ends it".formatted(ends));
    }
    return words.stream().map(each -> "; " + each).collect(Collectors.joining());
  }

  private static boolean hasGone(JobReport job) {
    return job.state() == JobReport.State.SWITCHED || job.state() == JobReport.State.DONE;
  }

  private static boolean hasEnded(JobReport job) {
    return isOver(job) ? !hasGone(job) : job.isEnding();
  }

  private static boolean isOver(JobReport job) {
    return switch (job.state()) {
      case SWITCHED, DONE, ABORTED, FAILED -> true;
      case BEHIND, OPENING, COPYING, CONVERGING, FLUSHING, VERIFYING, SYNC, RECORDING, PAUSED ->
          false;
    };
  }
}
