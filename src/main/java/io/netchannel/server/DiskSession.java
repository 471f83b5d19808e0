package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Status;
import io.netchannel.wire.WireException;
import io.netchannel.wire.ZeroRuns;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/** What a client has at a disk. */
final class DiskSession extends Session<DiskSlot> {
  /**
   * What its client's flushes tell, which outlives the session; called outside of its lock.
   *
   * <p>Who knows that writes were lost sends no flush. So one that comes says that its client has
   * seen this storage in an ATTACHED, and has lost nothing before it.
   */
  interface Flushes {
    /** One has succeeded. */
    void succeeded();

    /**
     * One has failed: what was written may be lost although the storage stays the same.
     *
     * @param told to be run when that is noted, or cannot be
     */
    void failed(Runnable told);
  }

  /**
   * A hand-over to a thread of the device costs more than such a copy from memory. Writes of any
   * length cost less without: a longer read is better copied while the one before it is sent.
   */
  private static final int QUICK_BYTES = 64 << 10;

  private final Device device;

  /** As of the last ATTACH. */
  private volatile DeviceGeometry geometry;

  /** Runs on the connection's thread what is in memory. */
  private final Device quick;

  /**
   * Runs there also what waits for the storage, as long as nothing else has to wait with it: for a
   * device in memory that does so now and then.
   */
  private final Device alone;

  private final boolean readOnly;
  private final BufferBudget buffers;
  private final Flushes flushes;

  /** Whether its client may write; guarded by this. */
  private boolean writable;

  /**
   * @param readOnly whether the device refuses writes
   */
  DiskSession(
      String client,
      Device device,
      boolean readOnly,
      Attached.Window window,
      BufferBudget buffers,
      Flushes flushes) {
    super(client, window, window.slots());
    this.flushes = flushes;
    this.device = device;
    this.geometry = device.geometry();
    this.quick = device.onCallersThread(false);
    this.alone = quick == device ? device : device.onCallersThread(true);
    this.readOnly = readOnly;
    this.buffers = buffers;
  }

  @Override
  DiskSlot newSlot(int number) {
    return new DiskSlot(this, number);
  }

  /** Only for what is on its way, or at the device: of each connection by itself. */
  @Override
  ClientMemory memoryFor(Connection connection) {
    return new ClientMemory(
        buffers, "client " + connection, window().bytes(), connection::resumeSoon);
  }

  @Override
  void leaves(ClientMemory memory) {
    memory.end();
  }

  @Override
  void use(Connection connection, Attach attach, Answer answer) {
    geometry = device.geometry();
    synchronized (this) {
      writable = !attach.readOnly();
      super.use(connection, attach, answer);
    }
  }

  @Override
  void check(FrameHeader request) throws WireException {
    int slots = window().slots();
    if (request.slot() >= slots) {
      throw new WireException("%s: expected a slot below %d".formatted(request, slots));
    }
    if (request.type() == FrameType.URB || request.type() == FrameType.RESET) {
      throw new WireException("%s: expected a request of a disk".formatted(request));
    }
    DeviceGeometry known = geometry;
    int block = known.logicalBlockBytes();
    if (request.offsetBytes() % block != 0
        || request.lengthBytes() % block != 0
        || request.lengthBytes() > known.sizeBytes() - request.offsetBytes()) {
      throw new WireException(
          "%s: expected blocks of %d bytes within %d".formatted(request, block, known.sizeBytes()));
    }
  }

  @Override
  void begin(DiskSlot slot, Connection from, FrameHeader request, boolean isAlone) {
    slot.type = request.type();
    boolean refused = changes(request.type()) && (readOnly || !writable);
    slot.at = refused ? null : deviceFor(request, from.hasOwnThread(), isAlone);
  }

  private static boolean changes(FrameType type) {
    return type == FrameType.WRITE || type == FrameType.DISCARD || type == FrameType.ZERO;
  }

  private Device deviceFor(FrameHeader request, boolean mayWait, boolean isAlone) {
    boolean isLongRead = request.type() == FrameType.READ && request.lengthBytes() > QUICK_BYTES;
    if (!mayWait || isLongRead) {
      return device;
    }
    return isAlone ? alone : quick;
  }

  @Override
  void start(DiskSlot slot, FrameHeader request) {
    if (slot.at == null) {
      completed(slot, Status.UNSUPPORTED);
      return;
    }
    long offset = request.offsetBytes();
    ByteBuf data = slot.data;
    Stages.ISSUED.pass(request.sequence());
    switch (request.type()) {
      case READ -> slot.at.read(offset, buffer(data, request.lengthBytes()), slot);
      case WRITE -> slot.at.write(offset, buffer(data, request.lengthBytes()), slot);
      case FLUSH -> device.flush(slot);
      case DISCARD -> device.discard(offset, request.lengthBytes(), slot);
      case ZERO -> device.zero(offset, request.lengthBytes(), request.mayDeallocate(), slot);
      case EXTENTS -> {
        CompletableFuture<Void> unused =
            device
                .extents(offset, request.lengthBytes())
                .thenAccept(found -> told(slot, found, data));
      }
      case ATTACH, ATTACHED, REFUSED, REPLY, DETACH, DETACHED, PING, PONG ->
          throw new IllegalArgumentException(request.toString());
      case MOVED, ARRIVED, NOTED, RECORD, RECORDED, URB, URB_REPLY, UNLINK, RESET, PORT ->
          throw new IllegalArgumentException(request.toString());
    }
  }

  private void told(DiskSlot slot, Extents found, ByteBuf data) {
    data.clear();
    new ZeroRuns(
            found.zeros().stream()
                .map(run -> new ZeroRuns.Run(run.offsetBytes(), run.lengthBytes()))
                .collect(ImmutableList.toImmutableList()))
        .encode(data);
    completed(slot, Status.OK);
  }

  private static ByteBuffer buffer(ByteBuf data, long lengthBytes) {
    return data.internalNioBuffer(0, (int) lengthBytes);
  }

  @Override
  void unlink(Connection from, FrameHeader header) throws WireException {
    throw new WireException("%s: expected a request of a disk".formatted(header));
  }

  /** A disk has none. */
  @Override
  void tellPort(Connection to, FrameWriter writer) {}

  /** On any thread, exactly once for each request. */
  void completed(DiskSlot slot, Status status) {
    slot.status = status;
    if (slot.type == FrameType.FLUSH) {
      switch (status) {
        case OK, UNSUPPORTED -> flushes.succeeded();
        case IO_ERROR, NO_SPACE -> {
          // Noted before it is told: its client may be killed as soon as it knows.
          flushes.failed(() -> finished(slot));
          return;
        }
      }
    }
    finished(slot);
  }
}
