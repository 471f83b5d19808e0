package io.netchannel.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/**
 * What becomes of a move when its process is told to end (SIGINT, SIGTERM, SIGHUP).
 *
 * <pre>
 *   PREPARING --copies--> COPYING --moves--> MOVING --moved--> DECIDING --told to end--> said what shows its copies
 *      |                     |                  +--told to end--> waits until libvirt has done with the guest
 *      |                     +--told to end--> the copies are given up, and that is said
 *      +--told to end--> waits until the daemon has begun them, then likewise
 *   close: from each of them to OVER: there is nothing to do
 * </pre>
 */
final class MoveInterrupt {
  private enum State {
    PREPARING,
    COPYING,
    MOVING,
    DECIDING,
    OVER
  }

  private final PrintWriter err;
  private final ProgressLine line;
  private final JobWait.Daemon daemon;
  private final Thread hook = new Thread(this::toldToEnd, "move-interrupt");
  private final CountDownLatch prepared = new CountDownLatch(1);
  private final CountDownLatch over = new CountDownLatch(1);
  private State state = State.PREPARING; // guarded by this, as the others
  private String guest;
  private List<JobReport> jobs = List.of();

  private MoveInterrupt(PrintWriter err, ProgressLine line, JobWait.Daemon daemon, String guest) {
    this.err = err;
    this.line = line;
    this.daemon = daemon;
    this.guest = guest;
  }

  /** Until it is closed. */
  static MoveInterrupt from(
      PrintWriter err, ProgressLine line, JobWait.Daemon daemon, String guest) {
    MoveInterrupt begun = new MoveInterrupt(err, line, daemon, guest);
    Runtime.getRuntime().addShutdownHook(begun.hook);
    return begun;
  }

  /**
   * The daemon has begun to copy.
   *
   * @throws CommandFailedException when that is being given up
   */
  void copies(String name, List<JobReport> begun) throws CommandFailedException {
    synchronized (this) {
      guest = name;
      jobs = List.copyOf(begun);
    }
    prepared.countDown(); // who is told to end gives up what it finds
    enter(State.COPYING);
  }

  /**
   * The guest is about to be on its way.
   *
   * @throws CommandFailedException when the copies are being given up
   */
  void moves() throws CommandFailedException {
    enter(State.MOVING);
  }

  private synchronized void enter(State next) throws CommandFailedException {
    if (state == State.OVER) {
      throw new CommandFailedException(guest + ": given up before it was on its way");
    }
    state = next;
  }

  /** It has arrived, or stays: libvirt has done with it. */
  synchronized void moved() {
    state = state == State.MOVING ? State.DECIDING : state;
    over.countDown();
  }

  private void toldToEnd() {
    State found;
    synchronized (this) {
      found = state;
      state = found == State.MOVING ? found : State.OVER;
    }
    line.leave();
    switch (found) {
      case PREPARING -> {
        say(guest() + ": the daemon is beginning its copies, and is waited for to give them up");
        await(prepared);
        jobs().forEach(this::giveUp);
      }
      case COPYING -> jobs().forEach(this::giveUp);
      case MOVING -> {
        say(
            guest()
                + ": is on its way, and libvirt is waited for; 'netchannel migrations' shows it");
        await(over);
      }
      case DECIDING ->
          say(
              "%s: libvirt has done with it; 'netchannel jobs %s' shows what becomes of its copies"
                  .formatted(guest(), guest()));
      case OVER -> {}
    }
  }

  private synchronized String guest() {
    return guest;
  }

  private synchronized List<JobReport> jobs() {
    return jobs;
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

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
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
    synchronized (this) {
      state = State.OVER;
    }
    over.countDown();
    prepared.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending: the hook sees that it is over.
    }
  }
}
