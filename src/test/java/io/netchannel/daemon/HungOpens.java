package io.netchannel.daemon;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Files on a mount whose server may die: "hung:/path". To open one hangs, or fails, when it is told
 * to; a look at one does not.
 */
final class HungOpens implements DeviceKind, AutoCloseable {
  private final DeviceOpener files = new DeviceOpener();
  private final Set<String> hangs = ConcurrentHashMap.newKeySet();
  private final Set<String> fails = ConcurrentHashMap.newKeySet();
  private final CountDownLatch healed = new CountDownLatch(1);
  private final AtomicInteger hanging = new AtomicInteger();
  private final AtomicInteger openedLate = new AtomicInteger();

  void hangs(Path file) {
    hangs.add(file.toString());
  }

  void fails(Path file) {
    fails.add(file.toString());
  }

  void heal() {
    healed.countDown();
  }

  /** How many opens hang, or did. */
  int hanging() {
    return hanging.get();
  }

  /** How many of them have got their device. */
  int openedLate() {
    return openedLate.get();
  }

  @Override
  public Device open(String text, OpenOptions options) throws DeviceException {
    if (!options.probe() && fails.contains(text)) {
      throw new DeviceException(text + ": Input/output error");
    }
    if (options.probe() || !hangs.contains(text)) {
      return files.open("file:" + text, options);
    }
    hanging.incrementAndGet();
    awaitHealed();
    Device device = files.open("file:" + text, options);
    openedLate.incrementAndGet();
    return device;
  }

  /** As the kernel does it: nothing interrupts that. */
  private void awaitHealed() {
    boolean interrupted = false;
    while (true) {
      try {
        healed.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** How often this process has a file open. */
  static long openTimes(Path file) throws IOException {
    Path real = file.toRealPath();
    long times = 0;
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors) {
        try {
          times += Files.readSymbolicLink(descriptor).equals(real) ? 1 : 0;
        } catch (NoSuchFileException closedMeanwhile) {
          // another test's or thread's
        }
      }
    }
    return times;
  }

  @Override
  public void close() {
    heal();
    files.close();
  }
}
