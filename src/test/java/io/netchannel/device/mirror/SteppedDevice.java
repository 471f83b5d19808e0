package io.netchannel.device.mirror;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * A leg whose requests end when the test says so, in any order: each has its effect at that moment.
 * What was not flushed any subset of can get lost with the power. Remembers a number for each
 * block.
 */
final class SteppedDevice implements Device {
  static final int BLOCK_BYTES = 4096;

  /** What nobody has written. */
  static final int DAMAGED = -9;

  /**
   * A request that has not ended.
   *
   * @param blocks how many it changes, from {@code first} on
   */
  record Step(String what, int first, int blocks, Runnable effect, Completion completion) {}

  final String name;
  final int[] current;

  /** By block: what may be there after a loss of power; always has what is there now. */
  private final List<Set<Integer>> durable = new ArrayList<>();

  final List<Step> steps = new ArrayList<>();

  /** Of where the disk is. */
  final List<String> told = new ArrayList<>();

  private final boolean zeroes;

  /** Whether it finds out with each try that it cannot make zeros. */
  boolean zeroFails;

  /** Looks at whoever calls. */
  Runnable onCall = () -> {};

  /** Whether each flush fails from now on, until it is opened anew. */
  boolean flushFails;

  /** Whether its host has lost what was not flushed. */
  boolean lostWrites;

  int flushes;
  int closes;
  private boolean closed;
  int placesKept;

