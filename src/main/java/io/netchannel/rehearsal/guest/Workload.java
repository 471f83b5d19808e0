package io.netchannel.rehearsal.guest;

import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.LongSupplier;

/**
 * A guest's I/O, verified: keeps a number of random requests outstanding that do not overlap,
 * checks every read against the {@link DiskModel} and that every request is completed exactly once.
 *
 * <p>Runs on the guest's CPU, except {@link #progress}.
 */
public final class Workload {
  private static final int FLUSH_PERCENT = 2;
  private static final int READ_PERCENT = 40;

  /** Writes soon come back to the same blocks: what a late write would spoil. */
  private static final int HOT_PERCENT = 30;

  private static final int HOT_SHARE = 16;

  /** Of eleven segments (a plain request) and less; the others are indirect requests. */
  private static final int PLAIN_BLOCKS = 11;

  private static final int LARGEST_BLOCKS = 32;
  private static final int LARGE_PERCENT = 10;

  /** With few of many blocks reserved a free range is found at once. */
  private static final int PLACE_ATTEMPTS = 100;

  private static final int MAX_REPORTED = 20;

  /**
   * How far it has come.
   *
   * @param outstanding sent and not completed
   * @param longestPauseNanos between two completions
   */
  public record Progress(
      long sent,
      long completed,
      int outstanding,
      long reads,
      long writes,
      long flushes,
      long bytesVerified,
      long bytesWritten,
      long longestPauseNanos,
      List<String> violations) {}

  /** A request that the guest waits for. */
  public record Waiting(BlockOperation operation, long offsetBytes, long lengthBytes) {}

  private static final class Request {
    final long number;
    final BlockOperation operation;
    final int first;
    final int count;
    final long sequence;
    final ByteBuffer data;
    boolean completed;

    Request(
        long number,
        BlockOperation operation,
        int first,
        int count,
        long sequence,
        ByteBuffer data) {
      this.number = number;
      this.operation = operation;
      this.first = first;
      this.count = count;
      this.sequence = sequence;
      this.data = data;
    }

    @Override
    public String toString() {
      return "request %d (%s of %d blocks at %d)".formatted(number, operation, count, first);
    }
  }

  private final GuestDisk disk;
  private final DiskModel model;
  private final int depth;
  private final Random random;
  private final LongSupplier nanoTime;
  private final Set<Request> outstanding = new LinkedHashSet<>();
  private final Deque<ByteBuffer> freeBuffers = new ArrayDeque<>();
  private final List<String> violations = new ArrayList<>();
  private boolean sending;
  private long sent;
  private long completed;
  private long reads;
  private long writes;
  private long flushes;
  private long bytesVerified;
  private long bytesWritten;
  private long lastCompletionNanos;
  private long longestPauseNanos;
  private volatile Progress progress = new Progress(0, 0, 0, 0, 0, 0, 0, 0, 0, List.of());

  /**
   * A program that sends nothing yet.
   *
   * @param depth requests outstanding at a time
   */
  public Workload(
      GuestDisk disk, DiskModel model, int depth, Random random, LongSupplier nanoTime) {
    this.disk = disk;
    this.model = model;
    this.depth = depth;
    this.random = random;
    this.nanoTime = nanoTime;
  }

  /** Begins to send, or goes on. */
  public void start() {
    sending = true;
    lastCompletionNanos = nanoTime.getAsLong();
    fill();
    publish();
  }

  /** Sends no more; what is outstanding is still waited for. */
  public void stop() {
    sending = false;
  }

  /** Forgets the longest pause so far. */
  public void resetPause() {
    longestPauseNanos = 0;
    publish();
  }

  /** From any thread: as of the last completion. */
  public Progress progress() {
    return progress;
  }

