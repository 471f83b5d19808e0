package io.netchannel.server.nbd;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** A disk in memory, whose outcomes can be held back. Completes on the caller's thread. */
final class MemoryDisk implements Device {
  private final ByteBuffer bytes;
  private final DeviceGeometry geometry;
  private final List<Runnable> held = new ArrayList<>();
  private boolean holding;
  private Outcome writes = Outcome.OK;
  private final List<String> zeroed = new ArrayList<>();
  private Outcome holes = Outcome.OK;
  private Outcome zeros = Outcome.OK;
  private int flushes;

  MemoryDisk(int sizeBytes) {
    bytes = ByteBuffer.allocate(sizeBytes);
    geometry = new DeviceGeometry(sizeBytes, 512, 4096, false, true, true, 4096, true);
  }

  /** From now on outcomes wait, until {@link #release}. */
  synchronized void hold() {
    holding = true;
  }

  void release() {
    List<Runnable> all;
    synchronized (this) {
      holding = false;
      all = List.copyOf(held);
      held.clear();
    }
    all.forEach(Runnable::run);
  }

  synchronized int held() {
    return held.size();
  }

  synchronized int flushes() {
    return flushes;
  }

  synchronized void failWrites(Outcome outcome) {
    writes = outcome;
  }

  /** What it says when it is to zero: where a hole will do, and where none may be. */
  synchronized void failZeroes(Outcome ofHoles, Outcome ofZeros) {
    holes = ofHoles;
    zeros = ofZeros;
  }

  /** What it was told to zero since the last call, as "offset+length", with "hole" behind it. */
  synchronized List<String> zeroed() {
    List<String> all = List.copyOf(zeroed);
    zeroed.clear();
    return all;
  }

  synchronized byte[] content(int offset, int length) {
    byte[] copy = new byte[length];
    bytes.get(offset, copy);
    return copy;
  }

  @Override
  public DeviceGeometry geometry() {
    return geometry;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    synchronized (this) {
      data.put(data.position(), bytes, (int) offsetBytes, data.remaining());
    }
    end(completion, Outcome.OK);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    Outcome outcome;
    synchronized (this) {
      outcome = writes;
      if (outcome == Outcome.OK) {
        bytes.put((int) offsetBytes, data, data.position(), data.remaining());
      }
    }
    end(completion, outcome);
  }

  @Override
  public void flush(Completion completion) {
    synchronized (this) {
      flushes++;
    }
    end(completion, Outcome.OK);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    synchronized (this) {
      for (long i = 0; i < lengthBytes; i++) {
        bytes.put((int) (offsetBytes + i), (byte) 0);
      }
    }
    end(completion, Outcome.OK);
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    Outcome outcome;
    synchronized (this) {
      outcome = mayDeallocate ? holes : zeros;
      zeroed.add("%d+%d%s".formatted(offsetBytes, lengthBytes, mayDeallocate ? " hole" : ""));
      for (long i = 0; outcome == Outcome.OK && i < lengthBytes; i++) {
        bytes.put((int) (offsetBytes + i), (byte) 0);
      }
    }
    end(completion, outcome);
  }

  private void end(Completion completion, Outcome outcome) {
    synchronized (this) {
      if (holding) {
        held.add(() -> completion.complete(outcome));
        return;
      }
    }
    completion.complete(outcome);
  }

  @Override
  public void close() {}
}
