package io.netchannel.server;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Status;
import io.netty.buffer.ByteBuf;

/** Of a request to a disk. */
final class DiskSlot extends Slot implements Completion {
  private final DiskSession session;

  FrameType type = FrameType.FLUSH;
  Status status = Status.OK;

  /** Where the request goes; null when the client may not have it. */
  Device at;

  DiskSlot(DiskSession session, int number) {
    super(number);
    this.session = session;
  }

  @Override
  public void complete(Outcome outcome) {
    session.completed(
        this,
        switch (outcome) {
          case OK -> Status.OK;
          case IO_ERROR -> Status.IO_ERROR;
          case NO_SPACE -> Status.NO_SPACE;
          case UNSUPPORTED -> Status.UNSUPPORTED;
        });
  }

  /** A read is just done again. */
  @Override
  boolean isKept() {
    return type.isKept();
  }

  @Override
  Fate fate() {
    return Fate.done(status);
  }

  /** The fate says all. */
  @Override
  boolean isRepliedAgain() {
    return false;
  }

  @Override
  void keep() {
    releaseData();
  }

  @Override
  ByteBuf reply(FrameHeader header) {
    ByteBuf answer = data;
    data = null;
    boolean answers = type == FrameType.READ || type == FrameType.EXTENTS;
    boolean carries = answers && status == Status.OK;
    if (!carries && answer != null) {
      answer.release();
      answer = null;
    }
    header.reply(status, number, sequence, carries ? answer.readableBytes() : 0);
    return answer;
  }
}
