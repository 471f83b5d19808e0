package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Reads and writes through both ends, over each kind of ring, compared with a plain array. */
final class BlockIoTest {
  private static final int SECTORS = 4096;

  private final TestHost host = new TestHost();
  private final MemoryDisk disk = new MemoryDisk(SECTORS * 512);
  private EmbeddedDomain domain = host.domain();
  private Vbd vbd;
  private Blkfront front;

  private void connect(VbdLimits limits, BlkfrontOptions options) {
    vbd = host.vbd(host.publish(domain, limits), limits);
    front = host.blkfront(domain, options);
    vbd.offer(disk.geometry());
    while (vbd.poll(disk, 64) + front.poll() > 0) {}
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
  }

  @ParameterizedTest(name = "{0} queues={1} order={2} indirect={3} merge={4}")
  @CsvSource({
    "X86_64, 1, 0, 32, true",
    "X86_64, 1, 0, 0, false",
    "X86_64, 4, 2, 256, true",
    "X86_64, 2, 4, 32, false",
    "X86_32, 1, 0, 32, true",
    "X86_32, 3, 1, 256, false",
  })
  void whatIsWrittenIsRead(
      RingLayout layout, int queues, int order, int indirectSegments, boolean merge) {
    connect(
        new VbdLimits(4, 4, 256),
        new BlkfrontOptions(layout, queues, order, indirectSegments, merge));
    assertThat(front.queues()).isEqualTo(queues);
    assertThat(vbd.queues()).isEqualTo(queues);
    assertThat(front.ringSize()).isEqualTo(32 << order);

    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] model = new byte[SECTORS * 512];
    BitSet busy = new BitSet();
    List<GuestIo> done = new ArrayList<>();
    int submitted = 0;
    for (int round = 0; round < 400; round++) {
      for (int i = random.nextInt(12); i > 0; i--) {
        int first = random.nextInt(SECTORS);
        int count = 1 + random.nextInt(Math.min(600, SECTORS - first));
        if (busy.get(first, first + count).isEmpty()) {
          // I/O in flight does not overlap: its order would be anybody's guess.
          submitted++;
          submit(random, model, busy, first, count, done, seed);
        }
      }
      front.poll();
      vbd.poll(disk, random.nextInt(40));
      while (!disk.held.isEmpty() && random.nextInt(4) > 0) {
        disk.answer(random.nextInt(disk.held.size())).release();
      }
      if (random.nextBoolean()) {
        vbd.publishResponses();
      }
    }
    settle();
    assertThat(done).as("seed %d", seed).hasSize(submitted);
    assertThat(disk.content).as("seed %d", seed).isEqualTo(model);
    assertThat(front.failure()).as("seed %d", seed).isEmpty();
    assertThat(domain.activeGrants())
        .as("only the rings are granted")
        .isEqualTo(queues * (1 << order));
  }

  private void submit(
      Random random,
      byte[] model,
      BitSet busy,
      int first,
      int count,
      List<GuestIo> done,
      long seed) {
    int offset = first * 512;
    int length = count * 512;
    busy.set(first, first + count);
    switch (random.nextInt(8)) {
      case 0, 1, 2 -> {
        byte[] data = new byte[length];
        random.nextBytes(data);
        System.arraycopy(data, 0, model, offset, length);
        front.write(offset, ByteBuffer.wrap(data), io -> finish(io, busy, done, seed));
      }
      case 3 -> {
        Arrays.fill(model, offset, offset + length, (byte) 0);
        front.discard(offset, length, io -> finish(io, busy, done, seed));
      }
      case 4 -> {
        busy.clear(first, first + count);
        front.flush(io -> finish(io, new BitSet(), done, seed));
      }
      default -> {
        byte[] expected = Arrays.copyOfRange(model, offset, offset + length);
        front.read(
            offset,
            length,
            io -> {
              byte[] read = new byte[length];
              io.data().get(read);
              assertThat(read).as("seed %d, %s", seed, io).isEqualTo(expected);
              finish(io, busy, done, seed);
            });
      }
    }
  }

  private static void finish(GuestIo io, BitSet busy, List<GuestIo> done, long seed) {
    assertThat(io.hasFailed()).as("seed %d, %s", seed, io).isFalse();
    int first = (int) (io.offsetBytes() / 512);
    busy.clear(first, first + (int) (io.lengthBytes() / 512));
    done.add(io);
  }

  /** Only by notifications: the frontend looks at its ring when it is told to. */
  private void settle() {
    int work;
    do {
      work = vbd.poll(disk, 64) + disk.answerAll();
      vbd.publishResponses();
      work += front.poll();
    } while (work > 0);
  }

  @Test
  void anAnswerIsSeenWhenTheFrontendHasTakenIt() {
    connect(VbdLimits.DEFAULT, BlkfrontOptions.DEFAULT.withMerge(false));
    front.read(0, 512, io -> {});
    front.read(4096, 512, io -> {});
    front.poll();
    vbd.poll(disk, 64);
    BlockRequest first = disk.answer(0);
    assertThat(first.seen()).isFalse();
    vbd.publishResponses();
    assertThat(first.seen()).as("published, not taken").isFalse();
    front.poll();
    assertThat(first.seen()).isTrue();
    BlockRequest second = disk.answer(0);
    vbd.publishResponses();
    assertThat(second.seen()).isFalse();
    domain.suspend();
    assertThat(second.seen()).as("a suspended guest sees nothing").isFalse();
    domain.resume();
    front.poll();
    assertThat(second.seen()).isTrue();
    first.release();
    second.release();
  }

  @Test
  void aSuspendThatIsCancelledLosesNothing() {
    connect(VbdLimits.DEFAULT, BlkfrontOptions.DEFAULT.withMerge(false));
    List<GuestIo> done = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      front.write(i * 4096L, ByteBuffer.wrap(new byte[512]).put(0, (byte) (i + 1)), done::add);
    }
    front.poll();
    vbd.poll(disk, 4);
    front.suspend();
    domain.suspend();
    disk.answerAll();
    vbd.publishResponses();
    assertThat(vbd.untaken()).isPositive();
    domain.resume();
    settle();
    assertThat(done).hasSize(10);
    for (int i = 0; i < 10; i++) {
      assertThat(disk.content[i * 4096]).isEqualTo((byte) (i + 1));
    }
  }

  /** To another host, whose backend takes less at once: cut and merged otherwise, under new ids. */
  @ParameterizedTest
  @CsvSource({"256, 0", "0, 256", "32, 32"})
  void aMigratedFrontendSubmitsAgainWhatItHasNotSeenAnswered(int before, int after) {
    connect(
        new VbdLimits(4, 4, before),
        BlkfrontOptions.DEFAULT.withIndirectSegments(256).withQueues(2));
    List<GuestIo> done = new ArrayList<>();
    byte[] expected = new byte[disk.content.length];
    Random random = new Random(7);
    for (int i = 0; i < 6; i++) {
      byte[] data = new byte[50 * 4096];
      random.nextBytes(data);
      System.arraycopy(data, 0, expected, i * data.length, data.length);
      front.write((long) i * data.length, ByteBuffer.wrap(data), done::add);
    }
    front.flush(done::add);
    List<byte[]> read = new ArrayList<>();
    front.read(
        1500 * 1024,
        8192,
        io -> {
          byte[] bytes = new byte[8192];
          io.data().get(bytes);
          read.add(bytes);
          done.add(io);
        });
    Arrays.fill(disk.content, 1500 * 1024, 1500 * 1024 + 8192, (byte) 5);
    Arrays.fill(expected, 1500 * 1024, 1500 * 1024 + 8192, (byte) 5);
    front.poll();
    vbd.poll(disk, 64);
    front.suspend();
    domain.suspend();
    int answeredTooLate = disk.held.size() / 2;
    for (int i = 0; i < answeredTooLate; i++) {
      disk.answer(0);
    }
    vbd.publishResponses();
    disk.held.clear();

    TestHost target = new TestHost();
    EmbeddedDomain moved = target.domain();
    VbdLimits limits = new VbdLimits(1, 0, after);
    Vbd targetVbd = target.vbd(target.publish(moved, limits), limits);
    front.resume(moved);
    assertThat(front.queues()).isEqualTo(1);
    assertThat(targetVbd.poll(disk, 64)).as("rings are there before the offer").isZero();
    targetVbd.offer(disk.geometry());
    vbd.close(false);
    domain.destroy();
    vbd = targetVbd;
    settle();

    assertThat(done).hasSize(8);
    assertThat(done).noneMatch(GuestIo::hasFailed);
    assertThat(disk.content).isEqualTo(expected);
    assertThat(read).hasSize(1);
    assertThat(read.get(0)).containsOnly((byte) 5);
    assertThat(moved.activeGrants()).isEqualTo(1);
    domain = moved;
  }

  @Test
  void aBackendThatStillHoldsAPageDisablesTheDevice() {
    connect(VbdLimits.DEFAULT, BlkfrontOptions.DEFAULT);
    front.read(0, 512, io -> {});
    front.poll();
    vbd.poll(disk, 64);
    // Grants are numbered from 8 on: the ring's page, then the page of the read.
    int reference = 9;
    try (var mapping = host.grants.map(domain.domid(), new int[] {reference})) {
      disk.answerAll();
      vbd.publishResponses();
      front.poll();
      assertThat(mapping.memory().capacity()).isEqualTo(4096);
    }
    assertThat(front.connection()).isEqualTo(Blkfront.Connection.ERROR);
    assertThat(front.failure().orElseThrow())
        .contains("backend has not unmapped grant: 9", "still in use");
  }
}