  /** The requests that the guest waits for, oldest first; only while its CPU is paused. */
  public List<Waiting> waiting() {
    return outstanding.stream()
        .map(
            request ->
                new Waiting(
                    request.operation,
                    (long) request.first * DiskModel.BLOCK_BYTES,
                    (long) request.count * DiskModel.BLOCK_BYTES))
        .toList();
  }

  private void fill() {
    while (sending && outstanding.size() < depth && sendOne()) {
      // until enough are outstanding, or no place was found
    }
  }

  private boolean sendOne() {
    int dice = random.nextInt(100);
    if (dice < FLUSH_PERCENT) {
      send(new Request(++sent, BlockOperation.FLUSH, 0, 0, 0, ByteBuffer.allocate(0)));
      return true;
    }
    int count =
        random.nextInt(100) < LARGE_PERCENT
            ? PLAIN_BLOCKS + 1 + random.nextInt(LARGEST_BLOCKS - PLAIN_BLOCKS)
            : 1 + random.nextInt(PLAIN_BLOCKS);
    for (int attempt = 0; attempt < PLACE_ATTEMPTS; attempt++) {
      int blocks = random.nextInt(100) < HOT_PERCENT ? model.blocks() / HOT_SHARE : model.blocks();
      int first = random.nextInt(blocks - count + 1);
      if (model.reserve(first, count)) {
        boolean read = dice < FLUSH_PERCENT + READ_PERCENT;
        ByteBuffer data = buffer(count);
        long sequence = BlockStamp.NEVER;
        if (!read) {
          sequence = model.nextSequence();
          model.fill(data, first, count, sequence);
        }
        BlockOperation operation = read ? BlockOperation.READ : BlockOperation.WRITE;
        send(new Request(++sent, operation, first, count, sequence, data));
        return true;
      }
    }
    return false;
  }

  private void send(Request request) {
    outstanding.add(request);
    disk.submit(
        request.operation,
        (long) request.first * DiskModel.BLOCK_BYTES,
        request.data.duplicate().order(request.data.order()),
        ok -> completed(request, ok));
  }

  private void completed(Request request, boolean ok) {
    if (request.completed) {
      violation(request + " was completed twice");
      return;
    }
    request.completed = true;
    outstanding.remove(request);
    completed++;
    long now = nanoTime.getAsLong();
    longestPauseNanos = Math.max(longestPauseNanos, now - lastCompletionNanos);
    lastCompletionNanos = now;
    if (ok) {
      verify(request);
    } else {
      violation(request + " failed with an I/O error");
    }
    model.release(request.first, request.count);
    if (request.count > 0) {
      freeBuffers.push(request.data);
    }
    fill();
    publish();
  }

  private void verify(Request request) {
    long bytes = (long) request.count * DiskModel.BLOCK_BYTES;
    switch (request.operation) {
      case READ -> {
        reads++;
        bytesVerified += bytes;
        model
            .check(request.data, request.first, request.count)
            .forEach(wrong -> violation(request + ": " + wrong));
      }
      case WRITE -> {
        writes++;
        bytesWritten += bytes;
        model.written(request.first, request.count, request.sequence);
      }
      case FLUSH -> flushes++;
      case WRITE_BARRIER, DISCARD -> throw new AssertionError("not sent: " + request);
    }
  }

  private void violation(String words) {
    if (violations.size() < MAX_REPORTED) {
      violations.add(words);
    }
  }

  private ByteBuffer buffer(int blocks) {
    ByteBuffer buffer = freeBuffers.poll();
    if (buffer == null) {
      buffer = ByteBuffer.allocate(LARGEST_BLOCKS * DiskModel.BLOCK_BYTES);
    }
    return buffer.clear().limit(blocks * DiskModel.BLOCK_BYTES);
  }

  private void publish() {
    progress =
        new Progress(
            sent,
            completed,
            outstanding.size(),
            reads,
            writes,
            flushes,
            bytesVerified,
            bytesWritten,
            longestPauseNanos,
            List.copyOf(violations));
  }
}
