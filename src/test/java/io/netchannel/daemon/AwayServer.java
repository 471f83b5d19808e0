package io.netchannel.daemon;

import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Storage;
import io.netchannel.device.file.FileDevice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Files at a server that goes away: what asks it then waits until it is back, or until its user
 * closes the device, as at an export of another host. It keeps in mind who holds what, and the
 * newest generation of each file's user; a file is the same by all its names.
 */
final class AwayServer implements DeviceKind {
  /** Files, by path, that a user holds. */
  final Set<String> held = ConcurrentHashMap.newKeySet();

  /** Open devices, by path; two of one path would be rivals. */
  final List<String> open = new CopyOnWriteArrayList<>();

  /** How often one was opened that was open. */
  final AtomicInteger rivals = new AtomicInteger();

  /** What it was told: "PATH moved to T", "PATH arrived". */
  final List<String> told = new CopyOnWriteArrayList<>();

  /** Paths that somebody opens or closes, or did, while they hung. */
  final Set<String> hanging = ConcurrentHashMap.newKeySet();

  /** Paths that are away. */
  private final Set<String> away = ConcurrentHashMap.newKeySet();

  /** Of these, those whose server is there: opens and closes wait for it, too. */
  private final Map<String, CountDownLatch> hung = new ConcurrentHashMap<>();

  private final Set<AtServer> devices = ConcurrentHashMap.newKeySet();

  /** The newest generation of the user of a file. */
  private final Map<String, Long> generations = new ConcurrentHashMap<>();

  /** Paths whose next opening by a user works, and whose answer is lost. */
  final Set<String> loseAnswer = ConcurrentHashMap.newKeySet();

  /** Paths that a user gets only anew. */
  final Set<String> onlyAnew = ConcurrentHashMap.newKeySet();

  /** Paths that no user gets. */
  final Set<String> notOpening = ConcurrentHashMap.newKeySet();

  /** How often one was opened for writing by nobody's disk. */
  final AtomicInteger openedByNobody = new AtomicInteger();

  /** Whether nobody who only looks has an answer. */
  volatile boolean deafToLooks;

  /** Paths that are exported no more. */
  final Set<String> removed = ConcurrentHashMap.newKeySet();

  /** Paths of which nothing can be noted. */
  final Set<String> notNoting = ConcurrentHashMap.newKeySet();

  /** Writes that end the thread of whoever asks. */
  final AtomicInteger errorsLeft = new AtomicInteger();

  void goesAway(String path) {
    away.add(path);
  }

  /** Its storage does not answer its server. */
  void hangs(String path) {
    hung.put(path, new CountDownLatch(1));
    away.add(path);
  }

  void isBack(String path) {
    away.remove(path);
    devices.forEach(AtServer::isBack);
    Optional.ofNullable(hung.remove(path)).ifPresent(CountDownLatch::countDown);
  }

  /** A person takes a file from its user: the next generation is nobody's. */
  void release(String path) {
    generations.merge(path, 1L, Long::sum);
    held.remove(path);
  }

  /** Somebody else's start of the same guest. */
  void isTakenByNewer(String path) {
    generations.merge(path, 1L, Long::sum);
    held.add(path);
  }

  private static String real(String path) throws DeviceException {
    try {
      return Path.of(path).toRealPath().toString();
    } catch (IOException e) {
      throw new DeviceException(path + " is not there", e);
    }
  }

  @Override
  public Optional<Storage> storage(String path) throws DeviceException {
    return Optional.of(FileDevice.storage(path));
  }

  @Override
  public long newestGeneration(String path, String user, boolean readOnly) throws DeviceException {
    checkThere(real(path));
    if (readOnly && deafToLooks) {
      throw new DeviceException(path + " does not answer, for the test");
    }
    return generations.getOrDefault(real(path), 0L);
  }

  private void checkThere(String path) throws DeviceException {
    if (away.contains(path) && !hung.containsKey(path)) {
      throw new DeviceException(path + " is away, for the test");
    }
    if (removed.contains(path)) {
      throw new DeviceException(true, path + " is not exported");
    }
  }

  private void admit(String path, OpenOptions options) throws DeviceException {
    long generation = options.user().orElseThrow().generation();
    long known = generations.getOrDefault(path, 0L);
    if (generation < known) {
      throw new DeviceException("generation %d of %s is over".formatted(generation, path));
    }
    if (notOpening.contains(path) || (onlyAnew.contains(path) && !options.anew())) {
      throw new DeviceException(path + " is not for you now, for the test");
    }
    generations.put(path, generation);
    held.add(path);
    if (loseAnswer.remove(path)) {
      throw new DeviceException(path + ": expected an answer, found none");
    }
  }

