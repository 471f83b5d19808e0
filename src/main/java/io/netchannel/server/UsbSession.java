package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedUsb;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.UrbFormat;
import io.netchannel.wire.UsbPort;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/**
 * What a client has at a USB device. Unlike a disk's, a request may never end, and what it took
 * from the device is there only once: so all that the client lists stays as it is, also for a newer
 * generation, and what it does not list is unlinked.
 */
final class UsbSession extends Session<UrbSlot> {
  /** As many as a guest's ring has (io/usbif.h: one page). */
  static final int SLOTS = 16;

  /** With the one for resets. */
  static final int ALL_SLOTS = SLOTS + 1;

  private static final Attached.Window WINDOW =
      new Attached.Window(SLOTS, SLOTS * UrbFormat.MAX_PAYLOAD_BYTES);

  /** A buffer is a power of two: of the longest isochronous URB twice what it holds. */
  private static final long MEMORY_BYTES = 2L * SLOTS * UrbFormat.MAX_BYTES;

  /** Another one has none of the outcomes that this one has. */
  private final UUID id = UUID.randomUUID();

  private final UsbDevice device;
  private final ClientMemory memory;

  /**
   * Held from when a URB gets its slot until the device has it, and to unlink one: URBs of an
   * endpoint reach the device in their order whatever connection they came over, and none is
   * unlinked before the device has it. Taken before the session's own, and by no completion. What
   * is called under it does not wait ({@link UsbDevice}).
   */
  private final Object order = new Object();

  /** Whether it has had nothing yet; guarded by this. */
  private boolean fresh = true;

  /** That may wait for memory. */
  private volatile Connection newest;

  /** What the client knows; guarded by this. */
  private PortState told = PortState.EMPTY;

  /** Something was plugged or unplugged, and is told after the replies of all URBs of before. */
  private boolean portDue;

  UsbSession(String client, UsbDevice device, BufferBudget buffers) {
    super(client, WINDOW, ALL_SLOTS);
    this.device = device;
    this.memory = new ClientMemory(buffers, "client " + client, MEMORY_BYTES, this::resume);
  }

  @Override
  UrbSlot newSlot(int number) {
    return new UrbSlot(this, number);
  }

  /** Of all connections: it holds outcomes longer than they last. */
  @Override
  ClientMemory memoryFor(Connection connection) {
    return memory;
  }

  @Override
  void leaves(ClientMemory of) {}

  /** Called with the memory's lock, which others take within the session's: takes none. */
  private void resume() {
    Connection to = newest;
    if (to != null) {
      to.resumeSoon();
    }
  }

  // ---- requests

  @Override
  void check(FrameHeader request) throws WireException {
    boolean fits =
        switch (request.type()) {
          case URB -> request.slot() < SLOTS;
          case RESET -> request.slot() == SLOTS;
          case ATTACH, ATTACHED, REFUSED, READ, WRITE, FLUSH, DISCARD, ZERO, EXTENTS -> false;
          case REPLY, DETACH, DETACHED, PING, PONG, MOVED, ARRIVED, NOTED, RECORD, RECORDED ->
              false;
          case URB_REPLY, UNLINK, PORT -> false;
        };
    if (!fits) {
      throw new WireException(
          "%s: expected a URB in slots 0 to %d or a RESET in slot %d"
              .formatted(request, SLOTS - 1, SLOTS));
    }
  }

  @Override
  void submit(Connection from, FrameHeader request, ByteBuf data) throws WireException {
    if (request.type() == FrameType.URB && !UrbSlot.isWhole(request, data)) {
      data.release();
      throw new WireException(
          "%s: expected packets of %d bytes together".formatted(request, request.urbBytes()));
    }
    synchronized (order) {
      super.submit(from, request, data);
    }
  }

  @Override
  void begin(UrbSlot slot, Connection from, FrameHeader request, boolean isAlone) {
    fresh = false;
    slot.begin(request);
  }

  @Override
  void start(UrbSlot slot, FrameHeader request) {
    if (request.type() == FrameType.URB) {
      device.submit(slot.urb, request.urbIncarnation(), slot);
      return;
    }
    CompletableFuture<Void> unused =
        device
            .reset()
            .handle(
                (status, failure) -> {
                  slot.resetDone(failure == null ? status : UrbStatus.PROTOCOL);
                  return null;
                });
  }

