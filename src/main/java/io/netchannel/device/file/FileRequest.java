package io.netchannel.device.file;

import io.netchannel.device.Completion;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/** A request to a file. Used again and again, so that a busy disk makes no garbage. */
final class FileRequest implements Runnable {
  enum Operation {
    READ("read"),
    WRITE("write"),
    FLUSH("flush"),
    DISCARD("discard"),
    ZERO("zero"),
    /** May leave a hole. */
    ZERO_OR_HOLE("zero"),
    EXTENTS("look for holes");

    private final String word;

    Operation(String word) {
      this.word = word;
    }

    String word() {
      return word;
    }
  }

  private final Consumer<FileRequest> runner;
  private FileRequest nextIdle;
  private int idleCount;

  Operation operation = Operation.FLUSH;
  long offsetBytes;
  long lengthBytes;

  /** What is read to or written from, from its position on; null when nothing is. */
  ByteBuffer data;

  Completion completion;

  /** Only for EXTENTS. */
  HoleScan scan;

  private FileRequest(Consumer<FileRequest> runner) {
    this.runner = runner;
  }

  @Override
  public void run() {
    runner.accept(this);
  }

  /**
   * Requests that are not in use, for any thread: a stack linked through the requests themselves.
   * Taken as a whole, because popping a single one would have the ABA problem.
   */
  static final class Pool {
    private final AtomicReference<FileRequest> head = new AtomicReference<>();
    private final Consumer<FileRequest> runner;
    private final int capacity;

    /**
     * @param runner what {@link FileRequest#run} does
     * @param capacity how many are kept at most
     */
    Pool(Consumer<FileRequest> runner, int capacity) {
      this.runner = runner;
      this.capacity = capacity;
    }

    FileRequest obtain() {
      FileRequest first = head.getAndSet(null);
      if (first == null) {
        return new FileRequest(runner);
      }
      FileRequest rest = first.nextIdle;
      first.nextIdle = null;
      if (rest != null && !head.compareAndSet(null, rest)) {
        // Others were given back meanwhile: one by one on top of them.
        while (rest != null) {
          FileRequest next = rest.nextIdle;
          giveBack(rest);
          rest = next;
        }
      }
      return first;
    }

    void giveBack(FileRequest request) {
      request.data = null;
      request.completion = null;
      request.scan = null;
      FileRequest top;
      do {
        top = head.get();
        request.nextIdle = top;
        request.idleCount = top == null ? 1 : top.idleCount + 1;
      } while (request.idleCount <= capacity && !head.compareAndSet(top, request));
    }
  }
}
