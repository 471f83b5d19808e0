package io.netchannel.time;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Work for a timer that comes back by itself. A {@link
 * java.util.concurrent.ScheduledExecutorService} and an event loop both end a period without a word
 * when a run of it throws; this one says so and comes back.
 */
public final class Repeated implements Runnable {
  private static final Logger log = LoggerFactory.getLogger(Repeated.class);

  private final String what;
  private final Runnable work;

  private Repeated(String what, Runnable work) {
    this.what = what;
    this.work = work;
  }

  /**
   * That work, with what it throws logged.
   *
   * @param what for the log: "keeping peers connected"
   */
  public static Runnable of(String what, Runnable work) {
    return new Repeated(what, work);
  }

  @Override
  public void run() {
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      // An error also: a thread that cannot be made now can be made later.
      log.error("{} failed, will be tried again", what, e);
    }
  }
}
