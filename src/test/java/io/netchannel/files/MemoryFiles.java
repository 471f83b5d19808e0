package io.netchannel.files;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * A file system that forgets on a power cut what was not synced, as unkindly as it may: of bytes
 * and names that were not synced any part is there afterwards, and a sync that failed has saved any
 * part and calls the rest clean, so that the next one says nothing of it.
 */
public final class MemoryFiles implements FileCalls {

  /** What can fail for itself. */
  public enum Operation {
    OPEN,
    WRITE,
    FORCE,
    RENAME,
    FORCE_DIRECTORY,
    DELETE,
    READ
  }

  /** A disk writes whole sectors; small ones here, so that a record has several. */
  private static final int SECTOR_BYTES = 64;

  private static final class Inode {
    private byte[] cached = new byte[0];
    private byte[] durable = new byte[0];

    /** Sectors that the next sync writes. */
    private final BitSet dirty = new BitSet();

    private boolean longer;

    /** Saves sectors as far as they are {@code chosen}. */
    private void save(Predicate<Integer> chosen, boolean withLength) {
      if (withLength && longer) {
        durable = Arrays.copyOf(durable, cached.length);
        longer = false;
      }
      dirty.stream()
          .filter(chosen::test)
          .forEach(
              sector -> {
                int from = sector * SECTOR_BYTES;
                int to = Math.min(from + SECTOR_BYTES, Math.min(cached.length, durable.length));
                if (from < to) {
                  System.arraycopy(cached, from, durable, from, to - from);
                }
              });
      dirty.clear();
    }
  }

  private final Random random;
  private final Runnable step;
  private final Map<Path, Inode> names = new TreeMap<>();
  private final Map<Path, Inode> durableNames = new TreeMap<>();

  /** Names that the next sync of their directory makes durable. */
  private final Set<Path> dirtyNames = new HashSet<>();

  private final Set<Operation> broken = new HashSet<>();
  private final List<Path> reads = new ArrayList<>();
  private double failureRate;
  private boolean full;
  private int operations;
  private int failingOperation;
  private int failures;

  /**
   * @param step called before and after every effect; may throw
   */
  public MemoryFiles(Random random, Runnable step) {
    this.random = random;
    this.step = step;
  }

  /** Each call from now on fails with this probability. */
  public void setFailureRate(double failureRate) {
    this.failureRate = failureRate;
  }

  /** The calls of this kind fail from now on. */
  public void breaks(Operation operation) {
    broken.add(operation);
  }

  /** Nothing fails from now on. */
  public void isMended() {
    failureRate = 0;
    broken.clear();
    failingOperation = 0;
    full = false;
  }

  /** Whether a call may fail that is made now. */
  public boolean isFailing() {
    return failureRate > 0 || full || !broken.isEmpty() || failingOperation >= operations;
  }

  /** How often one of these files was read by its name. */
  public long reads(Predicate<Path> which) {
    return reads.stream().filter(which).count();
  }

  /** Some bits of these files have changed on the disk. */
  public void damages(Predicate<Path> which) {
    names.forEach(
        (name, inode) -> {
          if (which.test(name)) {
            inode.cached[inode.cached.length / 2] ^= 4;
          }
        });
  }

  /** The call with this number, counted from one, fails. */
  public void failsAt(int operation) {
    failingOperation = operation;
  }

  /** Calls so far. */
  public int operations() {
    return operations;
  }

  /** Calls that have failed so far. */
  public int failures() {
    return failures;
  }

  /** Only what has room already can be written. */
  public void setFull(boolean full) {
    this.full = full;
  }

  /** The power goes, and comes back. Files that were open must not be used any more. */
  public void cutPower() {
    Map<Path, Inode> after = new TreeMap<>(durableNames);
    for (Path name : dirtyNames) {
      if (random.nextBoolean()) {
        rename(after, name, names.get(name));
      }
    }
    dirtyNames.clear();
    names.clear();
    names.putAll(after);
    durableNames.clear();
    durableNames.putAll(after);
    for (Inode inode : new HashSet<>(names.values())) {
      inode.save(sector -> random.nextBoolean(), inode.longer && random.nextBoolean());
      inode.cached = inode.durable.clone();
      inode.longer = false;
    }
  }

  /** What is there after a power cut that saves nothing it need not save. */
  public MemoryFiles worstCase() {
    MemoryFiles left = new MemoryFiles(new Random(0), () -> {});
    durableNames.forEach(
        (name, inode) -> {
          Inode copy = new Inode();
          copy.cached = inode.durable.clone();
          copy.durable = inode.durable.clone();
          left.names.put(name, copy);
          left.durableNames.put(name, copy);
        });
    return left;
  }