  private void awaitBack(String path) {
    CountDownLatch back = hung.get(path);
    if (back != null) {
      hanging.add(path);
      Uninterruptibles.awaitUninterruptibly(back);
    }
  }

  /** Whether the user of a file waits for something. */
  boolean isAwaited(String path) {
    return devices.stream().anyMatch(each -> each.path.equals(path) && each.waits());
  }

  @Override
  public Device open(String text, OpenOptions options) throws DeviceException {
    String path = real(text);
    if (options.user().isPresent()) {
      awaitBack(path);
    }
    checkThere(path);
    if (options.user().isPresent()) {
      admit(path, options);
    } else if (!options.probe() && held.contains(path)) {
      throw new DeviceException(path + " is in use by its user");
    }
    if (options.user().isEmpty() && !options.probe() && !options.readOnly()) {
      openedByNobody.incrementAndGet();
    }
    Device file = FileDevice.open(path, options.readOnly(), 4, true, System::nanoTime);
    if (options.user().isEmpty()) {
      return file;
    }
    if (open.contains(path)) {
      rivals.incrementAndGet();
    }
    open.add(path);
    AtServer device = new AtServer(path, options.user().get().generation(), file);
    devices.add(device);
    return device;
  }

  private final class AtServer extends ForwardingDevice {
    private final String path;
    private final long generation;
    private final List<Runnable> waiting = new ArrayList<>();
    private final List<Runnable> failing = new ArrayList<>();
    private boolean closed;
    private boolean kept;
    private volatile boolean free;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    AtServer(String path, long generation, Device file) {
      super(file);
      this.path = path;
      this.generation = generation;
    }

    synchronized boolean waits() {
      return !waiting.isEmpty();
    }

    /** A close that comes meanwhile waits for what is asked now. */
    synchronized void isBack() {
      if (!away.contains(path)) {
        List<Runnable> asked = List.copyOf(waiting);
        waiting.clear();
        failing.clear();
        asked.forEach(Runnable::run);
      }
    }

    private void ask(Runnable request, Runnable fails) {
      synchronized (this) {
        if (!closed && away.contains(path)) {
          waiting.add(request);
          failing.add(fails);
          return;
        }
      }
      (closed ? fails : request).run();
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      ask(
          () -> super.read(offsetBytes, data, completion),
          () -> completion.complete(Outcome.IO_ERROR));
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      if (errorsLeft.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        throw new StackOverflowError("of a test");
      }
      ask(
          () -> super.write(offsetBytes, data, completion),
          () -> completion.complete(Outcome.IO_ERROR));
    }

    @Override
    public void flush(Completion completion) {
      ask(() -> super.flush(completion), () -> completion.complete(Outcome.IO_ERROR));
    }

    private CompletableFuture<Void> note(String what) {
      CompletableFuture<Void> noted = new CompletableFuture<>();
      if (notNoting.contains(path)) {
        noted.completeExceptionally(new DeviceException(path + " has no room for it"));
        return noted;
      }
      ask(
          () -> {
            told.add(path + " " + what);
            noted.complete(null);
          },
          () -> noted.completeExceptionally(new DeviceException(path + " was closed")));
      return noted;
    }

    @Override
    public CompletableFuture<Void> moved(String to) {
      return note("moved to " + to);
    }

    @Override
    public CompletableFuture<Void> arrived() {
      return note("arrived");
    }

    @Override
    public void keepPlace() {
      kept = true;
    }

    @Override
    public void close() {
      awaitBack(path);
      List<Runnable> asked;
      boolean first;
      synchronized (this) {
        first = !closed;
        closed = true;
        asked = List.copyOf(failing);
        waiting.clear();
        failing.clear();
      }
      asked.forEach(Runnable::run);
      super.close(); // whoever comes second waits, too
      if (first) {
        devices.remove(this);
        open.remove(path);
        if (!kept && !away.contains(path) && generations.get(path) == generation) {
          held.remove(path);
          free = true;
        }
        ended.complete(null);
      }
      ended.join();
    }

    @Override
    public boolean isGivenFree() {
      return free;
    }
  }
}
