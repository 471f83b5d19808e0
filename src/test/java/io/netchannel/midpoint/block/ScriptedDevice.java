package io.netchannel.midpoint.block;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Inheritance;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/**
 * A device in memory whose requests complete when and in the order in which the test says so; their
 * effect happens at that moment.
 */
final class ScriptedDevice implements Device {
  enum Kind {
    READ,
    WRITE,
    FLUSH,
    DISCARD
  }

  final class Operation {
    final Kind kind;
    final long offset;
    final long length;
    private final ByteBuffer data;
    private final Completion completion;
    final RequestName name;

    Operation(Kind kind, long offset, long length, ByteBuffer data, Completion completion) {
      this.kind = kind;
      this.offset = offset;
      this.length = length;
      this.data = data;
      this.completion = completion;
      name = authority == null ? null : new RequestName(calls.size(), ++authority.sequence);
    }

    private boolean overlaps(Operation other) {
      return offset < other.offset + other.length && other.offset < offset + length;
    }

    /** What a write carries, as it is now. */
    byte[] bytes() {
      byte[] bytes = new byte[(int) length];
      data.get(data.position(), bytes);
      return bytes;
    }

    void apply() {
      switch (kind) {
        case READ -> data.put(data.position(), cache.cached, (int) offset, (int) length);
        case WRITE -> cache.write((int) offset, bytes());
        case FLUSH -> cache.flush();
        case DISCARD -> cache.write((int) offset, new byte[(int) length]);
      }
    }
  }

  final List<Operation> running = new ArrayList<>();

  /** Whether its user has stopped, and may go on elsewhere. */
  boolean rests;

  final List<Kind> calls = new ArrayList<>();
  private final Storage.HostCache cache;
  private final Authority authority;
  private Map<RequestName, Outcome> inherited = Map.of();
  private String fence;
  boolean closed;

  ScriptedDevice(Storage.HostCache cache) {
    this(cache, null);
  }

  private ScriptedDevice(Storage.HostCache cache, Authority authority) {
    this.cache = cache;
    this.authority = authority;
  }

  /** One that an authority serves. */
  static ScriptedDevice of(Authority authority, Optional<Inheritance> inheritance) {
    ScriptedDevice device = new ScriptedDevice(authority.cache, authority);
    device.inherited =
        authority.attach(device, inheritance.map(Inheritance::writes).orElse(ImmutableList.of()));
    return device;
  }

  @Override
  public Optional<CompletableFuture<Custody>> custody() {
    if (authority == null) {
      return Optional.empty();
    }
    Map<Completion, RequestName> writes =
        running.stream()
            .filter(operation -> operation.kind == Kind.WRITE)
            .collect(Collectors.toMap(operation -> operation.completion, o -> o.name));
    Custody told = new Custody(authority.state, ImmutableMap.copyOf(writes));
    authority.afterCustody.run();
    return Optional.of(CompletableFuture.completedFuture(told));
  }

  @Override
  public Optional<Outcome> inherited(RequestName write) {
    return Optional.ofNullable(inherited.get(write));
  }

  @Override
  public void rest() {
    rests = true;
  }

  @Override
  public void useGeneration(long generation) {
    rests = false;
  }

  @Override
  public void relinquish() {
    while (!running.isEmpty()) {
      complete(0, Outcome.IO_ERROR, false);
    }
  }

  /** Its effect is somebody else's. */
  void forget(Operation operation, Outcome outcome) {
    running.remove(operation);
    operation.completion.complete(outcome);
  }

  /** From now on a call is a failure of the test. */
  void fence(String reason) {
    fence = reason;
  }

  void unfence() {
    fence = null;
  }

  /** Completes a running operation; a failed one has its effect or not, as {@code effect} says. */
  void complete(int index, Outcome outcome, boolean effect) {
    Operation operation = running.remove(index);
    if (effect) {
      operation.apply();
    }
    operation.completion.complete(outcome);
  }

  void completeAll() {
    while (!running.isEmpty()) {
      complete(0, Outcome.OK, true);
    }
  }

  /**
   * The process dies: its operations are in the kernel or lost; no completion is heard any more.
   */
  void die(java.util.function.BooleanSupplier reachedKernel) {
    for (Operation operation : running) {
      if (operation.kind == Kind.WRITE && reachedKernel.getAsBoolean()) {
        operation.apply();
      }
    }
    running.clear();
    fence = "its process is dead";
  }

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(cache.cached.length, 512, 4096, false, true, true, 512, false);
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
  public void flush(Completion completion) {
    submit(new Operation(Kind.FLUSH, 0, 0, ByteBuffer.allocate(0), completion));
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    submit(new Operation(Kind.DISCARD, offsetBytes, lengthBytes, null, completion));
  }

  private void submit(Operation operation) {
    if (fence != null || closed) {
      throw new AssertionError("the device was called although " + fence + ", closed " + closed);
    }
    for (Operation other : running) {
      if (other.overlaps(operation) && (other.kind != Kind.READ || operation.kind != Kind.READ)) {
        throw new AssertionError(
            "overlapping requests at the device: "
                + other.kind
                + " at "
                + other.offset
                + " and "
                + operation.kind
                + " at "
                + operation.offset);
      }
    }
    calls.add(operation.kind);
    running.add(operation);
  }

  @Override
  public void close() {
    completeAll();
    closed = true;
  }
}
