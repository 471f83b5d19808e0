package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs an agent on a thread of its own, which parks when there is nothing to do.
 *
 * <pre>
 *   NEW --start--> RUNNING --close--------------------------> CLOSING --agent closed--> ended()
 *    |                |                                          ^
 *    |                +--doWork threw: who supervises is told----+
 *    +--no thread can be made: start throws, agent closed--------------------------> ended()
 * </pre>
 *
 * Whatever an agent throws, errors of the virtual machine too, ends that agent and nothing else.
 * {@link #wake} may be handed out before {@link #start}.
 */
public final class AgentRunner implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(AgentRunner.class);

  /** Bounds on time (seal, replay map) are kept this exactly; wake-ups are not waited for by it. */
  private static final long PARK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private final Consumer<Throwable> supervisor;
  private volatile Thread thread;
  private volatile boolean closing;

  /** Of an agent that nobody supervises but by {@link #ended}. */
  public AgentRunner() {
    this(failure -> {});
  }

  /**
   * Makes a runner.
   *
   * @param supervisor told at once why the agent stopped, when it did so by itself: on its thread,
   *     before it is closed, which may take as long as what it uses
   */
  public AgentRunner(Consumer<Throwable> supervisor) {
    this.supervisor = supervisor;
  }

  /**
   * Starts the agent's thread. Once.
   *
   * @throws IllegalStateException when this process may have no more threads; the agent is closed
   */
  public void start(Agent agent) {
    checkState(thread == null, "%s: the runner has been started already", agent.roleName());
    Thread started = new Thread(() -> run(agent), agent.roleName());
    started.setDaemon(true);
    thread = started;
    try {
      started.start();
    } catch (OutOfMemoryError e) {
      end(agent, e);
      throw new IllegalStateException(
          agent.roleName()
              + ": no thread can be made for it: the limit of tasks is reached (TasksMax of the"
              + " unit, kernel.threads-max), or memory is used up",
          e);
    }
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
      tell(agent, e);
    }
    end(agent, failure);
  }

  /** Also with little memory left the agent has to be closed: nothing may throw from here. */
  private void tell(Agent agent, Throwable failure) {
    try {
      log.error("{}: stopped by an internal error; no other device is", agent.roleName(), failure);
    } catch (RuntimeException | Error unlogged) {
      failure.addSuppressed(unlogged);
    }
    try {
      supervisor.accept(failure);
    } catch (RuntimeException | Error untold) {
      failure.addSuppressed(untold);
    }
  }

  private void end(Agent agent, Throwable cause) {
    Throwable failure = cause;
    try {
      agent.close();
    } catch (RuntimeException | Error e) {
      failure = failure == null ? e : failure;
      try {
        log.error("{}: could not be closed properly", agent.roleName(), e);
      } catch (RuntimeException | Error unlogged) {
        failure.addSuppressed(unlogged);
      }
    }
    if (failure == null) {
      ended.complete(null);
    } else {
      ended.completeExceptionally(failure);
    }
  }
}
