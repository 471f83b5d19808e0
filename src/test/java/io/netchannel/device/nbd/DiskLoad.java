package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Reads and writes a device at a depth, at random, one request per block at a time, and knows what
 * must be in each block. Every outcome must be OK.
 */
public final class DiskLoad {
  public static final int BLOCK_BYTES = 4096;

  /** Far longer than any request takes, a restart of the server included. */
  private static final long BOUND_SECONDS = 60;

  private static final int FLUSH_ONE_IN = 64;

  private record Done(int block, boolean write, ByteBuffer data, Outcome outcome) {}

  private final Device device;
  private final Random random;
  private final int depth;
  private final long[] versions;
  private final boolean[] busy;
  private final Deque<ByteBuffer> buffers = new ArrayDeque<>();
  private final BlockingQueue<Done> done = new LinkedBlockingQueue<>();
  private int running;
  private long requests;

  /** All blocks are zero, or were never read. */
  public DiskLoad(Device device, int blocks, int depth, Random random) {
    this.device = device;
    this.random = random;
    this.depth = depth;
    versions = new long[blocks];
    busy = new boolean[blocks];
    for (int i = 0; i < depth; i++) {
      buffers.add(BlockBuffers.allocate(BLOCK_BYTES));
    }
  }

  public long requests() {
    return requests;
  }

  /** This many more requests; some are still running when it returns. */
  public void run(int count) throws InterruptedException {
    for (int i = 0; i < count; i++) {
      if (running == depth) {
        settle();
      }
      if (random.nextInt(FLUSH_ONE_IN) == 0) {
        running++;
        ByteBuffer held = buffers.remove();
        device.flush(outcome -> done.add(new Done(-1, true, held, outcome)));
      } else {
        submit();
      }
      requests++;
    }
  }

  /** Waits for what is running. */
  public void drain() throws InterruptedException {
    while (running > 0) {
      settle();
    }
  }

  /** Reads every block. */
  public void verify() throws InterruptedException {
    drain();
    for (int block = 0; block < versions.length; block++) {
      if (running == depth) {
        settle();
      }
      start(block, false);
    }
    drain();
  }

  private void submit() {
    int block = random.nextInt(versions.length);
    while (busy[block]) {
      block = random.nextInt(versions.length);
    }
    start(block, random.nextBoolean());
  }

  private void start(int block, boolean write) {
    ByteBuffer data = buffers.remove();
    busy[block] = true;
    running++;
    long offset = (long) block * BLOCK_BYTES;
    if (write) {
      versions[block] = random.nextLong();
      fill(data, versions[block]);
      device.write(offset, data, outcome -> done.add(new Done(block, true, data, outcome)));
    } else {
      device.read(offset, data, outcome -> done.add(new Done(block, false, data, outcome)));
    }
  }

  private void settle() throws InterruptedException {
    List<Done> all = new ArrayList<>();
    Done first = done.poll(BOUND_SECONDS, TimeUnit.SECONDS);
    assertThat(first).as("an outcome of one of %d requests", running).isNotNull();
    all.add(first);
    done.drainTo(all);
    for (Done each : all) {
      running--;
      assertThat(each.outcome).as("block %d", each.block).isEqualTo(Outcome.OK);
      assertThat(each.data.remaining()).isEqualTo(BLOCK_BYTES);
      if (each.block >= 0) {
        busy[each.block] = false;
        if (!each.write) {
          check(each.block, each.data);
        }
      }
      buffers.add(each.data);
    }
  }

  private void check(int block, ByteBuffer data) {
    for (int i = 0; i < BLOCK_BYTES; i += Long.BYTES) {
      assertThat(data.getLong(i)).as("block %d, byte %d", block, i).isEqualTo(versions[block]);
    }
  }

  private static void fill(ByteBuffer data, long version) {
    for (int i = 0; i < BLOCK_BYTES; i += Long.BYTES) {
      data.putLong(i, version);
    }
  }
}
