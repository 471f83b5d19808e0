package io.netchannel.server.nbd;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.nbd.NbdProtocol;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * A request on its way through the device, with the memory for its data and reply. The data starts
 * at a page and the reply's header lies right before it, so that both go out as one piece:
 *
 * <pre>
 *   | ... unused ... | header, 16 bytes | data ...           |
 *                                       ^ page boundary
 * </pre>
 *
 * Used again and again.
 */
final class Slot implements Completion {
  private static final int HEADER_START =
      BlockBuffers.ALIGNMENT_BYTES - NbdProtocol.SIMPLE_REPLY_BYTES;

  /**
   * What the device zeroes at a time: little, as {@link #stopped} is asked in between and devices
   * may have to write; 4 GiB are a thousand of them, less than a second where they need not.
   */
  private static final int ZERO_PART_BYTES = 4 << 20;

  /** What WRITE_ZEROES writes at a time where the device cannot. Never written to. */
  private static final ByteBuffer ZEROES = BlockBuffers.allocate(1 << 20);

  /** Bytes of data, a power of two. */
  final int capacityBytes;

  private final Consumer<Slot> done;
  private final BooleanSupplier stopped;
  private final ByteBuffer data;
  private final ByteBuffer reply;
  private final Completion afterZeroes = this::wroteZeroes;

  /** Results of parts of zeroes that are not looked at yet: keeps the stack flat. */
  private final AtomicInteger zeroResults = new AtomicInteger();

  /** Whether the device makes the zeroes itself, until it says that it cannot. */
  private boolean deviceZeroes;

  private int zeroPartBytes;
  private Outcome zeroOutcome = Outcome.OK;
  private Device device;
  private int command;
  private boolean durable;
  private boolean mayDeallocate;
  private long handle;
  private long offsetBytes;
  private long lengthBytes;
  private int error;

  /** Idle ones of the same capacity. */
  Slot next;

  /**
   * Makes one.
   *
   * @param done takes it when its reply is ready, on any thread
   * @param stopped whether nobody waits for the reply any more
   */
  Slot(int capacityBytes, Consumer<Slot> done, BooleanSupplier stopped) {
    this.capacityBytes = capacityBytes;
    this.done = done;
    this.stopped = stopped;
    ByteBuffer all = BlockBuffers.allocate(BlockBuffers.ALIGNMENT_BYTES + capacityBytes);
    reply = all.duplicate();
    data = all.slice(BlockBuffers.ALIGNMENT_BYTES, capacityBytes);
  }

  /** The request's data: for a write to be filled before {@link #submit}. */
  ByteBuffer take(RequestHeader header) {
    command = header.command;
    durable = (header.flags & NbdProtocol.CMD_FLAG_FUA) != 0;
    mayDeallocate = (header.flags & NbdProtocol.CMD_FLAG_NO_HOLE) == 0;
    handle = header.handle;
    offsetBytes = header.offsetBytes;
    lengthBytes = header.lengthBytes;
    return data.limit(header.dataBytes()).position(0);
  }

  /** Ends a request without the device. */
  void refuse(RequestHeader header, int errorNumber) {
    command = header.command;
    handle = header.handle;
    reply(errorNumber);
  }

  /** Gives it to the device; its outcome comes at once or later. */
  void submit(Device to) {
    device = to;
    if (lengthBytes == 0 && command != NbdProtocol.CMD_FLUSH) {
      reply(0);
      return;
    }
    switch (command) {
      case NbdProtocol.CMD_READ -> device.read(offsetBytes, data, this);
      case NbdProtocol.CMD_WRITE -> device.write(offsetBytes, data, this);
      case NbdProtocol.CMD_FLUSH -> flush();
      case NbdProtocol.CMD_TRIM -> device.discard(offsetBytes, lengthBytes, this);
      case NbdProtocol.CMD_WRITE_ZEROES -> {
        deviceZeroes = device.geometry().canZero();
        wroteZeroes(Outcome.OK);
      }
      default -> throw new IllegalStateException("not checked: command " + command);
    }
  }

  private void flush() {
    durable = false;
    device.flush(this);
  }

  @Override
  public void complete(Outcome outcome) {
    if (outcome == Outcome.OK && durable && command != NbdProtocol.CMD_READ) {
      flush();
    } else {
      reply(NbdProtocol.errorOf(outcome));
    }
  }

  /** Goes on until all is zeroes: in a loop, as a device may complete before it returns. */
  private void wroteZeroes(Outcome outcome) {
    zeroOutcome = outcome;
    if (zeroResults.getAndIncrement() > 0) {
      return; // within the request below: its loop goes on
    }
    do {
      if (deviceZeroes && zeroOutcome == Outcome.UNSUPPORTED) {
        deviceZeroes = false; // writes them instead, beginning with this part
        offsetBytes -= zeroPartBytes;
        lengthBytes += zeroPartBytes;
        zeroOutcome = Outcome.OK;
      }
      if (zeroOutcome != Outcome.OK || lengthBytes == 0) {
        zeroResults.set(0);
        complete(zeroOutcome);
        return;
      }
      if (stopped.getAsBoolean()) {
        zeroResults.set(0);
        reply(NbdProtocol.EIO); // goes nowhere; whoever comes next does not wait for the rest
        return;
      }
      int part = (int) Math.min(lengthBytes, deviceZeroes ? ZERO_PART_BYTES : ZEROES.capacity());
      long offset = offsetBytes;
      offsetBytes += part;
      lengthBytes -= part;
      zeroPartBytes = part;
      if (deviceZeroes) {
        device.zero(offset, part, mayDeallocate, afterZeroes);
      } else {
        device.write(offset, ZEROES.duplicate().limit(part), afterZeroes);
      }
    } while (zeroResults.decrementAndGet() > 0);
  }

  /** Ends the request with this error number, 0 for none. */
  private void reply(int errorNumber) {
    error = errorNumber;
    done.accept(this);
  }

  /** The whole reply, ready to be sent. */
  ByteBuffer encodeReply() {
    boolean withData = error == 0 && command == NbdProtocol.CMD_READ;
    reply.clear().position(HEADER_START);
    reply.putInt(NbdProtocol.SIMPLE_REPLY_MAGIC).putInt(error).putLong(handle);
    int end = BlockBuffers.ALIGNMENT_BYTES + (withData ? (int) lengthBytes : 0);
    return reply.limit(end).position(HEADER_START);
  }
}
