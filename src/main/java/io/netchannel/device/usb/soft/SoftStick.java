package io.netchannel.device.usb.soft;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.device.usb.soft.ScsiCommands.Flush;
import io.netchannel.device.usb.soft.ScsiCommands.Read;
import io.netchannel.device.usb.soft.ScsiCommands.Refused;
import io.netchannel.device.usb.soft.ScsiCommands.Reply;
import io.netchannel.device.usb.soft.ScsiCommands.Sense;
import io.netchannel.device.usb.soft.ScsiCommands.Work;
import io.netchannel.device.usb.soft.ScsiCommands.Write;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A memory stick: a disk with SCSI commands, over USB mass storage's bulk-only transport 1.0.
 *
 * <pre>
 *              CBW              answer in hand, or read
 *   COMMAND --------+---------> SENDING <-----> LOADING       all sent, or the host's share
 *      ^            |              |                            of it
 *      |            +---------> RECEIVING <---> STORING
 *      |            |              |
 *      |            +---------> FLUSHING
 *      |            |              |
 *      |   CSW      v              v
 *      +--------- STATUS <---------+
 *
 *   a CBW that is none: LOST, both endpoints halt until the host resets it
 * </pre>
 *
 * <p>In LOADING, STORING and FLUSHING the storage has the word, which answers by the executor; the
 * host's transfers wait meanwhile. A reset forgets the command, but the next one waits until the
 * storage has answered, as both use the one buffer.
 */
public final class SoftStick extends SoftFunction {
  private static final int IN = 0x81;
  private static final int OUT = 0x02;
  private static final int PACKET_BYTES = 512;

  private static final int CBW_BYTES = 31;
  private static final int CBW_SIGNATURE = 0x43425355;
  private static final int CBW_COMMAND = 15;
  private static final int COMMAND_BYTES = 16;
  private static final int CSW_BYTES = 13;
  private static final int CSW_SIGNATURE = 0x53425355;

  private static final int GET_MAX_LUN = 0xfe;
  private static final int RESET = 0xff;

  /** What goes to or comes from the storage at once. */
  private static final int BUFFER_BYTES = 64 << 10;

  private enum State {
    COMMAND,
    SENDING,
    LOADING,
    RECEIVING,
    STORING,
    FLUSHING,
    STATUS,
    LOST
  }

  /** bCSWStatus. */
  private enum Result {
    GOOD(0),
    FAILED(1),
    PHASE_ERROR(2);

    private final int number;

    Result(int number) {
      this.number = number;
    }
  }

  private final Model model;
  private final Device storage;
  private final ScsiCommands commands;
  private final ByteBuffer buffer = BlockBuffers.allocate(BUFFER_BYTES);
  private Bus bus;
  private DataPipe in;
  private DataPipe out;

  private State state = State.COMMAND;

  /** Whether the storage has the buffer; and which reset its answer is of. */
  private boolean storageBusy;

  private int resets;

  private int tag;

  /** Bytes that the host moves in this command, and how many of them have not been moved. */
  private long residueBytes;

  /** Where in the storage the next bytes are from, and how many are still to be moved. */
  private long offsetBytes;

  private long leftBytes;

  /** What is to be sent now. */
  private ByteBuffer outgoing = ByteBuffer.allocate(0);

  private Result result = Result.GOOD;
  private long commandsDone;
  private long commandsFailed;

  /**
   * @param serial its serial number: 12 or more of 0 .. 9 and A .. F (bulk-only transport, 4.1.1)
   * @param storage closed with it
   */
  public SoftStick(String serial, Device storage) {
    this.storage = storage;
    commands = new ScsiCommands(storage.geometry(), serial);
    byte[] descriptors =
        new DescriptorWriter(0x0200, 0, 3)
            .setting(0, 0, 2, 8, 6, 0x50)
            .endpoint(IN, UrbType.BULK, PACKET_BYTES, 0)
            .endpoint(OUT, UrbType.BULK, PACKET_BYTES, 0)
            .bytes();
    model = new Model(UsbSpeed.HIGH, Descriptors.of(descriptors), "Soft Stick", serial);
  }

  @Override
  Model model() {
    return model;
  }

  @Override
  void attached(Bus newBus) {
    bus = newBus;
    in = bus.pipe(IN);
    out = bus.pipe(OUT);
  }

  @Override
  void restart() {
    state = State.COMMAND;
    resets++;
  }

  @Override
  Optional<byte[]> control(Setup setup, byte[] data) {
    if (setup.is(0xa1, GET_MAX_LUN)) {
      return Optional.of(new byte[1]);
    }
    if (setup.is(0x21, RESET)) {
      restart();
      return Optional.of(new byte[0]);
    }
    return Optional.empty();
  }

  @Override
  void ready() {
    boolean goesOn = true;
    while (goesOn) {
      goesOn =
          switch (state) {
            case COMMAND -> !storageBusy && command();
            case SENDING -> send();
            case RECEIVING -> receive();
            case STATUS -> status();
            case LOADING, STORING, FLUSHING -> false;
            case LOST -> lost();
          };
    }
  }

