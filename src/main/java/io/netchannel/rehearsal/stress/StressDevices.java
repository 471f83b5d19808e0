package io.netchannel.rehearsal.stress;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Consumer;

/** Sources "stress:NUMBER" beside all others. */
record StressDevices(Devices others, ScheduledExecutorService timer, Consumer<String> violations)
    implements Devices {
  static final String KIND = "stress:";

  /** More than a ring of longest requests, so that these need not overlap. */
  static final long DISK_BYTES = 64L << 20;

  @Override
  public Device open(String source, OpenOptions options) throws DeviceException {
    return isOurs(source)
        ? new StressDevice(
            DISK_BYTES, Long.parseLong(source.substring(KIND.length())), timer, violations)
        : others.open(source, options);
  }

  @Override
  public long newestGeneration(String source, String user, boolean readOnly)
      throws DeviceException {
    return isOurs(source) ? 0 : others.newestGeneration(source, user, readOnly);
  }

  @Override
  public void checkUnused(String source) throws DeviceException {
    if (!isOurs(source)) {
      others.checkUnused(source);
    }
  }

  @Override
  public Storage storage(String source) throws DeviceException {
    return isOurs(source) ? Storage.called(ImmutableSet.of(source)) : others.storage(source);
  }

  @Override
  public String place(String source) throws DeviceException {
    return isOurs(source) ? source : others.place(source);
  }

  private static boolean isOurs(String source) {
    return source.startsWith(KIND);
  }
}
