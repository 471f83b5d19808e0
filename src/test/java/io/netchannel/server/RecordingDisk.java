package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Devices;
import io.netchannel.device.Extents;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;

/**
 * A disk in memory that several devices may be opened on, one after the other. Requests are done on
 * an executor's threads in any order, or when the test says so; it remembers each write by the
 * number its data begins with.
 */
final class RecordingDisk implements Devices {
  static final int SIZE_BYTES = 16 << 20;

  private static final int PAGE_BYTES = 4096;

  private final ByteBuffer content = ByteBuffer.allocate(SIZE_BYTES);
  private final Executor executor;
  private final Random random;
  private boolean holding;
  private List<Runnable> held = new ArrayList<>();

  /** How often each write was done, by the number its data begins with. */
  final Map<Long, Integer> writes = new ConcurrentHashMap<>();

  /** How often each range was made zeros, by its offset. */
  final Map<Long, Integer> zeroed = new ConcurrentHashMap<>();

  /** What the last of them may have left. */
  volatile boolean mayHaveHole;

  volatile Outcome zeroOutcome = Outcome.OK;

  /** Told each write when it is done, one after the other. */
  volatile LongConsumer observer = number -> {};

  volatile Outcome flushOutcome = Outcome.OK;

  /** Opens that wait for {@link #lateOpens}. */
  final AtomicInteger opening = new AtomicInteger();

  /** What an open waits for. */
  volatile CountDownLatch lateOpens = new CountDownLatch(0);

  final AtomicInteger begun = new AtomicInteger();
  final AtomicInteger flushes = new AtomicInteger();
  final AtomicInteger open = new AtomicInteger();

  RecordingDisk(Executor executor, long seed) {
    this.executor = executor;
    this.random = new Random(seed);
  }

  /** From now on nothing is done before {@link #release}. */
  synchronized void hold() {
    holding = true;
  }

  void release() {
    List<Runnable> now;
    synchronized (this) {
      holding = false;
      now = held;
      held = new ArrayList<>();
    }
    now.forEach(executor::execute);
  }

  /** Does the first of what is held; all else stays held. */
  void release(int count) {
    List<Runnable> now;
    synchronized (this) {
      now = new ArrayList<>(held.subList(0, count));
      held.subList(0, count).clear();
    }
    now.forEach(executor::execute);
  }

  synchronized int held() {
    return held.size();
  }

  synchronized long numberAt(int offsetBytes) {
    return content.getLong(offsetBytes);
  }

  /** Now and then a request is done after one that came later. */
  private void run(Runnable task) {
    List<Runnable> now = new ArrayList<>();
    synchronized (this) {
      held.add(task);
      if (!holding && random.nextInt(4) > 0) {
        now.addAll(held);
        held.clear();
      }
    }
    now.forEach(executor::execute);
    if (now.isEmpty() && !isHolding()) {
      executor.execute(this::releaseUnlessHolding);
    }
  }

  private synchronized boolean isHolding() {
    return holding;
  }

  private void releaseUnlessHolding() {
    if (!isHolding()) {
      release();
    }
  }

  @Override
  public Device open(String source, OpenOptions options) throws DeviceException {
    if (source.equals("missing")) {
      throw new DeviceException("missing does not exist on this host");
    }
    opening.incrementAndGet();
    try {
      lateOpens.await();
    } catch (InterruptedException e) {
      throw new DeviceException("interrupted", e);
    } finally {
      opening.decrementAndGet();
    }
    open.incrementAndGet();
    return new Opened(options.readOnly());
  }

  private final class Opened implements Device {
    private final boolean readOnly;
    private final AtomicInteger running = new AtomicInteger();

    private Opened(boolean readOnly) {
      this.readOnly = readOnly;
    }

    @Override
    public DeviceGeometry geometry() {
      return new DeviceGeometry(SIZE_BYTES, 512, 4096, readOnly, true, !readOnly, 512, !readOnly);
    }

    private void start(Completion completion, Runnable effect) {
      running.incrementAndGet();
      begun.incrementAndGet();
      run(
          () -> {
            synchronized (RecordingDisk.this) {
              effect.run();
            }
            running.decrementAndGet();
            completion.complete(Outcome.OK);
          });
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      start(
          completion,
          () -> data.put(data.position(), content, (int) offsetBytes, data.remaining()));
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      start(
          completion,
          () -> {
            content.put((int) offsetBytes, data, data.position(), data.remaining());
            long number = content.getLong((int) offsetBytes);
            writes.merge(number, 1, Integer::sum);
            observer.accept(number);
          });
    }

    @Override
    public void flush(Completion completion) {
      start(outcome -> completion.complete(flushOutcome), flushes::incrementAndGet);
    }

    @Override
    public void discard(long offsetBytes, long lengthBytes, Completion completion) {
      start(
          completion,
          () -> content.put((int) offsetBytes, new byte[(int) lengthBytes], 0, (int) lengthBytes));
    }

    @Override
    public void zero(
        long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
      start(
          outcome -> completion.complete(zeroOutcome),
          () -> {
            content.put((int) offsetBytes, new byte[(int) lengthBytes], 0, (int) lengthBytes);
            zeroed.merge(offsetBytes, 1, Integer::sum);
            mayHaveHole = mayDeallocate;
          });
    }

    /** Of its content, in pages. */
    @Override
    public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
      CompletableFuture<Extents> told = new CompletableFuture<>();
      ImmutableList.Builder<Extents.Run> zeros = ImmutableList.builder();
      start(
          outcome -> told.complete(new Extents(zeros.build())),
          () -> addZeros(offsetBytes, offsetBytes + lengthBytes, zeros));
      return told;
    }

    private void addZeros(long from, long end, ImmutableList.Builder<Extents.Run> to) {
      int runs = 0;
      long at = from;
      while (at < end && runs < Extents.MAX_RUNS) {
        long first = at;
        while (at < end && isZero((int) at)) {
          at += PAGE_BYTES;
        }
        if (at > first) {
          to.add(new Extents.Run(first, Math.min(at, end) - first));
          runs++;
        }
        at += PAGE_BYTES;
      }
    }

    private boolean isZero(int offset) {
      return content.slice(offset, PAGE_BYTES).mismatch(ByteBuffer.allocate(PAGE_BYTES)) < 0;
    }

    @Override
    public void close() {
      Waiting.until("all requests done", () -> running.get() == 0);
      open.decrementAndGet();
    }
  }
}
