package io.netchannel.rehearsal.guest;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.block.BlockOperation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the workload's checks find on disks that do wrong, and that they are silent on a right one.
 */
final class WorkloadTest {
  private static final int SIZE_BYTES = 2 << 20;
  private static final int DEPTH = 16;
  private static final int REQUESTS = 2000;

  /** A disk in memory that does its requests in any order, one per {@link #step}. */
  private static class MemoryDisk implements GuestDisk {
    final byte[] content = new byte[SIZE_BYTES];
    final Deque<Runnable> queue = new ArrayDeque<>();
    private final Random random = new Random(5);
    int writes;

    @Override
    public long sizeBytes() {
      return SIZE_BYTES;
    }

    @Override
    public void submit(BlockOperation operation, long offsetBytes, ByteBuffer data, Done done) {
      Runnable request = () -> transfer(operation, (int) offsetBytes, data, done);
      if (random.nextBoolean()) {
        queue.addFirst(request);
      } else {
        queue.addLast(request);
      }
    }

    void transfer(BlockOperation operation, int offset, ByteBuffer data, Done done) {
      switch (operation) {
        case READ -> data.put(content, offset, data.remaining());
        case WRITE -> {
          writes++;
          write(offset, data);
        }
        case FLUSH, WRITE_BARRIER, DISCARD -> {}
      }
      done.done(true);
    }

    void write(int offset, ByteBuffer data) {
      data.get(content, offset, data.remaining());
    }

    void step() {
      queue.removeFirst().run();
    }
  }

  private final DiskModel model = new DiskModel(SIZE_BYTES);
  private Workload workload;

  @TempDir private Path directory;

  private Workload.Progress run(MemoryDisk disk) {
    workload = new Workload(disk, model, DEPTH, new Random(1), System::nanoTime);
    workload.start();
    for (int i = 0; i < REQUESTS; i++) {
      disk.step();
    }
    workload.stop();
    while (!disk.queue.isEmpty()) {
      disk.step();
    }
    return workload.progress();
  }

  private Path file(MemoryDisk disk) throws IOException {
    return Files.write(directory.resolve("disk.raw"), disk.content);
  }

  @BeforeEach
  void modelIsEmpty() {
    assertThat(model.blocksWritten()).isZero();
  }

  @Test
  void rightDiskIsRight() throws IOException {
    MemoryDisk disk = new MemoryDisk();

    Workload.Progress progress = run(disk);

    assertThat(progress.violations()).isEmpty();
    assertThat(progress.outstanding()).isZero();
    assertThat(progress.sent()).isEqualTo(progress.completed()).isGreaterThanOrEqualTo(REQUESTS);
    assertThat(progress.bytesVerified()).isPositive();
    assertThat(model.compare(file(disk))).isEmpty();
  }

  @Test
  void lostWriteIsFound() throws IOException {
    MemoryDisk disk =
        new MemoryDisk() {
          @Override
          void write(int offset, ByteBuffer data) {
            if (writes % 50 != 0) {
              super.write(offset, data);
            }
          }
        };

    assertThat(run(disk).violations()).anyMatch(words -> words.contains("a write was lost"));
  }

  @Test
  void lateWriteIsFound() throws IOException {
    MemoryDisk disk =
        new MemoryDisk() {
          private int lateOffset;
          private byte[] late = new byte[0];

          @Override
          void write(int offset, ByteBuffer data) {
            if (writes % 100 == 0) {
              lateOffset = offset;
              late = new byte[data.remaining()];
              data.duplicate().get(late);
            }
            super.write(offset, data);
            if (writes % 100 == 99) {
              System.arraycopy(late, 0, content, lateOffset, late.length);
            }
          }
        };

    assertThat(run(disk).violations())
        .anyMatch(words -> words.contains("a late one has passed it"));
  }

  @Test
  void tornWriteIsFound() throws IOException {
    MemoryDisk disk =
        new MemoryDisk() {
          @Override
          void write(int offset, ByteBuffer data) {
            if (writes % 20 == 0) {
              data.limit(data.limit() - 512);
            }
            super.write(offset, data);
          }
        };

    run(disk);

    assertThat(model.compare(file(disk))).anyMatch(words -> words.contains("no single write"));
  }

  @Test
  void strayWriteIsFound() {
    MemoryDisk disk =
        new MemoryDisk() {
          @Override
          void write(int offset, ByteBuffer data) {
            boolean stray = writes % 20 == 0 && offset >= DiskModel.BLOCK_BYTES;
            super.write(stray ? offset - DiskModel.BLOCK_BYTES : offset, data);
          }
        };

    assertThat(run(disk).violations()).anyMatch(words -> words.contains("it went astray"));
  }

  @Test
  void secondCompletionIsFound() {
    MemoryDisk disk =
        new MemoryDisk() {
          @Override
          void transfer(BlockOperation operation, int offset, ByteBuffer data, Done done) {
            super.transfer(operation, offset, data, done);
            if (writes == 10) {
              done.done(true);
            }
          }
        };

    assertThat(run(disk).violations()).anyMatch(words -> words.contains("completed twice"));
  }

  @Test
  void lostRequestStaysOutstanding() {
    MemoryDisk disk =
        new MemoryDisk() {
          @Override
          void transfer(BlockOperation operation, int offset, ByteBuffer data, Done done) {
            super.transfer(operation, offset, data, writes == 10 ? ok -> {} : done);
          }
        };

    assertThat(run(disk).outstanding()).isPositive();
  }

  @Test
  void errorIsFound() {
    MemoryDisk disk =
        new MemoryDisk() {
          @Override
          void transfer(BlockOperation operation, int offset, ByteBuffer data, Done done) {
            super.transfer(operation, offset, data, ok -> done.done(writes != 10));
          }
        };

    assertThat(run(disk).violations()).anyMatch(words -> words.contains("I/O error"));
  }
}