  SteppedDevice(String name, int blocks, int value, boolean zeroes) {
    this.name = name;
    this.zeroes = zeroes;
    current = new int[blocks];
    for (int block = 0; block < blocks; block++) {
      current[block] = value;
      durable.add(new HashSet<>(Set.of(value)));
    }
  }

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(
        (long) current.length * BLOCK_BYTES,
        512,
        BLOCK_BYTES,
        false,
        true,
        true,
        BLOCK_BYTES,
        zeroes);
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    int first = (int) (offsetBytes / BLOCK_BYTES);
    int count = data.remaining() / BLOCK_BYTES;
    int position = data.position();
    // Each block at a moment of its own would be harsher; a change meanwhile makes a copy stale.
    add(
        new Step(
            "%s reads %d+%d".formatted(name, first, count),
            first,
            0,
            () -> {
              for (int i = 0; i < count; i++) {
                put(data, position + i * BLOCK_BYTES, current[first + i]);
              }
            },
            completion));
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    int first = (int) (offsetBytes / BLOCK_BYTES);
    int count = data.remaining() / BLOCK_BYTES;
    int position = data.position();
    add(
        new Step(
            "%s writes %d+%d".formatted(name, first, count),
            first,
            count,
            // What the buffer has then: its owner must leave it alone until the request has ended.
            () -> {
              for (int i = 0; i < count; i++) {
                change(first + i, get(data, position + i * BLOCK_BYTES));
              }
            },
            completion));
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    if (!zeroes) {
      completion.complete(Outcome.UNSUPPORTED);
      return;
    }
    int first = (int) (offsetBytes / BLOCK_BYTES);
    int count = (int) (lengthBytes / BLOCK_BYTES);
    add(
        new Step(
            "%s zeroes %d+%d".formatted(name, first, count),
            first,
            count,
            () -> {
              for (int i = 0; i < count && !zeroFails; i++) {
                change(first + i, 0);
              }
            },
            outcome ->
                completion.complete(
                    zeroFails && outcome == Outcome.OK ? Outcome.UNSUPPORTED : outcome)));
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    zero(offsetBytes, lengthBytes, true, completion);
  }

  @Override
  public void flush(Completion completion) {
    flushes++;
    List<Set<Integer>> dropped = new ArrayList<>();
    for (int block = 0; block < current.length; block++) {
      Set<Integer> older = new HashSet<>(durable.get(block));
      older.remove(current[block]);
      dropped.add(older);
    }
    add(
        new Step(
            name + " flushes",
            0,
            0,
            () -> {
              for (int block = 0; block < current.length; block++) {
                durable.get(block).removeAll(dropped.get(block));
                durable.get(block).add(current[block]);
              }
            },
            completion));
  }

  /** What is a hole when the request ends; a failure finds none. */
  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    int first = (int) (offsetBytes / BLOCK_BYTES);
    int count = (int) (lengthBytes / BLOCK_BYTES);
    CompletableFuture<Extents> found = new CompletableFuture<>();
    List<Extents.Run> holes = new ArrayList<>();
    add(
        new Step(
            "%s tells holes %d+%d".formatted(name, first, count),
            first,
            0,
            () -> {
              for (int block = first; block < first + count; block++) {
                int begin = block;
                while (block < first + count && current[block] == 0) {
                  block++;
                }
                if (block > begin && holes.size() < Extents.MAX_RUNS) {
                  holes.add(
                      new Extents.Run(
                          (long) begin * BLOCK_BYTES, (long) (block - begin) * BLOCK_BYTES));
                }
              }
            },
            outcome -> found.complete(new Extents(ImmutableList.copyOf(holes)))));
    return found;
  }

  private void add(Step step) {
    onCall.run();
    if (closed) {
      step.completion.complete(Outcome.IO_ERROR);
    } else {
      steps.add(step);
    }
  }

  /** By the next process. */
  void open() {
    closed = false;
    flushFails = false;
  }

  /** It is another device, or an older state of the same: some blocks have changed. */
  void becomeOther(Random random, int value) {
    for (int block = 0; block < current.length; block++) {
      if (random.nextBoolean()) {
        current[block] = value;
      }
      durable.get(block).clear();
      durable.get(block).add(current[block]);
    }
  }

  /** Behind everybody's back, and for good. */
  void damage(int block) {
    current[block] = DAMAGED;
    durable.get(block).clear();
    durable.get(block).add(DAMAGED);
  }

  private void change(int block, int value) {
    current[block] = value;
    durable.get(block).add(value);
  }

  /** The request has its effect and ends well. */
  void end(Step step) {
    steps.remove(step);
    step.effect.run();
    step.completion.complete(Outcome.OK);
  }

  /** The request fails; a change may have been made or not. */
  void fail(Step step, boolean made, Outcome outcome) {
    steps.remove(step);
    if (made && step.blocks > 0) {
      step.effect.run();
    }
    step.completion.complete(outcome);
  }

  /** The process dies: what was under way has been done or not, and nobody hears of it. */
  void kill(Random random) {
    for (Step step : List.copyOf(steps)) {
      if (step.blocks > 0 && random.nextBoolean()) {
        step.effect.run();
      }
    }
    steps.clear();
  }

  /** Whether a request that has not ended changes the block. */
  boolean isChanging(int block) {
    for (Step step : steps) {
      if (step.first <= block && block < step.first + step.blocks) {
        return true;
      }
    }
    return false;
  }

  /** Whether damage may be there, or come back with a loss of power. */
  boolean wasDamaged(int block) {
    return durable.get(block).contains(DAMAGED);
  }

  /** The oldest value that the block may have after a loss of power. */
  int leastDurable(int block) {
    int least = Integer.MAX_VALUE;
    for (int value : durable.get(block)) {
      least = Math.min(least, value);
    }
    return least;
  }

  /** Each block is what it was at some moment since the last flush. */
  void losePower(Random random) {
    for (int block = 0; block < current.length; block++) {
      List<Integer> values = new ArrayList<>(durable.get(block));
      values.sort(null);
      current[block] = values.get(random.nextInt(values.size()));
      durable.get(block).clear();
      durable.get(block).add(current[block]);
    }
  }

  @Override
  public boolean hasLostWrites() {
    return lostWrites;
  }

  @Override
  public void keepPlace() {
    placesKept++;
  }

  @Override
  public CompletableFuture<Void> moved(String to) {
    told.add("moved to " + to);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletableFuture<Void> arrived() {
    told.add("arrived");
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public void close() {
    closes++;
    while (!steps.isEmpty()) {
      end(steps.get(0));
    }
    closed = true;
  }

  static void put(ByteBuffer data, int at, int value) {
    for (int i = 0; i < BLOCK_BYTES; i += Integer.BYTES) {
      data.putInt(at + i, value);
    }
  }

  static int get(ByteBuffer data, int at) {
    int value = data.getInt(at);
    if (data.getInt(at + BLOCK_BYTES - Integer.BYTES) != value) {
      throw new AssertionError("a block has parts of two writes");
    }
    return value;
  }
}