  /** Puts a file there, durably. */
  public void put(Path file, byte[] bytes) {
    Inode inode = new Inode();
    inode.cached = bytes.clone();
    inode.durable = bytes.clone();
    names.put(file, inode);
    durableNames.put(file, inode);
  }

  private static void rename(Map<Path, Inode> to, Path name, Inode inode) {
    if (inode == null) {
      to.remove(name);
    } else {
      to.put(name, inode);
    }
  }

  /** Whether this call fails. */
  private boolean fails(Operation operation) {
    step.run();
    operations++;
    boolean fails =
        operations == failingOperation
            || broken.contains(operation)
            || (failureRate > 0 && random.nextDouble() < failureRate);
    failures += fails ? 1 : 0;
    return fails;
  }

  private static IOException failure() {
    return new IOException("Input/output error");
  }

  private void check(Operation operation) throws IOException {
    if (fails(operation)) {
      throw failure();
    }
  }

  private void setName(Path name, Inode inode) {
    rename(names, name, inode);
    dirtyNames.add(name);
  }

  @Override
  public OpenFile open(Path file) throws IOException {
    check(Operation.OPEN);
    if (!names.containsKey(file)) {
      setName(file, new Inode());
    }
    step.run();
    return new Open(names.get(file));
  }

  @Override
  public OpenFile openFresh(Path file, Set<PosixFilePermission> mode) throws IOException {
    check(Operation.OPEN);
    setName(file, new Inode());
    step.run();
    return new Open(names.get(file));
  }

  @Override
  public void rename(Path from, Path to) throws IOException {
    boolean fails = fails(Operation.RENAME);
    if (!fails || random.nextBoolean()) {
      Inode inode = names.get(from);
      if (inode == null) {
        throw new NoSuchFileException(from.toString());
      }
      setName(from, null);
      setName(to, inode);
    }
    if (fails) {
      throw failure();
    }
    step.run();
  }

  @Override
  public void forceDirectory(Path directory) throws IOException {
    boolean fails = fails(Operation.FORCE_DIRECTORY);
    for (Path name : dirtyNames) {
      if (!fails || random.nextBoolean()) {
        rename(durableNames, name, names.get(name));
      }
    }
    dirtyNames.clear();
    if (fails) {
      throw failure();
    }
    step.run();
  }

  @Override
  public void delete(Path file) throws IOException {
    check(Operation.DELETE);
    if (names.containsKey(file)) {
      setName(file, null);
    }
    step.run();
  }

  @Override
  public Optional<byte[]> read(Path file) throws IOException {
    check(Operation.READ);
    reads.add(file);
    return Optional.ofNullable(names.get(file)).map(inode -> inode.cached.clone());
  }

  @Override
  public List<String> list(Path directory) throws IOException {
    check(Operation.READ);
    return names.keySet().stream()
        .filter(name -> name.getParent().equals(directory))
        .map(name -> name.getFileName().toString())
        .toList();
  }

  private final class Open implements OpenFile {
    private final Inode inode;

    Open(Inode inode) {
      this.inode = inode;
    }

    @Override
    public byte[] read() throws IOException {
      check(Operation.READ);
      return inode.cached.clone();
    }

    @Override
    public void write(long position, byte[] bytes) throws IOException {
      boolean fails = fails(Operation.WRITE);
      int start = Math.toIntExact(position);
      int length = fails ? random.nextInt(bytes.length + 1) : bytes.length;
      boolean noRoom = full && start + length > inode.cached.length;
      if (noRoom) {
        length = Math.max(0, inode.cached.length - start);
      }
      if (length > 0) {
        if (start + length > inode.cached.length) {
          inode.cached = Arrays.copyOf(inode.cached, start + length);
          inode.longer = true;
        }
        System.arraycopy(bytes, 0, inode.cached, start, length);
        inode.dirty.set(start / SECTOR_BYTES, (start + length - 1) / SECTOR_BYTES + 1);
      }
      if (noRoom) {
        failures++;
        throw new IOException("No space left on device");
      }
      if (fails) {
        throw failure();
      }
      step.run();
    }

    @Override
    public void force() throws IOException {
      boolean fails = fails(Operation.FORCE);
      inode.save(sector -> !fails || random.nextBoolean(), !fails || random.nextBoolean());
      if (fails) {
        throw failure();
      }
      step.run();
    }

    @Override
    public void close() {}
  }
}
