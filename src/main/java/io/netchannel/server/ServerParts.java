package io.netchannel.server;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Devices;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UsbOpener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.UUID;
import java.util.concurrent.Executor;

/**
 * What a server works with.
 *
 * @param devices opens what is exported
 * @param usb opens what is exported of USB devices
 * @param executor runs what may block: opening a device, making a generation durable
 * @param clock for people: since when an export is in use
 * @param storage changes when what was written and not flushed may be lost
 * @param limits of each connection
 * @param buffers of all connections
 */
public record ServerParts(
    Devices devices,
    UsbOpener usb,
    Executor executor,
    Clock clock,
    UUID storage,
    ServerLimits limits,
    BufferBudget buffers) {
  /** Without USB devices. */
  public ServerParts(
      Devices devices,
      Executor executor,
      Clock clock,
      UUID storage,
      ServerLimits limits,
      BufferBudget buffers) {
    this(
        devices,
        new UsbOpener(ImmutableMap.of(), ImmutableMap.of()),
        executor,
        clock,
        storage,
        limits,
        buffers);
  }

  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

  /** What was written survives the server, in the kernel's cache, but not the host. */
  public static UUID bootId() throws IOException {
    return UUID.fromString(Files.readString(BOOT_ID).strip());
  }
}
