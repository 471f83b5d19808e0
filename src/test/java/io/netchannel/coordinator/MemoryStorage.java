package io.netchannel.coordinator;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;

/** A disk that forgets on a crash what was not forced, and that can be full or broken. */
final class MemoryStorage implements JournalStorage {
  private byte[] cached = new byte[0];
  private byte[] durable = new byte[0];
  private final Map<String, byte[]> files = new TreeMap<>();
  private final Runnable step;
  private long capacityBytes = Long.MAX_VALUE;
  private boolean forceFails;
  private int filesRead;

  /**
   * @param step called before and after every effect; may throw
   */
  MemoryStorage(Runnable step) {
    this.step = step;
  }

  MemoryStorage() {
    this(() -> {});
  }

  void setCapacityBytes(long capacityBytes) {
    this.capacityBytes = capacityBytes;
  }

  void setForceFails() {
    setForceFails(true);
  }

  void setForceFails(boolean fails) {
    this.forceFails = fails;
  }

  /** How often a file was asked for. */
  int filesRead() {
    return filesRead;
  }

  /** Some bits of every file beside the log have changed on the disk. */
  void damageFiles() {
    files.values().forEach(bytes -> bytes[bytes.length / 2] ^= 4);
  }

  /** Bytes not forced are kept up to a random one, as a disk may have written some of them. */
  void crash(Random random) {
    int kept = random.nextInt(cached.length + 1);
    byte[] after = Arrays.copyOf(durable, Math.max(durable.length, kept));
    int first = Arrays.mismatch(cached, 0, kept, durable, 0, Math.min(kept, durable.length));
    if (first >= 0) {
      System.arraycopy(cached, first, after, first, kept - first);
    }
    durable = after;
    cached = durable.clone();
  }

  byte[] log() {
    return cached.clone();
  }

  void setLog(byte[] log) {
    cached = log.clone();
    durable = log.clone();
  }

  @Override
  public byte[] read() {
    return cached.clone();
  }

  @Override
  public void write(long position, byte[] bytes) throws IOException {
    step.run();
    int start = Math.toIntExact(position);
    // Space that was allocated before can be written on a full disk.
    long room = Math.max(capacityBytes, cached.length) - position;
    int length = (int) Math.min(bytes.length, Math.max(0, room));
    if (start + length > cached.length) {
      cached = Arrays.copyOf(cached, start + length);
    }
    System.arraycopy(bytes, 0, cached, start, length);
    if (length < bytes.length) {
      throw new IOException("No space left on device");
    }
    step.run();
  }

  @Override
  public void force() throws IOException {
    step.run();
    if (forceFails) {
      throw new IOException("Input/output error");
    }
    durable = cached.clone();
    step.run();
  }

  @Override
  public void replace(byte[] log) throws IOException {
    step.run();
    if (log.length > capacityBytes) {
      throw new IOException("No space left on device");
    }
    cached = log.clone();
    durable = log.clone();
    step.run();
  }

  @Override
  public void putFile(String name, byte[] bytes) throws IOException {
    step.run();
    if (bytes.length > capacityBytes) {
      throw new IOException("No space left on device");
    }
    files.put(name, bytes.clone());
    step.run();
  }

  @Override
  public Optional<byte[]> getFile(String name) {
    filesRead++;
    return Optional.ofNullable(files.get(name));
  }

  @Override
  public void deleteFile(String name) {
    files.remove(name);
  }

  @Override
  public List<String> files() {
    return List.copyOf(files.keySet());
  }

  @Override
  public String location() {
    return "memory";
  }

  @Override
  public void close() {}
}
