package io.netchannel.daemon;

import io.netchannel.coordinator.DiskKey;
import io.netchannel.coordinator.JournalException;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.mirror.MirrorSettings;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** The device that a job puts in the place of a disk's, opened in the disk's name. Stateless. */
final class NewDevice {
  private final SwapRunner.Environment environment;
  private final DiskKey key;
  private final String source;

  NewDevice(SwapRunner.Environment environment, DiskKey key, String source) {
    this.environment = environment;
    this.key = key;
    this.source = source;
  }

  /** The newest that either device knows of: whoever has an older one is fenced at both. */
  long generation(ServedDisk served) throws DeviceException, JournalException {
    DiskDetails details = served.details();
    long known =
        environment.devices().newestGeneration(source, details.userName(), details.readOnly());
    if (known <= details.generation()) {
      return details.generation();
    }
    long claimed = environment.generations().claim(key.domain(), key.target(), known);
    synchronized (served) {
      served.usesGeneration(claimed);
      served.await("newer generation", served.midPoint().useGeneration(claimed));
    }
    return claimed;
  }

  /** May wait for the storage. */
  Device open(long generation) throws DeviceException {
    return open(generation, Optional.empty());
  }

  private Device open(long generation, Optional<Inheritance> inheritance) throws DeviceException {
    return environment.devices().open(source, OpenOptions.anew(user(generation, inheritance)));
  }

  /**
   * After a restart: the guest waits for it, and so no longer than a bound.
   *
   * @throws DeviceException also when that passes; what comes later is closed unused
   */
  Device openAgain(long generation) throws DeviceException {
    CompletableFuture<Device> opened = new CompletableFuture<>();
    environment
        .executor()
        .execute(
            () -> {
              try {
                Device follower = open(generation, Optional.of(Inheritance.UNTOLD));
                if (!opened.complete(follower)) {
                  follower.keepPlace();
                  follower.close();
                }
              } catch (DeviceException | RuntimeException e) {
                opened.completeExceptionally(e);
              }
            });
    try {
      return opened.orTimeout(MirrorSettings.LEG_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS).join();
    } catch (CompletionException e) {
      throw new DeviceException(String.valueOf(e.getCause().getMessage()), e);
    }
  }

  /** With the generation that the journal has. */
  OpenOptions.User user() {
    return user(environment.generation().applyAsLong(key), Optional.empty());
  }

  private OpenOptions.User user(long generation, Optional<Inheritance> inheritance) {
    return OpenOptions.User.disk(key.domain(), key.target(), generation, inheritance);
  }
}
