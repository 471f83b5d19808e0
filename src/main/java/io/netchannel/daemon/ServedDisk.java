package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import io.netchannel.device.Device;
import io.netchannel.device.Inheritance;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointStatus;
import io.netchannel.midpoint.block.BlockManifest;
import io.netchannel.midpoint.block.BlockMidPoint;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.VbdNodes.Detail;
import io.netchannel.xen.EventChannels;
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
 * One virtual disk of a domain: its mid-point, its in-flight table, its device, and what became of
 * them.
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
 */
final class ServedDisk {
  private static final Logger log = LoggerFactory.getLogger(ServedDisk.class);

  /**
   * A mid-point answers a command within a poll of its thread; its device may be slow to finish.
   */
  private static final Duration COMMAND_BOUND = Duration.ofSeconds(20);

  /**
   * What every disk of a host uses.
   *
   * @param memory for the data of their requests
   * @param traceDirectory where mid-points trace their requests; empty for nowhere
   * @param notes hears of guests that arrive
   */
  record Environment(
      XenStore store,
      GrantTable grants,
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
  private final Consumer<ServedDisk> whenGone;
  private final CompletableFuture<Void> gone = new CompletableFuture<>();

  /** Guards which mid-point it has, and whether it may have one, or a device. */
  private final Object life = new Object();

  private final AtomicInteger failures = new AtomicInteger();

  /** When a mid-point of it has ended by an error, the last times; on the mid-points' threads. */
  private final long[] failedAtNanos = new long[MAX_FAILURES];

  private volatile Optional<MidPointRun> run = Optional.empty();
  private volatile Condition condition = Condition.NEW;
  private volatile DiskDetails details;
  private volatile long sizeBytes;
  private volatile Optional<String> problem = Optional.empty();
  private volatile Optional<Device> device = Optional.empty();
  private volatile boolean ending;
  private volatile boolean retired;

  /** The manifest that was decoded last, and of which bytes. */
  private ByteString encodedManifest = ByteString.EMPTY;

  private BlockManifest decodedManifest;

  /**
   * One without a mid-point yet.
   *
   * @param whenGone forgets it: who hears that it is gone does not find it any more
   */
  ServedDisk(Environment environment, DiskDetails details, Consumer<ServedDisk> whenGone) {
    this.environment = environment;
    this.details = details;
    this.whenGone = whenGone;
    address = details.address();
  }

  /** What an earlier disk of these nodes has left is dropped; before the first {@link #start}. */
  void forgetEarlier() throws IOException {
    Files.deleteIfExists(inflightFile(environment, address));
  }

  /**
   * Starts a mid-point over its nodes and its table of requests in flight, where there is none that
   * works; nothing once it is to end.
   *
   * @param whenFailed told when it ends by an error: at once, on its thread
   * @return it; empty when the disk ends
   * @throws IOException when there is no room for the table, or it cannot be read
   * @throws IllegalStateException when there is no thread for it
   */
  Optional<MidPointRun> start(Consumer<Throwable> whenFailed) throws IOException {
    synchronized (life) {
      if (ending) {
        return Optional.empty();
      }
      condition = Condition.RUNS; // before its first step, which may be its last one
      run =
          Optional.of(
              new MidPointRun(
                  environment,
                  details,
                  inflightFile(environment, address),
                  failure -> {
                    failed(failure);
                    whenFailed.accept(failure);
                  }));
      return run;
    }
  }

  /** On the mid-point's thread, which is about to close its device. */
  private void failed(Throwable failure) {
    int count = failures.incrementAndGet();
    failedAtNanos[(count - 1) % MAX_FAILURES] = environment.nanoTime().getAsLong();
    problem = Optional.of("its mid-point ended by an error (" + failure + ") and is started again");
    condition = Condition.RECOVERING;
    // Another one comes back for it, and does not wait for what runs at a server.
    device.ifPresent(Device::keepPlace);
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

  /** Removes what a disk that nobody serves has left. */
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

  DiskDetails details() {
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
  BlockMidPoint midPoint() {
    return run.orElseThrow(
            () ->
                new IllegalStateException(
                    "%s is not served: %s".formatted(this, problem.orElse("it is being started"))))
        .midPoint();
  }

  /** As {@link BlockMidPoint#changesBefore}. */
  ImmutableList<Inheritance.Change> changesBefore() {
    return midPoint().changesBefore().stream()
        .map(change -> new Inheritance.Change(change.offsetBytes(), change.lengthBytes()))
        .collect(ImmutableList.toImmutableList());
  }

  /** What its mid-point says; of a disk without one that it expects its device. */
  MidPointStatus status() {
    return run.map(present -> present.midPoint().status())
        .orElseGet(
            () ->
                new MidPointStatus(
                    new MidPointId(guest().name(), guest().uuid(), guest().domid(), target()),
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
  CompletableFuture<Void> recover(Device used, long generation, boolean sealed) {
    synchronized (life) {
      if (retired || ending) {
        throw new IllegalStateException(this + " was given away or has ended meanwhile");
      }
      return midPoint().recover(used, generation, sealed);
    }
  }

  /** Bytes of its device; 0 while it has none. */
  long sizeBytes() {
    return sizeBytes;
  }

  /** Why its guest waits: it has no device, or that cannot be reached; empty when all is well. */
  Optional<String> problem() {
    return isServing() ? device.flatMap(Device::problem) : noDevice();
  }

  /** Why it is not served although its guest runs and waits; empty when it is. */
  Optional<String> noDevice() {
    return switch (condition) {
      case NEW, RUNS -> isExpecting() ? problem : Optional.empty();
      case RECOVERING, FAILED -> ending ? Optional.empty() : problem;
    };
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
  void uses(Device used, String source, long generation) {
    sizeBytes = used.geometry().sizeBytes();
    device = Optional.of(used);
    note(details.with(Optional.of(source), generation));
  }

  /** What its requests go to; empty while it has none. */
  Optional<Device> device() {
    return device;
  }

  /** Notes that another device is between it and its source, or not any more. */
  void device(Device exchanged) {
    device = Optional.of(exchanged);
  }

  /**
   * Notes in the nodes what becomes its source, before anything is written there.
   *
   * @throws IllegalStateException when the nodes have gone
   */
  void follows(String source) {
    noteNode(Detail.FOLLOWER, source);
  }

  /** Nothing does any more; nodes that have gone need it not. */
  void followsNothing() {
    try {
      noteNode(Detail.FOLLOWER, "");
    } catch (RuntimeException e) {
      log.info("{}: {}", this, e.getMessage());
    }
  }

  /** Notes its new source, which the journal has already; nodes that have gone need it not. */
  void switched(String source) {
    try {
      synchronized (this) {
        note(details.with(Optional.of(source), details.generation()));
      }
    } catch (RuntimeException e) { // the journal has it; it is written once more in the end
      log.info("{}: {}", this, e.getMessage());
    }
    followsNothing();
  }

  /** Notes a generation before it is used. */
  void usesGeneration(long generation) {
    note(details.with(details.source(), generation));
  }

  /**
   * Decodes a manifest; the very same bytes once only: they are staged first, and taken over in the
   * hook that holds up the guest, where they are not even compared.
   *
   * @param encoded its checksum was verified by who brought it
   * @throws IllegalArgumentException when it is not a manifest
   */
  synchronized BlockManifest decode(ByteString encoded) {
    if (decodedManifest == null || !isSame(encoded, encodedManifest)) {
      decodedManifest = BlockManifest.decodeVerified(encoded.asReadOnlyByteBuffer());
      encodedManifest = encoded;
    }
    return decodedManifest;
  }

  @SuppressWarnings("ReferenceEquality") // to compare 32 MiB takes as long as to decode them
  private static boolean isSame(ByteString a, ByteString b) {
    return a == b;
  }

  /** It has been taken over: nobody will ask for it again. */
  synchronized void forgetManifest() {
    encodedManifest = ByteString.EMPTY;
    decodedManifest = null;
  }

  /**
   * Begins to end it, or what has begun. Never fails: what cannot be removed is left for the next
   * daemon.
   *
   * @param removeNodes false when a process after us shall serve the disk again
   * @param executor waits for the device, as long as that takes
   * @return completes when its thread has ended and, if so wished, its nodes have gone
   */
  CompletableFuture<Void> end(boolean removeNodes, Executor executor) {
    Optional<MidPointRun> last;
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
      device.ifPresent(Device::keepPlace);
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

  private void note(DiskDetails changed) {
    details = changed;
    changed.nodes().forEach(this::noteNode);
  }

  private void noteNode(String name, String value) {
    if (!DeviceNodes.setDetail(environment.store(), address, name, value)) {
      throw new IllegalStateException(this + " has been removed from xenstore");
    }
  }

  private static Path inflightFile(Environment environment, DeviceAddress address) {
    return environment.inflightDirectory().resolve(address.domid() + "-" + address.devid());
  }

  @Override
  public String toString() {
    return details.toString();
  }
}
