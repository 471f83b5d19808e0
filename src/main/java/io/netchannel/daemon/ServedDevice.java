package io.netchannel.daemon;

import io.netchannel.device.Backend;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointStatus;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One virtual device of a domain: its mid-point, its in-flight table, what its requests go to, and
 * what became of them.
 *
 * <pre>
 *   NEW --start--> RUNS --mid-point ended by an error--> RECOVERING --start, at most twice--> RUNS
 *    |                                                       |
 *    +--cannot be started, three times                       +--the third end within ten minutes,
 *    v                                                       v  or it cannot be started
 *   FAILED <-------------------------------------------------+
 *
 *   any --end--> ENDING --mid-point closed, nodes removed--> ended
 * </pre>
 *
 * Its monitor keeps a claim, an unseal and a recovery apart. Whether it may have a device at all,
 * and which mid-point that goes to, is under a lock of its own, with which nobody waits for a
 * device.
 *
 * @param <B> what its requests go to
 * @param <M> its mid-points
 * @param <D> what its nodes say
 */
abstract class ServedDevice<
    B extends Backend, M extends MidPoint<B, ?>, D extends DeviceDetails<D>> {
  private static final Logger log = LoggerFactory.getLogger(ServedDevice.class);

  /**
   * A mid-point answers a command within a poll of its thread; its device may be slow to finish.
   */
  private static final Duration COMMAND_BOUND = Duration.ofSeconds(20);

  /**
   * What every device of a host uses.
   *
   * @param memory for the data of their requests
   * @param traceDirectory where mid-points trace their requests; empty for nowhere
   * @param notes hears of guests that arrive
   */
  record Environment(
      XenStore store,
      GrantTable grants,
      ForeignMemory foreignMemory,
      EventChannels events,
      MidPointMemory memory,
      Path inflightDirectory,
      Optional<Path> traceDirectory,
      Clock clock,
      LongSupplier nanoTime,
      DiskNotes notes) {}

  /** Whether there is a mid-point that works; what a mid-point does is its own state. */
  enum Condition {
    /** Its nodes are published; no mid-point yet. */
    NEW,
    RUNS,
    /** Its mid-point has ended by an error; another one is to take its place. */
    RECOVERING,
    /** Nobody tries any more: its guest waits until the daemon is restarted. */
    FAILED
  }

  /** An error that comes with each start would use up the host, and the log. */
  private static final int MAX_FAILURES = 3;

  /** Errors this far apart have nothing to do with each other, and a new start helps. */
  private static final Duration FAILURE_WINDOW = Duration.ofMinutes(10);

  /** Shorter than any bound on hooks; a mid-point on storage that works ends in milliseconds. */
  static final Duration END_BOUND = Duration.ofSeconds(20);

  private final Environment environment;
  private final DeviceAddress address;
  private final Consumer<? super ServedDevice<B, M, D>> whenGone;
  private final CompletableFuture<Void> gone = new CompletableFuture<>();

  /** Guards which mid-point it has, and whether it may have one, or a device. */
  private final Object life = new Object();

  private final AtomicInteger failures = new AtomicInteger();

  /** When a mid-point of it has ended by an error, the last times; on the mid-points' threads. */
  private final long[] failedAtNanos = new long[MAX_FAILURES];

  private volatile Optional<MidPointRun<M>> run = Optional.empty();
  private volatile Condition condition = Condition.NEW;
  private volatile D details;
  private volatile Optional<String> problem = Optional.empty();
  private volatile Optional<B> device = Optional.empty();
  private volatile boolean ending;
  private volatile boolean retired;

  /**
   * One without a mid-point yet.
   *
   * @param whenGone forgets it: who hears that it is gone does not find it any more
   */
  ServedDevice(
      Environment environment, D details, Consumer<? super ServedDevice<B, M, D>> whenGone) {
    this.environment = environment;
    this.details = details;
    this.whenGone = whenGone;
    address = details.address();
  }

  /**
   * Makes a mid-point over its nodes and its table of requests in flight.
   *
   * @param table the file of that table, which need not be there
   * @param wake called on any thread when there is something to do
   * @throws IOException when there is no room for the table, or it cannot be read
   */
  abstract M makeMidPoint(Path table, MidPointTrace trace, Runnable wake) throws IOException;

  /** What an earlier device of these nodes has left is dropped; before the first {@link #start}. */
  void forgetEarlier() throws IOException {
    Files.deleteIfExists(inflightFile(environment, address));
  }

  /**
   * Starts a mid-point over its nodes and its table of requests in flight, where there is none that
   * works; nothing once it is to end.
   *
   * @param whenFailed told when it ends by an error: at once, on its thread
   * @return it; empty when the device ends
   * @throws IOException when there is no room for the table, or it cannot be read
   * @throws IllegalStateException when there is no thread for it
   */
  Optional<MidPointRun<M>> start(Consumer<Throwable> whenFailed) throws IOException {
    synchronized (life) {
      if (ending) {
        return Optional.empty();
      }
      condition = Condition.RUNS; // before its first step, which may be its last one
      run =
          Optional.of(
              new MidPointRun<>(
                  this::newMidPoint,
                  failure -> {
                    failed(failure);
                    whenFailed.accept(failure);
                  }));
      return run;
    }
  }

  private M newMidPoint(Runnable wake) throws IOException {
    MidPointTrace trace = trace();
    try {
      return makeMidPoint(inflightFile(environment, address), trace, wake);
    } catch (IOException | RuntimeException e) {
      trace.close();
      throw e;
    }
  }

  private MidPointTrace trace() throws IOException {
    if (environment.traceDirectory().isEmpty()) {
      return MidPointTrace.off();
    }
    String name = guest().name() + "-" + target() + ".jsonl";
    return MidPointTrace.open(
        environment.traceDirectory().get().resolve(name), environment.clock());
  }

  /** Its name in traces and logs. */
  MidPointId id() {
    return new MidPointId(guest().name(), guest().uuid(), guest().domid(), target());
  }

  /** What all devices of this host use. */
  Environment environment() {
    return environment;
  }

  /** On the mid-point's thread, which is about to close its device. */
  private void failed(Throwable failure) {
    int count = failures.incrementAndGet();
    failedAtNanos[(count - 1) % MAX_FAILURES] = environment.nanoTime().getAsLong();
    problem = Optional.of("its mid-point ended by an error (" + failure + ") and is started again");
    condition = Condition.RECOVERING;
    // Another one comes back for it, and does not wait for what runs at a server.
    device.ifPresent(Backend::keepPlace);
  }

  /** Whether another start is pointless; between two mid-points. */
  boolean failsAgainAndAgain() {
    int count = failures.get();
    return count >= MAX_FAILURES
        && failedAtNanos[(count - 1) % MAX_FAILURES] - failedAtNanos[count % MAX_FAILURES]
            < FAILURE_WINDOW.toNanos();
  }

  /** Gives it up, with what to tell whoever asks. */
  void fail(String reason) {
    problem = Optional.of(reason);
    condition = Condition.FAILED;
  }

  Condition condition() {
    return condition;
  }

  /** How often a mid-point of it has ended by an error. */
  int failures() {
    return failures.get();
  }

  /** Removes what a device that nobody serves has left. */
  static void removeLeftovers(Environment environment, DeviceAddress address) throws IOException {
    DeviceNodes.remove(environment.store(), address);
    Files.deleteIfExists(inflightFile(environment, address));
  }

  Guest guest() {
    return details.guest();
  }

  String target() {
    return details.target();
  }

  D details() {
    return details;
  }

  DeviceAddress address() {
    return address;
  }

  /**
   * The present one; commands to one that has ended fail at once.
   *
   * @throws IllegalStateException when there is none, with why
   */
  M midPoint() {
    return run.orElseThrow(
            () ->
                new IllegalStateException(
                    "%s is not served: %s".formatted(this, problem.orElse("it is being started"))))
        .midPoint();
  }

  /** The present mid-point; empty while there is none. */
  Optional<M> present() {
    return run.map(MidPointRun::midPoint);
  }

  /** What its mid-point says; of a device without one that it expects its device. */
  MidPointStatus status() {
    return run.map(present -> present.midPoint().status())
        .orElseGet(
            () ->
                new MidPointStatus(
                    id(),
                    MidPoint.State.EXPECTING,
                    0,
                    VirtualDevice.State.PREPARED,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0));
  }

  boolean isServing() {
    return condition == Condition.RUNS && status().state() == MidPoint.State.SERVING;
  }

  /**
   * Retires it, for good: no mid-point of it is given a device from now on. Completes when nothing
   * of it is at a device.
   */
  CompletableFuture<Void> retire() {
    synchronized (life) {
      retired = true;
      return run.map(present -> present.midPoint().retire())
          .orElseGet(() -> CompletableFuture.completedFuture(null));
    }
  }

  /** Gives the present mid-point its device after a restart, unless it must not have one. */
  CompletableFuture<Void> recover(B used, long generation, boolean sealed) {
    synchronized (life) {
      if (retired || ending) {
        throw new IllegalStateException(this + " was given away or has ended meanwhile");
      }
      return midPoint().recover(used, generation, sealed);
    }
  }

  /** Why its guest waits: it has no device, or that cannot be reached; empty when all is well. */
  Optional<String> problem() {
    return isServing() ? device.flatMap(Backend::problem) : noDevice();
  }

  /** Why it is not served although its guest runs and waits; empty when it is. */
  Optional<String> noDevice() {
    return switch (condition) {
      case NEW, RUNS -> isExpecting() ? problem : Optional.empty();
      case RECOVERING, FAILED -> ending ? Optional.empty() : problem;
    };
  }

  /** Whether its guest waits for us: it has no device yet, or that cannot be reached. */
  boolean guestWaits() {
    return isExpecting() || problem().isPresent();
  }

  void problem(String reason) {
    problem = Optional.of(reason);
  }

  /** Whether it is in use here and has no device yet. */
  boolean isExpecting() {
    return !ending && !retired && status().state() == MidPoint.State.EXPECTING;
  }

  /**
   * Waits for a command to its mid-point.
   *
   * @throws IllegalStateException when the command fails or takes too long
   */
  void await(String what, CompletableFuture<Void> future) {
    try {
      future.get(COMMAND_BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "%s: %s: %s".formatted(this, what, e.getCause().getMessage()), e);
    } catch (TimeoutException e) {
      throw new IllegalStateException(
          "%s: %s not done within %s".formatted(this, what, COMMAND_BOUND), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(this + ": " + what + ": interrupted", e);
    }
  }

  /**
   * Notes the device it is about to use, in the nodes too: before the device is used, so that a
   * process after us knows.
   *
   * @throws IllegalStateException when the nodes have gone
   */
  void uses(B used, String source, long generation) {
    device = Optional.of(used);
    note(details.with(Optional.of(source), generation));
  }

  /** What its requests go to; empty while it has none. */
  Optional<B> device() {
    return device;
  }

  /** Notes a generation before it is used. */
  void usesGeneration(long generation) {
    note(details.with(details.source(), generation));
  }

  /** Notes that something else is its device, as one in front of that. */
  void device(B exchanged) {
    device = Optional.of(exchanged);
  }

  /**
   * Begins to end it, or what has begun. Never fails: what cannot be removed is left for the next
   * daemon.
   *
   * @param removeNodes false when a process after us shall serve the device again
   * @param executor waits for the device, as long as that takes
   * @return completes when its thread has ended and, if so wished, its nodes have gone
   */
  CompletableFuture<Void> end(boolean removeNodes, Executor executor) {
    Optional<MidPointRun<M>> last;
    synchronized (life) {
      if (ending) {
        return gone.copy();
      }
      ending = true;
      last = run;
    }
    if (removeNodes) {
      last.ifPresent(present -> present.midPoint().abandon());
    } else {
      device.ifPresent(Backend::keepPlace);
    }
    executor.execute(
        () -> {
          try {
            last.ifPresent(MidPointRun::close);
            if (removeNodes) {
              removeLeftovers(environment, address);
            }
          } catch (IOException | RuntimeException e) {
            log.warn("{}: not all of it is removed: {}", this, e.toString());
          } finally {
            try {
              whenGone.accept(this);
            } finally {
              gone.complete(null); // somebody waits for it
            }
          }
        });
    return gone.copy();
  }

  boolean isEnding() {
    return ending;
  }

  /** Completes when nothing of it is left; see {@link #end}. */
  CompletableFuture<Void> gone() {
    return gone.copy();
  }

  /** Notes what has changed, in the nodes too. */
  void note(D changed) {
    details = changed;
    changed.nodes().forEach(this::noteNode);
  }

  /**
   * Writes one of its nodes.
   *
   * @throws IllegalStateException when they have gone
   */
  void noteNode(String name, String value) {
    if (!DeviceNodes.setDetail(environment.store(), address, name, value)) {
      throw new IllegalStateException(this + " has been removed from xenstore");
    }
  }

  /** Disks came first, so that their files have no type in their names. */
  private static Path inflightFile(Environment environment, DeviceAddress address) {
    String type = address.type().equals(VbdNodes.TYPE) ? "" : address.type() + "-";
    return environment.inflightDirectory().resolve(type + address.domid() + "-" + address.devid());
  }

  @Override
  public String toString() {
    return details.toString();
  }
}
