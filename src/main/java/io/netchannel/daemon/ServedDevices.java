package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.JournalException;
import io.netchannel.device.Backend;
import io.netchannel.device.DeviceException;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceType;
import io.netchannel.xen.XenStore;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The devices of one kind that this host serves: each is in here from the publication of its nodes
 * until they are removed; one that was retired stays until its domain goes.
 *
 * @param <B> what requests go to
 * @param <S> the devices
 * @param <D> what their nodes say
 */
abstract class ServedDevices<
        B extends Backend,
        S extends ServedDevice<B, ? extends MidPoint<B, ?>, D>,
        D extends DeviceDetails<D>>
    implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ServedDevices.class);

  private record Key(int domid, String target) {}

  /** Room on /run and threads come back within that, or not by themselves. */
  private static final Duration START_PAUSE = Duration.ofSeconds(1);

  private static final int MAX_STARTS = 3;

  /** Less than systemd waits for the daemon's end; what is there then ends as after a kill. */
  private static final Duration CLOSE_BOUND = Duration.ofSeconds(10);

  private final ServedDevice.Environment environment;
  private final String kind;
  private final StorageThreads storage = new StorageThreads();

  /** Opens what the requests of a device go to. */
  @FunctionalInterface
  interface Opening<B> {
    /** May wait for the storage. */
    B open() throws DeviceException;
  }

  /** Until nothing is left of them. Nobody waits for anything within this map. */
  private final ConcurrentHashMap<Key, S> devices = new ConcurrentHashMap<>();

  /** Devices that somebody publishes just now; of two who do, one waits for the other. */
  private final ConcurrentHashMap<Key, CompletableFuture<S>> published = new ConcurrentHashMap<>();

  /** For ends and new starts; storage that hangs keeps one thread of it and nobody else. */
  private final ExecutorService ends;

  private volatile Optional<DeviceRecovery<B, S>> recovery = Optional.empty();

  /**
   * None yet.
   *
   * @param kind for the names of threads: "disk"
   */
  ServedDevices(ServedDevice.Environment environment, String kind) {
    this.environment = environment;
    this.kind = kind;
    ends = new PatientPool(kind + "-ends-%d");
  }

  /** Whose nodes they are. */
  abstract DeviceType type();

  /** One without a mid-point yet, which {@link #forget} is told of when it is gone. */
  abstract S make(D details);

  /** What the nodes of one say; empty when something is missing or malformed. */
  abstract Optional<D> parse(DeviceAddress address, Map<String, String> nodes);

  /** Makes the nodes of one. */
  abstract DeviceNodes.Outcome publishNodes(XenStore store, D details);

  /**
   * The newest generation with which a source knows its user.
   *
   * @throws DeviceException also when the device must not start from that source
   */
  abstract long newestGeneration(S device, String source) throws DeviceException;

  /** Opens a source for a device, to start with it. */
  abstract B openFor(S device, String source, long generation) throws DeviceException;

  /** Gives the place of one that has gone free at its source. */
  abstract void giveFree(D gone, String source) throws DeviceException;

  /** What all of them use. */
  final ServedDevice.Environment environment() {
    return environment;
  }

  /**
   * Publishes the nodes of a new device; it expects what its requests go to.
   *
   * @throws IllegalStateException when the domain has gone
   */
  final S publish(D details) {
    return adopt(details, () -> publishNodes(details));
  }

  /**
   * As {@link #publish}, of a device that nobody else has published.
   *
   * @throws IllegalStateException also when it is there, or somebody makes it just now
   */
  final S publishNew(D details) {
    AtomicBoolean isNew = new AtomicBoolean();
    S device =
        adopt(
            details,
            () -> {
              publishNodes(details);
              isNew.set(true);
            });
    if (!isNew.get()) {
      throw new IllegalStateException(details + " is there already");
    }
    return device;
  }

  /** As {@link #publish} for nodes that are there already. */
  final S adopt(D details) {
    return adopt(details, () -> {});
  }

  /** An earlier device of that name is wholly gone before; bounded, as its storage may hang. */
  private S adopt(D details, Runnable publish) {
    Key key = new Key(details.guest().domid(), details.target());
    CompletableFuture<S> mine = new CompletableFuture<>();
    CompletableFuture<S> others = published.putIfAbsent(key, mine);
    if (others != null) {
      return othersDevice(details, others);
    }
    try {
      S earlier = devices.get(key);
      S device;
      if (earlier != null && !earlier.isEnding()) {
        device = earlier;
      } else {
        if (earlier != null) {
          awaitEnd(earlier);
        }
        publish.run();
        device = startFresh(details);
      }
      mine.complete(device);
      return device;
    } catch (RuntimeException | Error e) {
      mine.completeExceptionally(e);
      throw e;
    } finally {
      published.remove(key, mine);
    }
  }

  private S othersDevice(D details, CompletableFuture<S> others) {
    try {
      return others.get(ServedDevice.END_BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException(String.valueOf(e.getCause().getMessage()), e);
    } catch (TimeoutException e) {
      throw new IllegalStateException(details + " is being made for somebody else", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(details + ": interrupted", e);
    }
  }

  private static void awaitEnd(ServedDevice<?, ?, ?> earlier) {
    if (!isGoneWithin(earlier, ServedDevice.END_BOUND)) {
      throw new IllegalStateException(
          "%s has not ended yet, as its storage does not answer: expected that within %d s; try again when it does"
              .formatted(earlier, ServedDevice.END_BOUND.toSeconds()));
    }
  }

  private S startFresh(D details) {
    S device = make(details);
    try {
      device.forgetEarlier();
      keep(device);
      var unused = start(device);
      return device;
    } catch (IOException | RuntimeException e) {
      if (Thread.currentThread().isInterrupted()) {
        var unused = device.end(false, ends); // the daemon ends: its nodes are the next one's
      } else {
        remove(device);
      }
      throw new IllegalStateException("%s: %s".formatted(device, e.getMessage()), e);
    }
  }

  /** Until it has gone. */
  private void keep(S device) {
    devices.put(key(device), device);
  }

  final void forget(ServedDevice<?, ?, ?> device) {
    devices.remove(key(device), device);
    recovery.ifPresent(known -> known.servedAgain().gone(device));
  }

  private static Key key(ServedDevice<?, ?, ?> device) {
    return new Key(device.guest().domid(), device.target());
  }

  private void publishNodes(D details) {
    DeviceNodes.Outcome outcome = publishNodes(environment.store(), details);
    switch (outcome) {
      case PUBLISHED, ALREADY -> log.info("{}: nodes published", details);
      case NO_DOMAIN, NO_FRONTEND, TAKEN, TOO_LATE ->
          throw new IllegalStateException(
              "%s: its nodes cannot be published: %s".formatted(details, outcome));
    }
  }

  /**
   * Opens a source and serves a device from it: plain start, restore, hot plug. Does not wait for
   * the storage; what is open when its device has ended is closed.
   */
  final CompletableFuture<Void> serve(S device, String source, GenerationClaim generations) {
    if (!device.isExpecting()) {
      return CompletableFuture.completedFuture(null); // a daemon before us had begun
    }
    return storage.begin(() -> openAndServe(device, source, generations));
  }

  private CompletableFuture<Void> openAndServe(S device, String source, GenerationClaim generations)
      throws DeviceException, JournalException {
    long known = newestGeneration(device, source);
    long generation = generations.claim(device.guest().uuid(), device.target(), known);
    B opened = open(device, source, generation, () -> openFor(device, source, generation));
    return device
        .midPoint()
        .serve(opened, generation)
        .thenRun(() -> log.info("{}: served from {}, generation {}", device, source, generation));
  }

  /** A look that storage may keep waiting, on a thread that may wait. */
  final <T> CompletableFuture<T> look(Callable<T> work) {
    return storage.run(work);
  }

  /** Likewise of work that ends with something to wait for. */
  <T> CompletableFuture<T> withStorage(Callable<CompletableFuture<T>> work) {
    return storage.begin(work);
  }

  /**
   * Serves again what a daemon before us served, and removes what it has left of domains that have
   * gone. Called once, before anything else: when it returns all devices are known, and nothing
   * waits for storage until then.
   *
   * @param executor a thread for each device, so that the guests of one do not wait for the server
   *     of another that is away; also gives devices free that nobody needs
   * @return completes when each was tried once, which storage may keep waiting
   */
  final CompletableFuture<Void> recover(DeviceRecovery<B, S> found, Executor executor) {
    recovery = Optional.of(found);
    List<CompletableFuture<Void>> tried = new ArrayList<>();
    Map<DeviceAddress, Optional<D>> stale = new LinkedHashMap<>();
    for (DeviceAddress address :
        DeviceNodes.list(environment.store(), type(), DeviceDetails.BACKEND_DOMID)) {
      try {
        Optional<D> details = parse(address, DeviceNodes.details(environment.store(), address));
        if (details.isPresent() && isAlive(details.get())) {
          S device = make(details.get());
          keep(device);
          found.servedAgain().found(device);
          tried.add(CompletableFuture.runAsync(() -> tryOnce(device), executor));
        } else {
          stale.put(address, details);
        }
      } catch (RuntimeException e) {
        cannotBeServedAgain(address, e);
      }
    }
    stale.forEach((address, gone) -> removeStale(address, gone, executor));
    return CompletableFuture.allOf(tried.toArray(CompletableFuture[]::new));
  }

  private void tryOnce(S device) {
    try {
      again(device, 0);
    } catch (RuntimeException | Error e) {
      // Of one device only: the others' guests go on, and the next start would meet it again.
      device.fail(
          "it cannot be served again (%s); restart netchanneld when that is mended"
              .formatted(e.getMessage()));
      cannotBeServedAgain(device.address(), e);
    }
  }

  private void removeStale(DeviceAddress address, Optional<D> details, Executor executor) {
    try {
      log.info("{}: stale nodes removed", name(address));
      ServedDevice.removeLeftovers(environment, address);
      details.ifPresent(gone -> executor.execute(() -> giveFree(gone)));
    } catch (IOException | RuntimeException e) {
      cannotBeServedAgain(address, e);
    }
  }

  private static void cannotBeServedAgain(DeviceAddress address, Throwable why) {
    log.error("{}: cannot be served again: {}", name(address), why.getMessage(), why);
  }

  private static String name(DeviceAddress address) {
    return "domid %d %s %d".formatted(address.domid(), address.type(), address.devid());
  }

  /** Whether a guest waits for a device here. */
  boolean guestWaits() {
    return devices.values().stream()
        .filter(device -> device.condition() != ServedDevice.Condition.FAILED) // nobody works on it
        .anyMatch(ServedDevice::guestWaits);
  }

  /**
   * Of a domain that went while no daemon ran: a server that has kept the place of its device
   * ({@link Backend#keepPlace}) would keep it from all others. Not when somebody newer has it.
   */
  private void giveFree(D gone) {
    try {
      String source = gone.source().orElse("");
      if (!source.isEmpty()) {
        giveFree(gone, source);
        log.info("{}: given free", gone);
      }
    } catch (DeviceException | RuntimeException e) {
      log.warn("{}: its server keeps it for its guest, which has gone: {}", gone, e.getMessage());
    }
  }

  /** Those of a domain, of every life of it that is still in xenstore, in order of target. */
  List<S> ofDomain(UUID domain) {
    return sorted(devices.values().stream().filter(device -> device.guest().uuid().equals(domain)));
  }

  List<S> all() {
    return sorted(devices.values().stream());
  }

  Optional<S> find(int domid, String target) {
    return Optional.ofNullable(devices.get(new Key(domid, target)));
  }

  /** A device of a domain; of its youngest life, when there are several. */
  Optional<S> find(UUID domain, String target) {
    return ofDomain(domain).stream()
        .filter(device -> device.target().equals(target))
        .max(Comparator.comparingInt(device -> device.guest().domid()));
  }

  /**
   * Opens what a device expects, and notes that in its nodes. Waits for the storage.
   *
   * @param opening opens it, with that generation
   * @throws DeviceException also when the device was given up, or ended, before that was open: it
   *     is closed, and was not used
   */
  final B open(S device, String source, long generation, Opening<B> opening)
      throws DeviceException {
    B opened = opening.open();
    try {
      if (!device.isExpecting()) {
        throw new DeviceException(
            "%s: %s was opened too late: the %s does not wait for it any more"
                .formatted(device, source, kind));
      }
      device.uses(opened, source, generation);
      return opened;
    } catch (DeviceException | RuntimeException e) {
      log.warn("{}: {} is closed unused: {}", device, source, e.getMessage());
      opened.close();
      throw e;
    }
  }

  boolean isServing(int domid, String target) {
    return find(domid, target).map(S::isServing).orElse(false);
  }

  /**
   * Begins to end those of a domain that has gone and to remove their nodes, side by side.
   * Idempotent.
   *
   * @return those that end
   */
  final List<S> beginEnds(int domid) {
    List<S> ending =
        devices.values().stream().filter(device -> device.guest().domid() == domid).toList();
    for (S device : ending) {
      var unused = device.end(true, ends);
    }
    return ending;
  }

  /** Ends one device and removes its nodes; not waited for beyond a bound. Idempotent. */
  final void remove(S device) {
    var unused = device.end(true, ends);
    awaitEnds(List.of(device), ServedDevice.END_BOUND);
  }

  /** Waits for ends that have begun, and not beyond a bound. */
  static void awaitEnds(List<? extends ServedDevice<?, ?, ?>> ending, Duration bound) {
    long deadline = System.nanoTime() + bound.toNanos();
    for (ServedDevice<?, ?, ?> device : ending) {
      if (isGoneWithin(device, Duration.ofNanos(Math.max(0, deadline - System.nanoTime())))) {
        log.info("{}: ended", device);
      } else {
        log.warn("{}: ends when its storage answers; nobody waits for it any more", device);
      }
    }
  }

  private static boolean isGoneWithin(ServedDevice<?, ?, ?> device, Duration bound) {
    try {
      device.gone().get(bound.toNanos(), TimeUnit.NANOSECONDS);
      return true;
    } catch (ExecutionException e) {
      throw new AssertionError("the end of a device never fails", e);
    } catch (TimeoutException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Ends all threads and leaves nodes, rings and tables for the daemon after us. */
  @Override
  public void close() {
    List<S> ending = List.copyOf(devices.values());
    for (S device : ending) {
      var unused = device.end(false, ends);
    }
    awaitEnds(ending, CLOSE_BOUND);
    storage.close();
    ends.shutdownNow();
  }

  /** Whether the domain of these nodes still runs, and still has this device. */
  private boolean isAlive(D details) {
    return Guest.byId(environment.store(), details.guest().domid())
            .filter(guest -> guest.uuid().equals(details.guest().uuid()))
            .isPresent()
        && environment
            .store()
            .read(details.address().frontendPath() + "/backend")
            .equals(Optional.of(details.address().backendPath()));
  }

  /** Whether it was: not once it is to end. */
  private boolean start(S device) throws IOException {
    var started =
        device.start(failure -> log.error("{}: RECOVERING: {}", device, failure.toString()));
    started.ifPresent(
        run -> {
          var unusedRetired =
              run.midPoint()
                  .retired()
                  .whenComplete(
                      (done, closedBefore) -> {
                        if (closedBefore == null) {
                          removeLater(device);
                        }
                      });
          var unusedEnded =
              run.ended()
                  .whenComplete(
                      (done, failure) -> {
                        if (failure != null) {
                          soon(device, () -> again(device, 0));
                        }
                      });
        });
    return started.isPresent();
  }

  /**
   * Starts a mid-point for nodes and requests in flight that are there: after a restart, or in the
   * place of one that has ended by an error and has left its device.
   */
  private void again(S device, int failures) {
    if (device.failsAgainAndAgain()) {
      fail(device, "its mid-point has ended by an error %d times".formatted(device.failures()));
      return;
    }
    try {
      if (!start(device)) {
        return;
      }
    } catch (IOException | RuntimeException | Error e) {
      notStarted(device, failures + 1, e);
      return;
    }
    recovery.ifPresent(known -> known.recover(device));
  }

  private void notStarted(S device, int failures, Throwable why) {
    String reason = "its mid-point cannot be started: " + why.getMessage();
    if (failures >= MAX_STARTS || recovery.isEmpty()) {
      fail(device, reason);
    } else {
      device.problem(reason);
      log.error("{}: {}", device, reason, why);
      recovery.get().later(START_PAUSE, () -> again(device, failures));
    }
  }

  private static void fail(ServedDevice<?, ?, ?> device, String why) {
    device.fail(why + "; restart netchanneld when that is mended");
    log.error("{}: FAILED, its guest waits: {}", device, why);
  }

  /** Of a mid-point that retires by itself, on its own thread, which cannot wait for its end. */
  private void removeLater(S device) {
    soon(device, () -> remove(device));
  }

  private void soon(S device, Runnable action) {
    try {
      ends.execute(action);
    } catch (RejectedExecutionException e) {
      log.debug("{}: left for the next daemon", device);
    }
  }

  private List<S> sorted(Stream<S> unsorted) {
    return unsorted
        .sorted(
            Comparator.comparingInt((S device) -> device.guest().domid()).thenComparing(S::target))
        .collect(ImmutableList.toImmutableList());
  }
}
