package io.netchannel.daemon;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/**
 * The kernel's own block backends, seen through sysfs. blkback watches every frontend it was made
 * for and grabs its ring when that is Initialised, whatever the frontend's "backend" node says:
 * before a disk is taken from it, its device must be gone.
 */
@FunctionalInterface
public interface KernelBackends {
  Path SYSFS = Path.of("/sys/bus/xen-backend/devices");

  /** The kernel needs milliseconds; a look costs microseconds. */
  Duration PERIOD = Duration.ofMillis(5);

  /** Whether blkback has a device for this vbd. */
  boolean bound(int domid, int devid);

  /** What sysfs says. */
  static KernelBackends sysfs(Path devices) {
    return (domid, devid) -> Files.exists(devices.resolve("vbd-" + domid + "-" + devid));
  }

  /** Waits for the device to go; false when it is still there after {@code bound}. */
  default boolean awaitUnbound(int domid, int devid, Duration bound, LongSupplier nanoTime) {
    long deadline = nanoTime.getAsLong() + bound.toNanos();
    while (bound(domid, devid)) {
      if (nanoTime.getAsLong() - deadline >= 0) {
        return false;
      }
      LockSupport.parkNanos(PERIOD.toNanos());
    }
    return true;
  }
}
