package io.netchannel.server;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Status;
import io.netty.buffer.ByteBuf;

/**
 * One request of a session and, afterwards, its outcome until the client uses the slot again. All
 * fields are guarded by the session. Used again and again: a request makes no object here.
 */
final class Slot implements Completion {
  enum State {
    FREE,
    /** At the device. */
    RUNNING,
    /** The device is done; the outcome is kept. */
    FINISHED
  }

  final int number;
  private final Session session;

  State state = State.FREE;
  FrameType type = FrameType.FLUSH;
  long sequence;
  Status status = Status.OK;

  /** What is written or was read; null when the request has none, or it has been given on. */
  ByteBuf data;

  /** What the request has of its client's window. */
  int windowBytes;

  /** Its reply waits for the connection's event loop; until then the slot is not free. */
  boolean queued;

  /** An ATTACH waits for it. */
  boolean awaited;

  /** The client does not care for it any more: nothing of it is kept. */
  boolean orphan;

  Slot(Session session, int number) {
    this.session = session;
    this.number = number;
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

  /** Whether its outcome matters after a lost connection; a read is just done again. */
  boolean isKept() {
    return type.isKept();
  }

  void releaseData() {
    if (data != null) {
      data.release();
      data = null;
    }
  }

  void free() {
    releaseData();
    state = State.FREE;
    orphan = false;
  }
}