  @Override
  void unlink(Connection from, FrameHeader header) throws WireException {
    if (header.slot() >= SLOTS) {
      throw new WireException("%s: expected a slot below %d".formatted(header, SLOTS));
    }
    synchronized (order) {
      UrbSlot slot = slot(header.slot());
      boolean isThere;
      synchronized (this) {
        isThere = isOf(from) && slot.isRunningUrb() && slot.sequence == header.sequence();
      }
      if (isThere) {
        device.unlink(slot.urb); // nothing, if it ends just now; nobody else has its slot meanwhile
      }
    }
  }

  @Override
  int takeReply(Connection from, Slot slot, FrameWriter writer) {
    if (((UrbSlot) slot).mayChangePort()) {
      tell(from, writer, true);
    }
    int freed = super.takeReply(from, slot, writer);
    if (isPortDue()) {
      tell(from, writer, false);
    }
    return freed;
  }

  private synchronized boolean isPortDue() {
    return portDue && !isBusy();
  }

  /** Whether a URB has no reply yet, with the lock. */
  private boolean isBusy() {
    return slots().stream().anyMatch(slot -> slot.isRunningUrb() || slot.queued);
  }

  // ---- the port

  /** What a client is told first. */
  AttachedUsb attached() {
    PortState now = device.port();
    synchronized (this) {
      told = now;
      portDue = false;
      return new AttachedUsb(id, fresh, onTheWire(now));
    }
  }

  @Override
  void tellPort(Connection to, FrameWriter writer) {
    tell(to, writer, false);
  }

  /**
   * Tells what is at the port.
   *
   * @param settings only what has been set of what is plugged: that it was unplugged is told after
   *     the replies of all its URBs, of which some may be still to come
   */
  private void tell(Connection to, FrameWriter writer, boolean settings) {
    PortState now = device.port();
    synchronized (this) {
      if (!isOf(to) || now.equals(told) || (settings && !isSameDevice(now))) {
        return;
      }
      portDue = !isSameDevice(now) && isBusy();
      if (portDue) {
        return;
      }
      told = now;
    }
    UsbPort port = onTheWire(now);
    ByteBuf out = Unpooled.buffer(port.encodedBytes());
    port.encode(out);
    writer.header().control(FrameType.PORT, out.readableBytes());
    writer.addCopy(out);
  }

  private boolean isSameDevice(PortState now) {
    return now.incarnation() == told.incarnation()
        && now.plugged().isPresent() == told.plugged().isPresent();
  }

  /** On any thread. */
  void portChanged() {
    connection().ifPresent(Connection::tellPortSoon);
  }

  static UsbPort onTheWire(PortState port) {
    return new UsbPort(
        port.incarnation(),
        port.plugged()
            .map(
                found ->
                    new UsbPort.Plugged(
                        found.speed().number(),
                        found.configuration(),
                        found.alternates(),
                        found.halted(),
                        found.serial().orElse(""),
                        ByteBuffer.wrap(found.descriptors().bytes()))));
  }

  // ---- who may use it

  /** Nothing that is listed is waited for: it may never end, and is the newer generation's. */
  @Override
  @SuppressWarnings("UnsynchronizedOverridesSynchronized")
  CompletableFuture<Void> settle(ImmutableList<Attach.Unanswered> listed, boolean all) {
    CompletableFuture<Void> settled = super.settle(listed, false);
    unlinkOrphans();
    return settled;
  }

  private void unlinkOrphans() {
    synchronized (order) {
      List<UrbSlot> orphans;
      synchronized (this) {
        orphans = slots().stream().filter(slot -> slot.isRunningUrb() && slot.orphan).toList();
      }
      orphans.forEach(slot -> device.unlink(slot.urb));
    }
  }

  @Override
  void use(Connection connection, Attach attach, Answer answer) {
    newest = connection;
    device.completeOn(connection.loop());
    super.use(connection, attach, answer);
    connection.tellPortSoon(); // it may have changed since it was told
  }

  @Override
  void over() {
    super.over();
    unlinkOrphans();
    memory.end();
  }

  /** For who only asks. */
  static AttachedUsb probed(UsbDevice device) {
    return new AttachedUsb(new UUID(0, 0), false, onTheWire(device.port()));
  }
}
