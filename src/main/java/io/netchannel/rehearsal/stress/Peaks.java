package io.netchannel.rehearsal.stress;

import io.netty.util.internal.PlatformDependent;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** The most of everything that was seen; looks when it is told to. */
final class Peaks {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final String MID_POINTS = "mid-point ";

  private final BufferPoolMXBean direct =
      ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
          .filter(pool -> pool.getName().equals("direct"))
          .findAny()
          .orElseThrow();

  private long directBytes;
  private long nettyBytes;
  private long heapBytes;
  private int threads;

  synchronized void look() {
    directBytes = Math.max(directBytes, direct.getMemoryUsed());
    nettyBytes = Math.max(nettyBytes, PlatformDependent.usedDirectMemory());
    heapBytes =
        Math.max(heapBytes, ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
    threads = Math.max(threads, ManagementFactory.getThreadMXBean().getThreadCount());
  }

  synchronized long directBytes() {
    return directBytes;
  }

  /** Direct memory that Netty has past Java's count. */
  synchronized long nettyBytes() {
    return Math.max(0, nettyBytes);
  }

  synchronized long heapBytes() {
    return heapBytes;
  }

  synchronized int threads() {
    return threads;
  }

  /** The most that the process has had in memory (VmHWM of proc(5)). */
  static long residentBytes() throws IOException {
    return Files.readAllLines(STATUS).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
        .findAny()
        .orElse(0);
  }

  /** Threads of mid-points that run now. */
  static int midPoints() {
    Thread[] all = new Thread[ManagementFactory.getThreadMXBean().getThreadCount() * 2];
    int count = Thread.enumerate(all);
    return (int)
        Arrays.stream(all, 0, count)
            .filter(thread -> thread.getName().startsWith(MID_POINTS))
            .count();
  }
}
