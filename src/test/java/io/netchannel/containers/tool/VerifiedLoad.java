package io.netchannel.containers.tool;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Writes and reads a device, many requests at a time, and checks all that it reads: each block must
 * hold what was last written and answered. Begins with a write to every block of its, ends with a
 * read of each.
 *
 * <pre>
 *   VerifiedLoad SOURCE DIRECTORY GENERATION CERTIFICATES
 *
 *   DIRECTORY/progress   JSON, renewed several times a second, see {@link Progress}
 *   DIRECTORY/stop       ends it
 *   CERTIFICATES         in libvirt's layout
 *
 *   slot:  FILL --each block written--> WORK --stop--> CHECK --each block read--> done
 *             \                            \              \
 *              +------- a request fails ----+--------------+--> done
 * </pre>
 */
public final class VerifiedLoad {
  private enum Stage {
    FILL,
    WORK,
    CHECK,
    DONE
  }

  private static final int SLOTS = 32;
  private static final int BLOCKS_PER_SLOT = 32;
  private static final int BLOCK_BYTES = 4096;

  /** What a device must have. */
  public static final long SIZE_BYTES = (long) SLOTS * BLOCKS_PER_SLOT * BLOCK_BYTES;

  private static final int FLUSH_PERCENT = 3;
  private static final int WRITE_PERCENT = 50;
  private static final int REPORT_MILLIS = 100;

  /**
   * Before a slot's next request, at most: leaves the processor to those who are looked at. When
   * nothing is answered, every slot has its request outstanding all the same.
   */
  private static final int THINK_MICROS = 8000;

  /** Odd, so that no two versions of a block have a word in common. */
  private static final long VERSION_STEP = 0x9e3779b97f4a7c15L;

  // What one generation has written is no other's, nor another block's: a late write shows.
  private static final int GENERATION_SHIFT = 52;
  private static final int BLOCK_SHIFT = 40;

  /** All is done on its one thread. */
  private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();

  private final CountDownLatch ended = new CountDownLatch(1);
  private final Device device;
  private final Path directory;
  private final long generation;
  private final Random random;
  private int active = SLOTS;
  private boolean stopping;
  private final Progress progress;

  private VerifiedLoad(Device device, Path directory, long generation, long seed) {
    this.device = device;
    this.directory = directory;
    this.progress = new Progress(directory);
    this.generation = generation;
    this.random = new Random(seed);
  }

  public static void main(String[] arguments) throws Exception {
    String source = arguments[0];
    Path directory = Path.of(arguments[1]);
    long generation = Long.parseLong(arguments[2]);
    Files.createDirectories(directory);
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    try (HostDevices devices = new HostDevices(Path.of(arguments[3]));
        Device device = devices.open(source, "load", generation)) {
      new VerifiedLoad(device, directory, generation, seed).run();
    } catch (DeviceException e) {
      Progress.refused(directory, e.getMessage());
    }
    System.exit(0);
  }

  private void run() throws InterruptedException {
    for (int slot = 0; slot < SLOTS; slot++) {
      Slot each = new Slot(slot);
      thread.execute(each::next);
    }
    var unused = thread.scheduleWithFixedDelay(this::look, 0, REPORT_MILLIS, TimeUnit.MILLISECONDS);
    ended.await();
    thread.shutdown();
  }

  private void look() {
    stopping = stopping || Files.exists(directory.resolve("stop"));
    progress.report(active == 0);
    if (active == 0) {
      ended.countDown();
    }
  }

  /** One request at a time, on blocks that no other slot has. */
  private final class Slot {
    private final long firstBlock;
    private final long[] versions = new long[BLOCKS_PER_SLOT];
    private final ByteBuffer buffer = BlockBuffers.allocate(BLOCK_BYTES);
    private Stage stage = Stage.FILL;
    private int position;

    Slot(int slot) {
      firstBlock = (long) slot * BLOCKS_PER_SLOT;
    }

    void next() {
      if (stopping && stage == Stage.WORK) {
        stage = Stage.CHECK;
        position = 0;
      }
      switch (stage) {
        case FILL -> write(position++);
        case WORK -> work();
        case CHECK -> {
          progress.checked();
          read(position++);
        }
        case DONE -> active--;
      }
    }

    private void work() {
      int dice = random.nextInt(100);
      int block = random.nextInt(BLOCKS_PER_SLOT);
      if (dice < FLUSH_PERCENT) {
        device.flush(outcome -> thread.execute(() -> answer(outcome, "flush", () -> {})));
      } else if (dice < FLUSH_PERCENT + WRITE_PERCENT) {
        write(block);
      } else {
        read(block);
      }
    }

    private void write(int block) {
      long version = versions[block] + 1;
      fill(block, version);
      device.write(
          offset(block),
          buffer,
          outcome ->
              thread.execute(
                  () -> answer(outcome, "write of " + block, () -> versions[block] = version)));
    }

    private void read(int block) {
      device.read(
          offset(block),
          buffer,
          outcome -> thread.execute(() -> answer(outcome, "read of " + block, () -> check(block))));
    }

    private void answer(Outcome outcome, String what, Runnable whenGood) {
      progress.answered();
      if (outcome == Outcome.OK) {
        whenGood.run();
      } else {
        progress.failed("%s from block %d: %s", what, firstBlock, outcome);
        stage = Stage.DONE;
      }
      if (position == BLOCKS_PER_SLOT) {
        position = 0;
        stage = stage == Stage.FILL ? Stage.WORK : Stage.DONE;
      }
      if (stage == Stage.WORK) {
        var unused =
            thread.schedule(this::next, random.nextInt(THINK_MICROS), TimeUnit.MICROSECONDS);
      } else {
        next();
      }
    }

    private long offset(int block) {
      return (firstBlock + block) * BLOCK_BYTES;
    }

    private long word(int block, long version, int index) {
      return ((generation << GENERATION_SHIFT) + ((firstBlock + block) << BLOCK_SHIFT) + index)
          ^ (version * VERSION_STEP);
    }

    private void fill(int block, long version) {
      for (int i = 0; i < BLOCK_BYTES / Long.BYTES; i++) {
        buffer.putLong(i * Long.BYTES, word(block, version, i));
      }
    }

    private void check(int block) {
      for (int i = 0; i < BLOCK_BYTES / Long.BYTES; i++) {
        if (buffer.getLong(i * Long.BYTES) != word(block, versions[block], i)) {
          progress.wrong(
              "block %d: expected version %d, found other data at its word %d",
              firstBlock + block, versions[block], i);
          return;
        }
      }
    }
  }
}