  private boolean command() {
    if (!out.isAwaited()) {
      return false;
    }
    ByteBuffer block = ByteBuffer.allocate(CBW_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    boolean isWhole = out.firstBytes() == CBW_BYTES;
    out.read(block);
    if (!isWhole || !isValid(block)) {
      state = State.LOST;
      return true;
    }
    tag = block.getInt(4);
    residueBytes = block.getInt(8) & 0xffff_ffffL;
    result = Result.GOOD;
    begin(
        commands.parse(block.slice(CBW_COMMAND, COMMAND_BYTES).order(ByteOrder.BIG_ENDIAN)),
        block.get(12) < 0);
    return true;
  }

  private static boolean isValid(ByteBuffer block) {
    int length = block.get(14);
    return block.getInt(0) == CBW_SIGNATURE
        && block.get(13) == 0 // the only unit
        && length >= 1
        && length <= COMMAND_BYTES;
  }

  /**
   * @param isIn whether the host expects data, if any goes
   */
  private void begin(Work work, boolean isIn) {
    if (work instanceof Reply reply && reply.data().hasRemaining()) {
      int bytes = (int) Math.min(reply.data().remaining(), residueBytes);
      outgoing = reply.data().duplicate().limit(bytes);
      leftBytes = 0;
      move(State.SENDING, bytes, true, isIn);
    } else if (work instanceof Read read) {
      outgoing = ByteBuffer.allocate(0);
      transfer(read.offsetBytes(), read.lengthBytes());
      move(State.SENDING, leftBytes, true, isIn);
    } else if (work instanceof Write write) {
      transfer(write.offsetBytes(), write.lengthBytes());
      buffer.clear();
      move(State.RECEIVING, leftBytes, false, isIn);
    } else if (work instanceof Flush) {
      flush(isIn);
    } else {
      end(work instanceof Refused ? Result.FAILED : Result.GOOD, isIn);
    }
  }

  private void transfer(long offset, long length) {
    offsetBytes = offset;
    leftBytes = length;
  }

  /** The host and the command have to agree about what goes where (bulk-only transport, 6.7). */
  private void move(State next, long bytes, boolean needsIn, boolean isIn) {
    if (bytes == 0) {
      end(Result.GOOD, isIn);
    } else if (bytes > residueBytes || needsIn != isIn) {
      end(Result.PHASE_ERROR, isIn);
    } else {
      state = next;
    }
  }

  /** No more data goes: what the host has still asked for ends with a halt. */
  private void end(Result how, boolean isIn) {
    result = how;
    state = State.STATUS;
    if (residueBytes > 0) {
      (isIn ? in : out).halt();
    }
  }

  private boolean send() {
    if (outgoing.hasRemaining()) {
      int before = outgoing.remaining();
      boolean all = in.write(outgoing);
      residueBytes -= before - outgoing.remaining();
      return all;
    }
    if (leftBytes > 0) {
      load();
      return false;
    }
    // Less than the host asked for: a short packet says so.
    if (residueBytes > 0 && !in.endTransfer()) {
      return false;
    }
    state = State.STATUS;
    return true;
  }

  private void load() {
    state = State.LOADING;
    buffer.clear().limit((int) Math.min(BUFFER_BYTES, leftBytes));
    ask(
        done -> storage.read(offsetBytes, buffer, done),
        outcome -> {
          if (outcome != Outcome.OK) {
            fail(Sense.READ_ERROR, true);
            return;
          }
          outgoing = buffer.duplicate();
          offsetBytes += outgoing.remaining();
          leftBytes -= outgoing.remaining();
          state = State.SENDING;
        });
  }

  private boolean receive() {
    buffer.limit((int) Math.min(BUFFER_BYTES, leftBytes));
    int before = buffer.position();
    out.read(buffer);
    residueBytes -= buffer.position() - before;
    if (buffer.hasRemaining()) {
      return false;
    }
    buffer.flip();
    state = State.STORING;
    ask(
        done -> storage.write(offsetBytes, buffer, done),
        outcome -> {
          if (outcome != Outcome.OK) {
            fail(outcome == Outcome.UNSUPPORTED ? Sense.READ_ONLY : Sense.WRITE_ERROR, false);
            return;
          }
          offsetBytes += buffer.limit();
          leftBytes -= buffer.limit();
          buffer.clear();
          if (leftBytes > 0) {
            state = State.RECEIVING;
          } else {
            end(Result.GOOD, false);
          }
        });
    return false;
  }

  private void flush(boolean isIn) {
    state = State.FLUSHING;
    ask(
        storage::flush,
        outcome -> {
          if (outcome == Outcome.OK) {
            end(Result.GOOD, isIn);
          } else {
            fail(Sense.WRITE_ERROR, isIn);
          }
        });
  }

  private void fail(Sense why, boolean isIn) {
    var unused = commands.failed(why);
    end(Result.FAILED, isIn);
  }

  private void ask(Consumer<Completion> question, Consumer<Outcome> answer) {
    storageBusy = true;
    int asked = resets;
    question.accept(
        outcome ->
            bus.enterLater(
                () -> {
                  storageBusy = false;
                  if (asked == resets) {
                    answer.accept(outcome);
                  }
                }));
  }

  private boolean status() {
    if (!in.isAwaited()) {
      return false;
    }
    ByteBuffer status = ByteBuffer.allocate(CSW_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    status.putInt(CSW_SIGNATURE).putInt(tag).putInt((int) residueBytes);
    status.put((byte) result.number);
    in.packet(status.array());
    commandsDone++;
    commandsFailed += result == Result.GOOD ? 0 : 1;
    state = State.COMMAND;
    return true;
  }

  private boolean lost() {
    in.halt();
    out.halt();
    return false;
  }

  @Override
  String summary() {
    return "%d commands, %d of them failed".formatted(commandsDone, commandsFailed);
  }

  @Override
  public void close() {
    storage.close();
  }
}
