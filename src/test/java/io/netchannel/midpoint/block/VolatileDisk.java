package io.netchannel.midpoint.block;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A disk with a volatile cache. A flush makes durable what was written before it was asked for, and
 * nothing else: so what is durable is the least that the power may leave.
 */
final class VolatileDisk {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;

  /** What is read, also by the next process. */
  final byte[] cached;

  /** What is left when the power goes and the cache has the worst of luck. */
  final byte[] durable;

  /** By sector: which write it is of. */
  private final long[] cachedOf;

  private final long[] durableOf;
  private long writes;

  VolatileDisk(int sizeBytes) {
    cached = new byte[sizeBytes];
    durable = new byte[sizeBytes];
    cachedOf = new long[sizeBytes / SECTOR_BYTES];
    durableOf = new long[sizeBytes / SECTOR_BYTES];
  }

  private void put(int offset, byte[] data) {
    System.arraycopy(data, 0, cached, offset, data.length);
    writes++;
    for (int i = 0; i < data.length; i += SECTOR_BYTES) {
      cachedOf[(offset + i) / SECTOR_BYTES] = writes;
    }
  }

  /** Nobody wants it any more. */
  void scribble(Random random) {
    random.nextBytes(cached);
    random.nextBytes(durable);
  }

  /** For one process; one after the other. */
  Opened open() {
    return new Opened();
  }

  private enum Kind {
    READ,
    WRITE,
    ZERO,
    FLUSH
  }

  private final class Operation {
    final Kind kind;
    final long offset;
    final long length;
    final ByteBuffer data;
    final Completion completion;

    /** Of a flush: the cache when it was asked for. */
    final byte[] then;

    final long[] thenOf;

    Operation(Kind kind, long offset, long length, ByteBuffer data, Completion completion) {
      this.kind = kind;
      this.offset = offset;
      this.length = length;
      this.data = data;
      this.completion = completion;
      then = kind == Kind.FLUSH ? cached.clone() : new byte[0];
      thenOf = kind == Kind.FLUSH ? cachedOf.clone() : new long[0];
    }

    boolean changesWhatChanges(Operation other) {
      return isChange()
          && other.isChange()
          && offset < other.offset + other.length
          && other.offset < offset + length;
    }

    private boolean isChange() {
      return kind == Kind.WRITE || kind == Kind.ZERO;
    }

    void apply() {
      switch (kind) {
        case READ -> data.put(data.position(), cached, (int) offset, (int) length);
        case WRITE -> {
          byte[] bytes = new byte[(int) length];
          data.get(data.position(), bytes);
          put((int) offset, bytes);
        }
        case ZERO -> put((int) offset, new byte[(int) length]);
        case FLUSH -> {
          for (int sector = 0; sector < thenOf.length; sector++) {
            if (thenOf[sector] > durableOf[sector]) { // an older flush may end later
              durableOf[sector] = thenOf[sector];
              System.arraycopy(
                  then, sector * SECTOR_BYTES, durable, sector * SECTOR_BYTES, SECTOR_BYTES);
            }
          }
        }
      }
    }
  }

  /** Requests end when and in the order in which the test says so. */
  final class Opened implements Device {
    private final List<Operation> running = new ArrayList<>();
    private boolean dead;
    boolean closed;

    boolean isIdle() {
      return running.isEmpty();
    }

    /** One of those that run ends, if there is one. */
    void completeOne(Random random, boolean fails) {
      if (!running.isEmpty()) {
        Operation operation = running.remove(random.nextInt(running.size()));
        if (!fails || random.nextBoolean()) {
          operation.apply();
        }
        operation.completion.complete(fails ? Outcome.IO_ERROR : Outcome.OK);
      }
    }

    void completeAll() {
      while (!running.isEmpty()) {
        Operation operation = running.remove(0);
        operation.apply();
        operation.completion.complete(Outcome.OK);
      }
    }

    /** Its process is killed: what runs lands or does not, and nobody hears of it. */
    void die(Random random) {
      for (Operation operation : running) {
        if (operation.kind != Kind.FLUSH && operation.kind != Kind.READ && random.nextBoolean()) {
          operation.apply();
        }
      }
      running.clear();
      dead = true;
    }

    private void submit(Operation operation) {
      if (dead || closed) {
        throw new AssertionError("a device was called, dead " + dead + ", closed " + closed);
      }
      for (Operation other : running) {
        if (other.changesWhatChanges(operation)) {
          throw new AssertionError(
              "two changes of one place at once, at %d and %d"
                  .formatted(other.offset, operation.offset));
        }
      }
      running.add(operation);
    }

    @Override
    public DeviceGeometry geometry() {
      return new DeviceGeometry(cached.length, 512, 4096, false, true, true, 512, true);
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      submit(new Operation(Kind.READ, offsetBytes, data.remaining(), data, completion));
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      submit(new Operation(Kind.WRITE, offsetBytes, data.remaining(), data, completion));
    }

    @Override
    public void zero(
        long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
      submit(new Operation(Kind.ZERO, offsetBytes, lengthBytes, null, completion));
    }

    @Override
    public void discard(long offsetBytes, long lengthBytes, Completion completion) {
      submit(new Operation(Kind.ZERO, offsetBytes, lengthBytes, null, completion));
    }

    @Override
    public void flush(Completion completion) {
      submit(new Operation(Kind.FLUSH, 0, 0, null, completion));
    }

    @Override
    public void close() {
      if (!dead) {
        completeAll();
      }
      closed = true;
    }
  }
}
