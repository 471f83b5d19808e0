package io.netchannel.daemon;

import com.google.common.collect.HashMultimap;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.SetMultimap;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.Moved;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import io.netchannel.net.MirrorSource;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the authorities of both devices of a job where the disk is. A device that has none, as a
 * file, needs it not; one with two legs has two.
 *
 * <pre>
 *   the one that has become the disk:
 *
 *   UNTOLD --noted--> TOLD          without it no other host could start the guest there
 *    ^  |
 *    +--+ not noted: 1 s, 2 s ... 30 s
 *
 *   the one that was left: of a switch the old one, of a job that was given up the new one:
 *
 *   in the journal --tell, or found by the next daemon--> LOOKING --let in--> THERE
 *                                                         ^  |  |               | |
 *                      1 s, 2 s ... 30 s, whatever fails: +--+--|---------------+ |
 *                                                               |                 |
 *      nothing of this host is there <--------------------------+                 |
 *      refused for good, where it never was the disk <----------+                 |
 *      noted, and the place given free <------------------------------------------+
 *      each of them: not in the journal any more
 * </pre>
 *
 * What an old word would be said of is never the disk that has come back meanwhile to that server,
 * whatever its name is then: whoever opens a device for a disk takes a newer generation than all
 * that is still to be told of it ({@link NewDevice#generation}), and the word is said with an older
 * one. A server that knows a newer one has either had the disk again, or a person has released the
 * place: that generation nobody ever had, and the word is said with it once it is clear that nobody
 * has it and that the disk is elsewhere.
 *
 * <p>A refusal ends nothing where other hosts may start the guest from what was left: an export
 * that is withdrawn, or whose server lets this host in no more, is often back. Only a place that
 * was never the disk, or is to be used as it is, is not worth that.
 *
 * <p>The left device may be gone for good, and nobody waits for it.
 */
final class SwitchNotes implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(SwitchNotes.class);

  /** The guest's requests wait for both devices until then. */
  static final Duration WHILE_RECORDING = Duration.ofSeconds(5);

  /** Of one attempt. A server that is started again is there by then. */
  private static final Duration BOUND = Duration.ofSeconds(30);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  private final Devices devices;
  private final DiskJobStore jobs;
  private final Function<DeviceKey, Optional<String>> served;
  private final Executor storage;
  private final Timer timer;

  /** Left devices that are being told, by job. */
  private final Map<UUID, Left> untold = new ConcurrentHashMap<>();

  private volatile boolean closed;

  /**
   * @param served what a disk's requests go to; empty when its guest is not here
   * @param storage runs what a server may keep waiting
   */
  SwitchNotes(
      Devices devices,
      DiskJobStore jobs,
      Function<DeviceKey, Optional<String>> served,
      Executor storage,
      Timer timer) {
    this.devices = devices;
    this.jobs = jobs;
    this.served = served;
    this.storage = storage;
    this.timer = timer;
  }

  /** What daemons before have left: nobody here has any of it open. */
  void start() {
    jobs.untold().forEach(this::tell);
  }

  // ---- The new disk

  /** Whether a source has an authority. What is no source has none. */
  boolean hasServer(String source) {
    return !exports(source).isEmpty();
  }

  /** What has an authority of its own: the export, or each leg of two. */
  private ImmutableList<String> exports(String source) {
    try {
      return DiskPlaces.isExport(devices.place(source))
          ? ImmutableList.of(source)
          : MirrorSource.legs(devices.place(source));
    } catch (DeviceException e) {
      return ImmutableList.of();
    }
  }

  /** Something for one export. */
  @FunctionalInterface
  private interface Telling {
    void tell(String export) throws DeviceException;
  }

  /**
   * Tells each export of a source that has not heard it: one that is away, maybe for good, keeps
   * nothing from the other one.
   *
   * @param heard those that have, to which it adds: nothing is said twice to one that answered,
   *     where a person may have said something else meanwhile
   * @throws DeviceException when not all have: the first reason that may pass, else the first
   */
  private void tellEach(String source, Set<String> heard, Telling telling) throws DeviceException {
    Optional<DeviceException> kept = Optional.empty();
    for (String export : exports(source)) {
      try {
        if (!heard.contains(export)) {
          telling.tell(export);
          heard.add(export);
        }
      } catch (DeviceException e) {
        if (kept.filter(first -> !first.isLasting() || e.isLasting()).isEmpty()) {
          kept = Optional.of(e);
        }
      }
    }
    if (kept.isPresent()) {
      throw kept.get();
    }
  }

  /** As what one of them is opened. */
  private static OpenOptions options(String export, String source, OpenOptions options) {
    return export.equals(source) ? options : options.asLeg();
  }

  /**
   * Tells the new device's, until it is noted; at once where there is none.
   *
   * @param used what the guest uses now, asked for at each attempt; empty when it is not here
   * @param user whose disk it is
   * @param goesOn whether to try again
   * @param problem told what keeps it
   */
  CompletableFuture<Void> arrived(
      DiskJob job,
      Supplier<Optional<Device>> used,
      Supplier<OpenOptions.User> user,
      Supplier<Boolean> goesOn,
      Consumer<String> problem) {
    CompletableFuture<Void> told = new CompletableFuture<>();
    Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
    Set<String> heard = new HashSet<>();
    new Runnable() {
      @Override
      public void run() {
        if (closed || !goesOn.get()) {
          return;
        }
        var unused =
            used.get()
                .map(device -> device.arrived().orTimeout(BOUND.toMillis(), TimeUnit.MILLISECONDS))
                .orElseGet(() -> arrivedWithoutGuest(job.newSource(), user.get(), heard))
                .whenComplete(
                    (done, failure) -> {
                      if (failure == null) {
                        told.complete(null);
                      } else {
                        problem.accept(words(failure));
                        log.info("{}: {}", job.label(), words(failure));
                        timer.after(pauses.next(), this);
                      }
                    });
      }
    }.run();
    return told;
  }

  /** At a device that nobody here has open. */
  private CompletableFuture<Void> arrivedWithoutGuest(
      String source, OpenOptions.User user, Set<String> heard) {
    if (!hasServer(source)) {
      return CompletableFuture.completedFuture(null);
    }
    return CompletableFuture.runAsync(
        () -> {
          try {
            tellEach(
                source,
                heard,
                export ->
                    say(export, options(export, source, OpenOptions.anew(user)), Device::arrived));
          } catch (DeviceException e) {
            throw new CompletionException(e);
          }
        },
        storage);
  }

  /** Opens a device, says it, and gives its place free; waits for all of that, within bounds. */
  private void say(
      String source, OpenOptions options, Function<Device, CompletableFuture<Void>> word)
      throws DeviceException {
    Device device = devices.open(source, options);
    Optional<DeviceException> notNoted = Optional.empty();
    try {
      word.apply(device).orTimeout(BOUND.toMillis(), TimeUnit.MILLISECONDS).join();
    } catch (CompletionException e) {
      notNoted = Optional.of(new DeviceException(words(e), e.getCause()));
    }
    if (!isGivenFreeSoon(device)) {
      throw new DeviceException(source + ": its server does not say that the place is free");
    }
    if (notNoted.isPresent()) {
      throw notNoted.get();
    }
  }

  /** Closes it. What hangs at its server is not waited for: the next attempt takes its place. */
  private boolean isGivenFreeSoon(Device device) {
    try {
      CompletableFuture.runAsync(device::close, storage)
          .orTimeout(BOUND.toMillis(), TimeUnit.MILLISECONDS)
          .join();
      return device.isGivenFree();
    } catch (CompletionException e) {
      return false;
    }
  }

  // ---- The device that was left

  /**
   * Tells the left device's, until it has answered; what is to be told is in the journal. It is
   * closed here, and nobody opens it for this job any more.
   */
  void tell(DiskJob job) {
    if (job.untold().isEmpty()) {
      return;
    }
    if (!hasServer(job.leftSource()) && jobs.told(job.id(), job.untold().get())) {
      return;
    }
    Left left = new Left(job.id());
    if (untold.putIfAbsent(job.id(), left) == null) {
      left.begin();
    }
  }

  /** What keeps the server of the device that a job has left from being told; empty: nothing. */
  Optional<String> problem(UUID job) {
    return Optional.ofNullable(untold.get(job)).flatMap(left -> left.problem);
  }

  /** The next daemon goes on. */
  @Override
  public void close() {
    closed = true;
  }

  /** The left device of one job. */
  private final class Left {
    private final UUID id;
    private final Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);

    /** The exports that have answered, by what they were told. */
    private final SetMultimap<DiskJob.Untold, String> heard = HashMultimap.create();

    private volatile Optional<String> problem = Optional.empty();

    private Left(UUID id) {
      this.id = id;
    }

    private void begin() {
      try {
        storage.execute(this::attempt);
      } catch (RejectedExecutionException e) {
        log.debug("left for the next daemon");
      }
    }

    private void attempt() {
      DiskJob job = jobs.find(id).filter(known -> known.untold().isPresent()).orElse(null);
      if (closed || job == null) {
        untold.remove(id, this);
        return;
      }
      try {
        DiskJob.Untold word = job.untold().orElseThrow();
        tellEach(job.leftSource(), heard.get(word), export -> tell(job, word, export));
        answered(job);
      } catch (DeviceException e) {
        if (e.isLasting() && !saysMoved(job)) {
          log.warn(
              "{}: the server of {} cannot be told that this host has left it: {}",
              job.label(),
              job.leftSource(),
              e.getMessage());
          answered(job);
        } else {
          failed(job, e, e.isLasting() ? LONGEST_PAUSE : pauses.next());
        }
      } catch (RuntimeException e) {
        failed(job, e, pauses.next());
      }
    }

    /** Unless a person has said meanwhile that something else is to be told. */
    private void answered(DiskJob job) {
      if (jobs.told(id, job.untold().orElseThrow())) {
        untold.remove(id, this);
      } else {
        timer.after(FIRST_PAUSE, this::begin);
      }
    }

    private void failed(DiskJob job, Exception why, Duration pause) {
      if (problem.isEmpty()) {
        log.warn(
            "{}: the server of {} does not know yet that this host has left it{}; tried again: {}",
            job.label(),
            job.leftSource(),
            saysMoved(job) ? ", so other hosts may start the guest from it" : "",
            words(why));
      }
      problem =
          Optional.of(
              "the server of %s does not know yet that it was left: %s"
                  .formatted(job.leftSource(), words(why)));
      timer.after(pause, this::begin);
    }
  }

  /** Whether what is there was the disk, and is out of date. */
  private static boolean saysMoved(DiskJob job) {
    return !job.isGivenUp() && job.untold().filter(word -> !word.forgotten()).isPresent();
  }

  /**
   * One attempt; returns when there is no more to tell.
   *
   * @throws DeviceException when it is not told, with why
   */
  private void tell(DiskJob job, DiskJob.Untold word, String source) throws DeviceException {
    DeviceKey disk = job.disk();
    String user = OpenOptions.User.diskName(disk.domain(), disk.target());
    long known = devices.newestGeneration(source, user, true);
    if (saysMoved(job)) {
      if (known > word.generation() && isThereAgain(disk, source, known)) {
        return;
      }
    } else if (known == 0 || known > word.generation()) {
      return; // this host never was there, or somebody is since, or the place was released
    }
    OpenOptions.User last =
        OpenOptions.User.disk(
            disk.domain(), disk.target(), known == 0 ? word.generation() : known, Optional.empty());
    say(
        source,
        options(source, job.leftSource(), OpenOptions.of(false, last)),
        device -> word(job, word, device));
  }

  /** The disk may have moved on since. */
  private CompletableFuture<Void> word(DiskJob job, DiskJob.Untold word, Device left) {
    if (saysMoved(job)) {
      return left.moved(jobs.moved(job.disk()).map(Moved::newSource).orElse(job.newSource()));
    }
    return word.forgotten() ? left.arrived() : CompletableFuture.completedFuture(null);
  }

  /**
   * Whether a server has had the disk again since it was left, as it knows of a newer generation:
   * also a person makes a newer one, who releases the place.
   *
   * @throws DeviceException when that is not known, or somebody has the place
   */
  private boolean isThereAgain(DeviceKey disk, String source, long known) throws DeviceException {
    Optional<String> now = served.apply(disk);
    if (now.isEmpty() || jobs.rests(disk)) {
      throw new DeviceException(
          "%s: its server knows generation %d: the disk was there again, or a person has released the place; which of the two is known while the guest is here, `netchannel exports` shows it there"
              .formatted(source, known));
    }
    Storage left = devices.storage(source);
    if (isSame(source, left, now.get())) {
      return true;
    }
    Optional<String> becoming = jobs.active(disk).map(DiskJob::newSource);
    if (becoming.isPresent() && isSame(source, left, becoming.get())) {
      return true;
    }
    // Who has it is told here in words. Nothing is to be written: its storage stays as it is.
    devices.open(source, true).close();
    return false;
  }

  /** Whether it is the other one, or a leg of that. */
  private boolean isSame(String source, Storage storage, String other) throws DeviceException {
    for (String leg : MirrorSource.legs(devices.place(other))) {
      if (isSame(source, storage, leg)) {
        return true;
      }
    }
    return devices.place(source).equals(devices.place(other))
        || devices.storage(other).isSame(storage);
  }

  private static String words(Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    return cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }
}
