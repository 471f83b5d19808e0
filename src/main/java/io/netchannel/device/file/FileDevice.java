package io.netchannel.device.file;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.ErrorLog;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.device.Storage;
import io.netchannel.device.file.FileRequest.Operation;
import java.nio.ByteBuffer;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Phaser;
import java.util.concurrent.RejectedExecutionHandler;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A regular file or a block device of this host. See the package for its states and invariants.
 *
 * <p>Buffers of any kind are taken; direct ones, aligned as {@link BlockBuffers} makes them, are
 * used without a copy. {@link #close} must not be called from a completion: it waits for them.
 */
public final class FileDevice implements Device {
  private static final Logger log = LoggerFactory.getLogger(FileDevice.class);

  /**
   * Keeps an SSD busy, and a disk's elevator; more would only wait in the kernel instead of here.
   */
  public static final int DEFAULT_IO_THREADS = 16;

  /**
   * Requests that wait for a thread: 8 rings of 16 pages (512 requests each), the most a frontend
   * may have, fit. When it is full the submitter runs the request itself: that slows it down.
   */
  static final int MAX_QUEUED = 4096;

  /** An idle disk keeps no threads. */
  private static final long IDLE_THREAD_SECONDS = 30;

  /** How often {@link #close} says that it still waits, e.g. for a storage that hangs. */
  private static final long CLOSE_REPORT_SECONDS = 10;

  private final String name;
  private final NativeFile file;
  private final DeviceGeometry geometry;
  private final boolean direct;
  private final boolean blockDevice;
  private final ThreadPoolExecutor threads;
  private final ErrorLog errors;
  private final FileRequest.Pool requests = new FileRequest.Pool(this::run, MAX_QUEUED);

  /** One party for the open device and one per request that its submitter runs itself. */
  private final Phaser submitters = new Phaser(1);

  private final AtomicBoolean closing = new AtomicBoolean();

  /** Completes when nothing of it runs any more, and the file is closed. */
  private final CompletableFuture<Void> closed = new CompletableFuture<>();

  private volatile boolean flushFailed;
  private volatile boolean discardRefused;
  private volatile boolean holeRefused;
  private volatile boolean zeroRefused;
  private volatile boolean cachedReadsRefused;
  private final Device ifQuick = new CallersThread(this, false);
  private final Device always = new CallersThread(this, true);

  private FileDevice(
      OpenFile opened,
      int ioThreads,
      LongSupplier nanoTime,
      BiFunction<Runnable, String, Thread> threadMaker) {
    name = opened.path().toString();
    file = opened.file();
    geometry = opened.geometry();
    direct = opened.direct();
    blockDevice = opened.blockDevice();
    errors = new ErrorLog(log, nanoTime);
    AtomicInteger number = new AtomicInteger();
    threads =
        new ThreadPoolExecutor(
            ioThreads,
            ioThreads,
            IDLE_THREAD_SECONDS,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(MAX_QUEUED),
            task -> {
              Thread thread =
                  threadMaker.apply(task, "io-" + number.incrementAndGet() + " " + name);
              thread.setDaemon(true);
              return thread;
            },
            rejected());
    threads.allowCoreThreadTimeOut(true);
  }

  /** Opens {@code path}, an absolute one, with the default number of threads and direct I/O. */
  public static FileDevice open(String path, boolean readOnly) throws DeviceException {
    return open(path, readOnly, DEFAULT_IO_THREADS, true, System::nanoTime);
  }

  /**
   * Opens {@code path}.
   *
   * @param ioThreads how many requests run at the same time
   * @param tryDirect false uses the page cache even where direct I/O works
   * @param nanoTime the clock by which repeated errors are held back in the log
   */
  public static FileDevice open(
      String path, boolean readOnly, int ioThreads, boolean tryDirect, LongSupplier nanoTime)
      throws DeviceException {
    return open(path, readOnly, ioThreads, tryDirect, nanoTime, Thread::new);
  }

  /** Likewise; {@code threadMaker} gives a thread for a task and its name. */
  static FileDevice open(
      String path,
      boolean readOnly,
      int ioThreads,
      boolean tryDirect,
      LongSupplier nanoTime,
      BiFunction<Runnable, String, Thread> threadMaker)
      throws DeviceException {
    if (ioThreads < 1) {
      throw new IllegalArgumentException("a device needs at least 1 I/O thread, not " + ioThreads);
    }
    OpenFile opened = OpenFile.open(path, readOnly, tryDirect);
    FileDevice device = new FileDevice(opened, ioThreads, nanoTime, threadMaker);
    log.info(
        "{}: opened {}, {} bytes, sectors of {}, {}{}",
        path,
        opened.blockDevice() ? "block device" : "regular file",
        device.geometry.sizeBytes(),
        device.geometry.logicalBlockBytes(),
        device.direct ? "direct I/O" : "page cache",
        readOnly ? ", read-only" : "");
    return device;
  }

  /**
   * Refuses a block device that something on this host has for itself: a mounted file system, swap,
   * LVM, RAID; also of a partition of it. It is only looked at, and may be open otherwise.
   */
  public static void checkUnused(String path) throws DeviceException {
    OpenFile.checkUnused(path);
  }

  /**
   * Makes a file that takes no room yet, readable by its owner only.
   *
   * @throws DeviceException when something is at that path, or it cannot be made
   */
  public static void create(String path, long sizeBytes) throws DeviceException {
    OpenFile.create(path, sizeBytes);
  }

  /**
   * Which storage a path leads to, by the kernel's numbers: of a file those of its file system and
   * inode, of a block device its own; and since when it has them.
   *
   * @throws DeviceException when there is nothing at that path
   */
  public static Storage storage(String path) throws DeviceException {
    return OpenFile.storage(path);
  }

  @Override
  public DeviceGeometry geometry() {
    return geometry;
  }

  /** Whether I/O bypasses the page cache. */
  public boolean direct() {
    return direct;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    submit(Operation.READ, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    submit(Operation.WRITE, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void flush(Completion completion) {
    submit(Operation.FLUSH, 0, 0, null, completion);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    submit(Operation.DISCARD, offsetBytes, lengthBytes, null, completion);
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    Operation operation = mayDeallocate ? Operation.ZERO_OR_HOLE : Operation.ZERO;
    submit(operation, offsetBytes, lengthBytes, null, completion);
  }

  /** Those that the file system tells of a regular file; of a block device nothing is known. */
  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    if (blockDevice) {
      return CompletableFuture.completedFuture(Extents.ALL_DATA);
    }
    HoleScan scan = new HoleScan(file, geometry.logicalBlockBytes());
    FileRequest request = fill(Operation.EXTENTS, offsetBytes, lengthBytes, null, scan);
    request.scan = scan;
    submit(request);
    return scan.told();
  }

  @Override
  public Device onCallersThread(boolean evenIfItWaits) {
    if (evenIfItWaits) {
      return always;
    }
    return direct ? this : ifQuick; // direct I/O always waits
  }

  /** Reads what is in the page cache; false when it is not all there: then nothing has happened. */
  boolean readCached(long offsetBytes, ByteBuffer data, Completion completion) {
    int length = data.remaining();
    if (cachedReadsRefused
        || !data.isDirect()
        || !withinDevice(offsetBytes, length)
        || closing.get()
        || submitters.register() < 0) {
      return false;
    }
    long result;
    try {
      result = file.readCached(data, data.position(), length, offsetBytes);
    } finally {
      submitters.arriveAndDeregister();
    }
    if (result == -Libc.EOPNOTSUPP || result == -Libc.EINVAL) {
      cachedReadsRefused = true; // this file system does not know how
    }
    if (result != length) {
      return false;
    }
    Completion.tell(completion, Outcome.OK, name);
    return true;
  }

  /** Runs a read or write on this thread; fails it when the device is closed. */
  void runHere(Operation operation, long offsetBytes, ByteBuffer data, Completion completion) {
    FileRequest request = fill(operation, offsetBytes, data.remaining(), data, completion);
    runHereOrFail(request);
  }

  /**
   * Whoever closes it once more waits as well: what still runs has memory that he is about to give
   * away.
   */
  @Override
  public void close() {
    if (!closing.compareAndSet(false, true)) {
      closed.join();
      return;
    }
    threads.shutdown();
    boolean interrupted = false;
    while (true) {
      try {
        if (threads.awaitTermination(CLOSE_REPORT_SECONDS, TimeUnit.SECONDS)) {
          break;
        }
        log.warn("{}: close waits for {} requests", name, unfinished());
      } catch (InterruptedException e) {
        // The descriptor must stay until the last request is done: its number would be used again.
        interrupted = true;
      }
    }
    submitters.awaitAdvance(submitters.arriveAndDeregister());
    file.close();
    closed.complete(null);
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private int unfinished() {
    return threads.getActiveCount() + threads.getQueue().size();
  }

  private void submit(
      Operation operation,
      long offsetBytes,
      long lengthBytes,
      ByteBuffer data,
      Completion completion) {
    submit(fill(operation, offsetBytes, lengthBytes, data, completion));
  }

  private void submit(FileRequest request) {
    try {
      threads.execute(request);
    } catch (OutOfMemoryError e) {
      withoutNewThread(request);
    }
  }

  /**
   * This process may have no more threads: those of this disk do it; without any, its submitter. A
   * pool keeps a thread while something is queued, so what is queued beside one gets done.
   */
  private void withoutNewThread(FileRequest request) {
    if (threads.getPoolSize() > 0
        && threads.getQueue().offer(request)
        && (threads.getPoolSize() > 0 || !threads.remove(request))) {
      return;
    }
    errors.report("no thread can be made; raise TasksMax of the unit", name);
    runHereOrFail(request);
  }

  private FileRequest fill(
      Operation operation,
      long offsetBytes,
      long lengthBytes,
      ByteBuffer data,
      Completion completion) {
    FileRequest request = requests.obtain();
    request.operation = operation;
    request.offsetBytes = offsetBytes;
    request.lengthBytes = lengthBytes;
    request.data = data;
    request.completion = completion;
    return request;
  }

  private void run(FileRequest request) {
    Outcome outcome = Outcome.IO_ERROR;
    try {
      outcome = perform(request);
    } catch (RuntimeException | Error e) {
      log.error("{}: {} failed inside netchanneld", name, request.operation.word(), e);
    } finally { // what cannot even be logged is answered, too
      complete(request, outcome);
    }
  }

  /** The request is free for the next one before its submitter, who may have one, is told. */
  private void complete(FileRequest request, Outcome outcome) {
    Completion completion = request.completion;
    requests.giveBack(request);
    Completion.tell(completion, outcome, name);
  }

  private RejectedExecutionHandler rejected() {
    return (task, executor) -> runHereOrFail((FileRequest) task);
  }

  private void runHereOrFail(FileRequest request) {
    // Registration fails when close has waited for all: the descriptor may be gone already.
    if (!threads.isShutdown() && submitters.register() >= 0) {
      try {
        request.run();
      } finally {
        submitters.arriveAndDeregister();
      }
    } else {
      errors.report(request.operation.word() + ": the device is closed", name);
      complete(request, Outcome.IO_ERROR);
    }
  }

  private Outcome perform(FileRequest request) {
    if (!withinDevice(request.offsetBytes, request.lengthBytes)) {
      errors.report(
          request.operation.word() + ": outside the device or not aligned (a bug of the caller)",
          where(request));
      return Outcome.IO_ERROR;
    }
    return switch (request.operation) {
      case READ -> read(request);
      case WRITE -> geometry.readOnly() ? Outcome.UNSUPPORTED : write(request);
      case FLUSH -> flush(request);
      case DISCARD -> discard(request);
      case ZERO -> zero(request, false);
      case ZERO_OR_HOLE -> zero(request, true);
      case EXTENTS -> request.scan.scan(request.offsetBytes, request.lengthBytes);
    };
  }

  /** Also keeps a regular file from growing. */
  private boolean withinDevice(long offsetBytes, long lengthBytes) {
    int unit = geometry.logicalBlockBytes();
    return offsetBytes >= 0
        && lengthBytes <= geometry.sizeBytes() - offsetBytes
        && offsetBytes % unit == 0
        && lengthBytes % unit == 0;
  }

  private Outcome read(FileRequest request) {
    ByteBuffer target = request.data;
    boolean usable = usable(target);
    ByteBuffer buffer = usable ? target : BlockBuffers.allocate(target.remaining());
    int start = buffer.position();
    int done = 0;
    while (done < request.lengthBytes) {
      long result =
          file.read(
              buffer, start + done, (int) request.lengthBytes - done, request.offsetBytes + done);
      if (result == 0) {
        errors.report("read: the file has become shorter while it is served", where(request));
        return Outcome.IO_ERROR;
      }
      if (result < 0) {
        return failed(request, done, (int) -result);
      }
      done += (int) result;
    }
    if (!usable) {
      target.put(target.position(), buffer, 0, buffer.limit());
    }
    return Outcome.OK;
  }

  private Outcome write(FileRequest request) {
    ByteBuffer buffer = request.data;
    if (!usable(buffer)) {
      buffer = BlockBuffers.allocate(request.data.remaining());
      buffer.put(0, request.data, request.data.position(), buffer.limit());
    }
    int start = buffer.position();
    int done = 0;
    while (done < request.lengthBytes) {
      long result =
          file.write(
              buffer, start + done, (int) request.lengthBytes - done, request.offsetBytes + done);
      if (result == 0) {
        errors.report("write: nothing was written and no error given", where(request));
        return Outcome.IO_ERROR;
      }
      if (result < 0) {
        return failed(request, done, (int) -result);
      }
      done += (int) result;
    }
    return Outcome.OK;
  }

  private Outcome flush(FileRequest request) {
    if (geometry.readOnly()) {
      return Outcome.OK; // nothing was written
    }
    if (!flushFailed) {
      long result = file.sync();
      if (result < 0) {
        flushFailed = true;
        log.error(
            "{}: a flush failed, written data may be lost; all further flushes fail until the"
                + " device is opened again",
            name);
        return failed(request, 0, (int) -result);
      }
    }
    // A flush that ran beside one that failed may have found the pages marked clean already.
    return flushFailed ? Outcome.IO_ERROR : Outcome.OK;
  }

  private Outcome discard(FileRequest request) {
    if (!geometry.canDiscard() || discardRefused) {
      return Outcome.UNSUPPORTED;
    }
    if (request.lengthBytes == 0) {
      return Outcome.OK;
    }
    long result =
        blockDevice
            ? file.discardBlocks(request.offsetBytes, request.lengthBytes)
            : file.punchHole(request.offsetBytes, request.lengthBytes);
    return result < 0 ? failed(request, 0, (int) -result) : Outcome.OK;
  }

  /** A hole where that may be, and where it cannot be made, zeros that keep their storage. */
  private Outcome zero(FileRequest request, boolean mayDeallocate) {
    if (!geometry.canZero()) {
      return Outcome.UNSUPPORTED;
    }
    if (request.lengthBytes == 0) {
      return Outcome.OK;
    }
    long result = -Libc.EOPNOTSUPP;
    if (mayDeallocate && !holeRefused) {
      result = file.punchHole(request.offsetBytes, request.lengthBytes);
      if (isRefusal(result)) {
        holeRefused = true;
      }
    }
    if (isRefusal(result) && !zeroRefused) {
      result =
          blockDevice
              ? file.zeroBlocks(request.offsetBytes, request.lengthBytes)
              : file.zeroRange(request.offsetBytes, request.lengthBytes);
      if (isRefusal(result)) {
        zeroRefused = true;
      }
    }
    if (isRefusal(result)) {
      return Outcome.UNSUPPORTED;
    }
    return result < 0 ? failed(request, 0, (int) -result) : Outcome.OK;
  }

  /** Whether this kind of storage does not know how, and so never will. */
  private static boolean isRefusal(long result) {
    return result == -Libc.EOPNOTSUPP || result == -Libc.ENOSYS || result == -Libc.ENODEV;
  }

  private boolean usable(ByteBuffer data) {
    return data.isDirect()
        && (!direct
            || (NativeFile.addressOf(data) + data.position()) % geometry.logicalBlockBytes() == 0);
  }

  private Outcome failed(FileRequest request, int doneBytes, int errno) {
    errors.report(
        request.operation.word() + " failed: " + NativeFile.describe(errno),
        where(request) + (doneBytes == 0 ? "" : ", after " + doneBytes + " bytes"));
    return switch (errno) {
      case Libc.ENOSPC, Libc.EDQUOT -> Outcome.NO_SPACE;
      case Libc.EROFS -> Outcome.UNSUPPORTED;
      case Libc.EOPNOTSUPP, Libc.ENOSYS -> {
        if (request.operation == Operation.DISCARD) {
          discardRefused = true;
        }
        yield Outcome.UNSUPPORTED;
      }
      default -> Outcome.IO_ERROR;
    };
  }

  private String where(FileRequest request) {
    return "%s, offset %d, %d bytes".formatted(name, request.offsetBytes, request.lengthBytes);
  }
}
