package io.netchannel.server;

import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameHeader;
import io.netty.buffer.ByteBuf;

/**
 * One request of a session and, afterwards, its outcome until the client uses the slot again. All
 * fields are guarded by the session. Used again and again: a request makes no object here.
 */
abstract class Slot {
  enum State {
    FREE,
    /** At the device. */
    RUNNING,
    /** The device is done; the outcome is kept. */
    FINISHED
  }

  final int number;

  State state = State.FREE;
  long sequence;

  /** What goes to the device or came from it; null when there is none, or it has been given on. */
  ByteBuf data;

  /** What the request has of its client's window. */
  int windowBytes;

  /** Its reply waits for the connection's event loop; until then the slot is not free. */
  boolean queued;

  /** An ATTACH waits for it. */
  boolean awaited;

  /** The client does not care for it any more: nothing of it is kept. */
  boolean orphan;

  Slot(int number) {
    this.number = number;
  }

  /** Whether its outcome matters after a lost connection. */
  abstract boolean isKept();

  /** Of one that is finished: what a client is told that asks. */
  abstract Fate fate();

  /** Of one that is finished: whether who asks for its fate gets its reply once more. */
  abstract boolean isRepliedAgain();

  /** Of one that is finished: lets go of the data that nobody can ask for any more. */
  abstract void keep();

  /**
   * Of one that is finished: its reply.
   *
   * @param header is filled
   * @return the payload, which is the caller's; null for none
   */
  abstract ByteBuf reply(FrameHeader header);

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
