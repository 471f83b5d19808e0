package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskKey;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.OpenOptions;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the authorities of both devices of a switch where the disk is. A device that has none, as a
 * file, needs it not.
 *
 * <pre>
 *   the new one:  UNTOLD --noted--> TOLD          without it no other host could start the guest there
 *                   ^ |
 *                   +-+ not noted: 1 s, 2 s ... 30 s
 *   the old one:  UNTOLD --noted--> TOLD          nobody waits for it
 *                   ^ |
 *                   +-+ not noted: 1 s, 2 s ... 30 s; until the disk comes back there, a person
 *                       says that it is the disk as it is, or the daemon ends
 * </pre>
 *
 * The old device may be gone for good, which is a reason to switch; the new one is in use.
 */
final class SwitchNotes {
  private static final Logger log = LoggerFactory.getLogger(SwitchNotes.class);

  /** The guest's requests wait for both devices until then. */
  static final Duration WHILE_RECORDING = Duration.ofSeconds(5);

  /** Of one attempt. A server that is started again is there by then. */
  private static final Duration BOUND = Duration.ofSeconds(30);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  private final Devices devices;
  private final Executor storage;
  private final Timer timer;

  /** Old devices that have not been told. */
  private final Set<Left> untold = ConcurrentHashMap.newKeySet();

  SwitchNotes(Devices devices, Executor storage, Timer timer) {
    this.devices = devices;
    this.storage = storage;
    this.timer = timer;
  }

  /**
   * Tells the new device's, until it is noted.
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
    new Runnable() {
      @Override
      public void run() {
        if (!goesOn.get()) {
          return;
        }
        var unused =
            used.get()
                .map(Device::arrived)
                .orElseGet(() -> at(job.newSource(), OpenOptions.anew(user.get()), Device::arrived))
                .orTimeout(BOUND.toMillis(), TimeUnit.MILLISECONDS)
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

  /**
   * Tells the old device's, until it is noted.
   *
   * @param asked the attempt that was made at the switch; empty after a restart
   * @param user whose disk it was; of that generation, so that nothing is said of what a newer one
   *     has made of it
   * @param goesOn whether to try again
   * @return completes when it is noted
   */
  CompletableFuture<Void> left(
      DiskJob job,
      Optional<CompletableFuture<Void>> asked,
      OpenOptions.User user,
      Supplier<Boolean> goesOn) {
    Left left = new Left(job, user, goesOn);
    untold.add(left);
    left.begin(asked);
    return left.noted.copy();
  }

  /**
   * A source is about to be what a disk is copied to: that it was left is not said any more. Waits
   * for an attempt that is under way, which has the place of who copies.
   */
  void becomesCopy(DiskKey disk, String source) throws DeviceException {
    String place = devices.place(source);
    for (Left left : untold) {
      if (left.job.disk().equals(disk) && devices.place(left.job.oldSource()).equals(place)) {
        left.stop().exceptionally(failure -> null).join();
      }
    }
  }

  /** One old device. */
  private final class Left implements Runnable {
    private final DiskJob job;
    private final OpenOptions.User user;
    private final Supplier<Boolean> goesOn;
    private final Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
    private boolean warned;
    private boolean stopped;
    private final CompletableFuture<Void> noted = new CompletableFuture<>();
    private CompletableFuture<Void> attempt = CompletableFuture.completedFuture(null);

    private Left(DiskJob job, OpenOptions.User user, Supplier<Boolean> goesOn) {
      this.job = job;
      this.user = user;
      this.goesOn = goesOn;
    }

    private void begin(Optional<CompletableFuture<Void>> asked) {
      asked.ifPresentOrElse(this::told, this);
    }

    @Override
    public synchronized void run() {
      if (stopped || !goesOn.get()) {
        untold.remove(this);
      } else {
        attempt =
            at(
                job.oldSource(),
                OpenOptions.of(false, user),
                device -> device.moved(job.newSource()));
        told(attempt);
      }
    }

    private void told(CompletableFuture<Void> asked) {
      var unused =
          asked.whenComplete(
              (done, failure) -> {
                if (failure == null) {
                  untold.remove(this);
                  noted.complete(null);
                } else {
                  failed(failure);
                }
              });
    }

    private void failed(Throwable failure) {
      if (!warned) {
        warned = true;
        log.warn(
            "{}: the server of {} does not know yet that it is out of date, so other hosts may"
                + " start the guest from it; tried again: {}",
            job.label(),
            job.oldSource(),
            words(failure));
      }
      timer.after(pauses.next(), this);
    }

    /** Nothing more is begun; returns what is under way. */
    private synchronized CompletableFuture<Void> stop() {
      stopped = true;
      untold.remove(this);
      return attempt.copy();
    }
  }

  /** At a device that nobody here has open. */
  private CompletableFuture<Void> at(
      String source, OpenOptions options, Function<Device, CompletableFuture<Void>> note) {
    CompletableFuture<Void> noted = new CompletableFuture<>();
    storage.execute(
        () -> {
          try {
            if (!DiskPlaces.isExport(devices.place(source))) {
              noted.complete(null);
              return;
            }
            Device device = devices.open(source, options);
            var unused =
                note.apply(device)
                    .orTimeout(BOUND.toMillis(), TimeUnit.MILLISECONDS)
                    .whenCompleteAsync(
                        (done, failure) -> {
                          device.close();
                          if (failure == null) {
                            noted.complete(null);
                          } else {
                            noted.completeExceptionally(failure);
                          }
                        },
                        storage);
          } catch (DeviceException | RuntimeException e) {
            noted.completeExceptionally(e);
          }
        });
    return noted;
  }

  private static String words(Throwable failure) {
    return failure.getMessage() == null ? failure.toString() : failure.getMessage();
  }
}
