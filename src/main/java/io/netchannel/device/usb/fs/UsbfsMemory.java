package io.netchannel.device.usb.fs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The kernel's copies of what URBs carry have one bound for the whole host, 16 MiB as a rule: all
 * programs share it, QEMU too. What this process has of it is counted, to be told when there is no
 * more.
 */
final class UsbfsMemory {
  private static final Path LIMIT = Path.of("/sys/module/usbcore/parameters/usbfs_memory_mb");

  private final AtomicLong usedBytes = new AtomicLong();
  private final Path limit;

  /** That of this host. */
  UsbfsMemory() {
    this(LIMIT);
  }

  UsbfsMemory(Path limit) {
    this.limit = limit;
  }

  /** A URB's data is in the kernel. */
  void took(int bytes) {
    usedBytes.addAndGet(bytes);
  }

  /** It is not any more. */
  void gave(int bytes) {
    usedBytes.addAndGet(-bytes);
  }

  /** Bytes of this process that are there now. */
  long usedBytes() {
    return usedBytes.get();
  }

  /** Why a URB waits, and what to do. */
  String problem(int bytes) {
    return "the kernel has no memory for a transfer of %d bytes (ENOMEM): all programs of this host share usbcore.usbfs_memory_mb=%s MiB, of which netchannel has %d bytes; raise it with: echo 64 > %s"
        .formatted(bytes, mebibytes(), usedBytes(), limit);
  }

  private String mebibytes() {
    try {
      return Files.readString(limit).strip();
    } catch (IOException e) {
      return "?";
    }
  }
}
