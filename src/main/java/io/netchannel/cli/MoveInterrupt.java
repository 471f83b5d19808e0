package io.netchannel.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/**
 * What becomes of a move when its process is told to end (SIGINT, SIGTERM, SIGHUP).
 *
 * <pre>
 *   COPYING --moves--> MOVING --moved--> OVER
 *      |                  +--told to end--> waits until libvirt has done with the guest
 *      +--told to end--> the copies are given up, and that is said
 *   close: from each of them: there is nothing to do
 * </pre>
 */
final class MoveInterrupt {
  private enum State {
    COPYING,
    MOVING,
    OVER
  }

  private final PrintWriter err;
  private final ProgressLine line;
  private final JobWait.Daemon daemon;
  private final String guest;
  private final List<JobReport> jobs;
  private final Thread hook = new Thread(this::toldToEnd, "move-interrupt");
  private final CountDownLatch over = new CountDownLatch(1);
  private State state = State.COPYING; // guarded by this

  private MoveInterrupt(
      PrintWriter err,
      ProgressLine line,
      JobWait.Daemon daemon,
      String guest,
      List<JobReport> jobs) {
    this.err = err;
    this.line = line;
    this.daemon = daemon;
    this.guest = guest;
    this.jobs = jobs;
  }

  /** Until it is closed. */
  static MoveInterrupt from(
      PrintWriter err,
      ProgressLine line,
      JobWait.Daemon daemon,
      String guest,
      List<JobReport> jobs) {
    MoveInterrupt begun = new MoveInterrupt(err, line, daemon, guest, jobs);
    Runtime.getRuntime().addShutdownHook(begun.hook);
    return begun;
  }

  /**
   * The guest is about to be on its way.
   *
   * @throws CommandFailedException when the copies are being given up
   */
  synchronized void moves() throws CommandFailedException {
    if (state == State.OVER) {
      throw new CommandFailedException(guest + ": given up before it was on its way");
    }
    state = State.MOVING;
  }

  /** It has arrived, or stays. */
  synchronized void moved() {
    state = State.OVER;
    over.countDown();
  }

  private void toldToEnd() {
    State found;
    synchronized (this) {
      found = state;
      state = found == State.COPYING ? State.OVER : found;
    }
    line.leave();
    switch (found) {
      case COPYING -> jobs.forEach(this::giveUp);
      case MOVING -> {
        say(guest + ": is on its way, and libvirt is waited for; 'netchannel migrations' shows it");
        awaitEnd();
      }
      case OVER -> {}
    }
  }

  private void giveUp(JobReport job) {
    try {
      var unused =
          daemon.call(
              Map.of(
                  "command",
                  "job",
                  "domain",
                  job.text("uuid"),
                  "target",
                  job.text("target"),
                  "action",
                  "abort"));
      say(
          "%s: given up, %s is the disk; the volume %s is left as it is"
              .formatted(job.name(), job.text("old"), job.text("new")));
    } catch (CommandFailedException e) {
      say("%s: %s".formatted(job.name(), e.getMessage()));
    }
  }

  private void awaitEnd() {
    try {
      over.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void say(String words) {
    err.println(words);
    err.flush();
  }

  /** All is over. Idempotent. */
  void close() {
    moved();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending: the hook sees that it is over.
    }
  }
}
