package io.netchannel.cli;

import java.io.PrintWriter;

/**
 * Says, when a process is told to end that waits for a job (SIGINT, SIGTERM, SIGHUP), that the job
 * goes on.
 *
 * <pre>
 *   WAITING --told to end--> said
 *      +--close--> OVER: there is nothing to say
 * </pre>
 */
final class LeftGoing {
  private final PrintWriter err;
  private final ProgressLine line;
  private final JobReport job;
  private final Thread hook = new Thread(this::say, "left-going");
  private boolean over; // guarded by this

  private LeftGoing(PrintWriter err, ProgressLine line, JobReport job) {
    this.err = err;
    this.line = line;
    this.job = job;
  }

  /** Until it is closed. */
  static LeftGoing from(PrintWriter err, ProgressLine line, JobReport job) {
    LeftGoing begun = new LeftGoing(err, line, job);
    Runtime.getRuntime().addShutdownHook(begun.hook);
    return begun;
  }

  private synchronized void say() {
    if (!over) {
      line.leave();
      err.println("%s: goes on without this command; %s".formatted(job.name(), job.wayBack()));
      err.flush();
    }
  }

  /** The waiting is over. Idempotent. */
  synchronized void close() {
    over = true;
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending: the hook sees that it is over.
    }
  }
}
