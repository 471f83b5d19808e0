package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import io.netchannel.device.Inheritance;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * One leg of a mirror: a device that is given up at once, whatever is under way there, and opened
 * anew.
 *
 * <pre>
 *   AWAY --put--> PRESENT --giveUp: what it has ends, with any outcome--> AWAY
 *   any --close--> CLOSED
 * </pre>
 *
 * Requests to one that is not PRESENT fail. Its monitor is held for microseconds.
 */
final class Leg implements Device {
  /** A device's own thread knows it at once. */
  private static final long CUSTODY_SECONDS = 5;

  private final String source;
  private final DeviceGeometry geometry;

  /** Null when it is not PRESENT; changed under the monitor, as are those below. */
  private volatile Device device;

  /** What is being given up, or null: it has ended when its close returns, for who calls it. */
  private Device leaving;

  private volatile String problem = "";
  private boolean keepsPlace;
  private boolean closed;

  /** Looked at by one thread at a time: how long its device has had a problem. */
  private volatile long seenNanos;

  private volatile long wellNanos;

  /** One that is AWAY, and will be like this. */
  Leg(String source, DeviceGeometry geometry) {
    this.source = source;
    this.geometry = geometry;
  }

  String source() {
    return source;
  }

  boolean isPresent() {
    return device != null;
  }

  /** What it is open with; empty when it is not PRESENT. */
  Optional<Device> opened() {
    return Optional.ofNullable(device);
  }

  /** Keeps in mind whether its device can be reached just now. */
  void look(long nowNanos) {
    Device present = device;
    if (present == null || present.problem().isEmpty()) {
      wellNanos = nowNanos;
    }
    seenNanos = nowNanos;
  }

  /** For how long its device could not be reached, when it was looked at last. */
  long awayNanos() {
    return seenNanos - wellNanos;
  }

  /** Why it is not; for people. */
  void problem(String why) {
    problem = why;
  }

  /**
   * Why a device is no leg of a disk; empty when it is one. What is beyond the disk is not used.
   */
  static Optional<String> misfit(DeviceGeometry disk, DeviceGeometry found) {
    boolean fits =
        found.sizeBytes() >= disk.sizeBytes()
            && found.logicalBlockBytes() == disk.logicalBlockBytes()
            && found.canFlush() == disk.canFlush()
            && !found.readOnly();
    return fits
        ? Optional.empty()
        : Optional.of(
            "expected a leg of at least %d bytes in blocks of %d, %s and not read-only, found %s"
                .formatted(
                    disk.sizeBytes(),
                    disk.logicalBlockBytes(),
                    disk.canFlush() ? "with a flush" : "without flush",
                    found));
  }

  /**
   * It is opened.
   *
   * @throws DeviceException when it is no leg of this disk, or comes too late: it is closed
   */
  void put(Device opened) throws DeviceException {
    String why;
    synchronized (this) {
      if (closed) {
        why = "comes too late";
      } else {
        why = misfit(geometry, opened.geometry()).orElse("");
      }
      if (why.isEmpty()) {
        device = opened;
        problem = "";
        return;
      }
    }
    opened.close();
    throw new DeviceException("%s: %s".formatted(source, why));
  }

  /**
   * Ends what it has. May wait for the device's own thread, and for nothing else.
   *
   * @return what it leaves to who opens it next; empty when it was away
   */
  Optional<Inheritance> giveUp(String why) {
    Device given;
    synchronized (this) {
      given = device;
      device = null;
      problem = why;
      if (given == null) {
        return Optional.empty();
      }
      leaving = given;
    }
    Inheritance left = custodyOf(given).orElse(Inheritance.UNTOLD);
    given.keepPlace(); // so that it does not wait for what runs there
    given.close();
    synchronized (this) {
      if (leaving == given) {
        leaving = null;
      }
    }
    return Optional.of(left);
  }

  private static Optional<Inheritance> custodyOf(Device device) {
    Optional<CompletableFuture<Custody>> asked = device.custody();
    if (asked.isEmpty()) {
      return Optional.empty();
    }
    try {
      // The writes are of no use: all that was not answered is copied again.
      return Optional.of(
          new Inheritance(
              asked.get().get(CUSTODY_SECONDS, TimeUnit.SECONDS).storage(), ImmutableList.of()));
    } catch (ExecutionException | TimeoutException e) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }

  // ---- The device

  @Override
  public DeviceGeometry geometry() {
    return geometry;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    Device present = device;
    if (present == null) {
      completion.complete(Outcome.IO_ERROR);
    } else {
      present.read(offsetBytes, data, completion);
    }
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    Device present = device;
    if (present == null) {
      completion.complete(Outcome.IO_ERROR);
    } else {
      present.write(offsetBytes, data, completion);
    }
  }

  @Override
  public void flush(Completion completion) {
    Device present = device;
    if (present == null) {
      completion.complete(Outcome.IO_ERROR);
    } else {
      present.flush(completion);
    }
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    Device present = device;
    if (present == null) {
      completion.complete(Outcome.IO_ERROR);
    } else {
      present.discard(offsetBytes, lengthBytes, completion);
    }
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    Device present = device;
    if (present == null) {
      completion.complete(Outcome.IO_ERROR);
    } else {
      present.zero(offsetBytes, lengthBytes, mayDeallocate, completion);
    }
  }

  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    Device present = device;
    return present == null
        ? CompletableFuture.completedFuture(Extents.ALL_DATA)
        : present.extents(offsetBytes, lengthBytes);
  }

  @Override
  public void useGeneration(long generation) {
    Device present = device;
    if (present != null) {
      present.useGeneration(generation);
    }
  }

  @Override
  public synchronized void keepPlace() {
    keepsPlace = true;
    if (device != null) {
      device.keepPlace();
    }
  }

  @Override
  public CompletableFuture<Void> moved(String to) {
    Device present = device;
    return present == null ? away() : present.moved(to);
  }

  @Override
  public CompletableFuture<Void> arrived() {
    Device present = device;
    return present == null ? away() : present.arrived();
  }

  private CompletableFuture<Void> away() {
    return CompletableFuture.failedFuture(
        new DeviceException("%s is away: %s".formatted(source, problem)));
  }

  @Override
  public boolean hasLostWrites() {
    Device present = device;
    return present != null && present.hasLostWrites();
  }

  @Override
  public Optional<String> problem() {
    Device present = device;
    return present == null ? Optional.of(problem) : present.problem();
  }

  /** Of one that is away nobody has heard it. */
  @Override
  public boolean isGivenFree() {
    Device present = device;
    return present != null && present.isGivenFree();
  }

  @Override
  public void close() {
    Device present;
    Device before;
    synchronized (this) {
      closed = true;
      present = device;
      before = leaving;
      if (present != null && keepsPlace) {
        present.keepPlace();
      }
    }
    if (present != null) {
      present.close();
    }
    if (before != null) {
      before.keepPlace(); // as who gives it up is about to say
      before.close();
    }
  }
}
