package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs an agent on a thread of its own, which parks when there is nothing to do.
 *
 * <pre>
 *   NEW --start--> RUNNING --close, or doWork threw--> CLOSING --agent closed--> ended()
 * </pre>
 *
 * Whatever an agent throws ends that agent and nothing else. {@link #wake} may be handed out before
 * {@link #start}.
 */
public final class AgentRunner implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(AgentRunner.class);

  /** Bounds on time (seal, replay map) are kept this exactly; wake-ups are not waited for by it. */
  private static final long PARK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private volatile Thread thread;
  private volatile boolean closing;

  /** Starts the agent's thread. Once. */
  public void start(Agent agent) {
    checkState(thread == null, "%s: the runner has been started already", agent.roleName());
    Thread started = new Thread(() -> run(agent), agent.roleName());
    started.setDaemon(true);
    thread = started;
    started.start();
  }

  /** Makes the agent look for work; from any thread. A wake-up during doWork is not lost. */
  public void wake() {
    LockSupport.unpark(thread);
  }

  /** Completes when the agent is closed; with the exception that ended it, if one did. */
  public CompletableFuture<Void> ended() {
    return ended;
  }

  /** Ends the agent and waits until it is closed (not when called by the agent's own thread). */
  @Override
  public void close() {
    closing = true;
    Thread running = thread;
    if (running == null || running == Thread.currentThread()) {
      return;
    }
    wake();
    boolean interrupted = false;
    while (running.isAlive()) {
      try {
        running.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void run(Agent agent) {
    Throwable failure = null;
    try {
      while (!closing) {
        if (agent.doWork() == 0 && !closing) {
          LockSupport.parkNanos(this, PARK_NANOS);
        }
      }
    } catch (RuntimeException | Error e) {
      failure = e;
      log.error(
          "{}: stopped by an internal error; only this device is closed", agent.roleName(), e);
    }
    try {
      agent.close();
    } catch (RuntimeException | Error e) {
      log.error("{}: could not be closed properly", agent.roleName(), e);
      failure = failure == null ? e : failure;
    }
    if (failure == null) {
      ended.complete(null);
    } else {
      ended.completeExceptionally(failure);
    }
  }
}
