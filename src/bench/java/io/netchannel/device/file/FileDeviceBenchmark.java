package io.netchannel.device.file;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Completion;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * 4 KiB of a file in the page cache through the {@code file:} device, threads and system calls
 * included; no disk is waited for.
 */
@State(Scope.Thread)
public class FileDeviceBenchmark {
  private static final int LENGTH_BYTES = 4096;
  private static final int REQUESTS = 32;
  private static final int IO_THREADS = 2;

  /** How many are at the device at a time. */
  @Param({"1", "32"})
  public int depth;

  private final ByteBuffer data = BlockBuffers.allocate(LENGTH_BYTES);
  private final AtomicInteger running = new AtomicInteger();
  private final Completion completion =
      outcome -> {
        if (outcome != Outcome.OK) {
          throw new IllegalStateException("outcome " + outcome);
        }
        running.getAndDecrement();
      };
  private Path path;
  private FileDevice device;

  @Setup
  public void open() throws IOException, DeviceException {
    path = Files.createTempFile("netchannel-bench", ".raw");
    Files.write(path, new byte[REQUESTS * LENGTH_BYTES]);
    device = FileDevice.open(path.toString(), false, IO_THREADS, false, System::nanoTime);
  }

  @TearDown
  public void close() throws IOException {
    device.close();
    Files.delete(path);
  }

  @Benchmark
  @OperationsPerInvocation(REQUESTS)
  public void read() {
    for (int done = 0; done < REQUESTS; done += depth) {
      running.set(depth);
      for (int i = 0; i < depth; i++) {
        device.read((long) (done + i) * LENGTH_BYTES, data, completion);
      }
      while (running.get() > 0) {
        Thread.onSpinWait();
      }
    }
  }
}
