package io.netchannel.daemon;

import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.JournalException;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import java.util.Optional;
import java.util.UUID;

/** The device that a job puts in the place of a disk's, opened in the disk's name. Stateless. */
final class NewDevice {
  private final SwapRunner.Environment environment;
  private final DeviceKey key;
  private final String source;

  NewDevice(SwapRunner.Environment environment, DeviceKey key, String source) {
    this.environment = environment;
    this.key = key;
    this.source = source;
  }

  /**
   * A newer one than the device, or anything that is still to be told of the disk, knows of:
   * whoever has an older one is fenced at both devices. So what is said of a device that was left
   * is never taken for a word of who has it now, even if it is the same device by another name.
   */
  long generation(ServedDisk served) throws DeviceException, JournalException, JobRefusedException {
    DiskDetails details = served.details();
    long known =
        Math.max(
            environment.devices().newestGeneration(source, details.userName(), details.readOnly()),
            environment.jobs().newestUntold(key));
    if (known < details.generation()) {
      return details.generation();
    }
    long claimed = environment.jobs().claimGeneration(key, known);
    synchronized (served) {
      served.usesGeneration(claimed);
      served.await("newer generation", served.midPoint().useGeneration(claimed));
    }
    return claimed;
  }

  /**
   * Opens it; may wait for the storage.
   *
   * @param left what of the process before is relied on there; its authority knows whether it lost
   *     some of that
   */
  Device open(long generation, Optional<Inheritance> left) throws DeviceException {
    return environment.devices().open(source, OpenOptions.anew(user(generation, left)));
  }

  /** Which storage it is, as {@link Storage#incarnation}; may wait for it. */
  Optional<UUID> incarnation() throws DeviceException {
    return environment.devices().storage(source).incarnation();
  }

  /** With the generation that the journal has. */
  OpenOptions.User user() {
    return user(environment.generation().applyAsLong(key), Optional.empty());
  }

  private OpenOptions.User user(long generation, Optional<Inheritance> left) {
    return OpenOptions.User.disk(key.domain(), key.target(), generation, left);
  }
}
