package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import java.nio.ByteBuffer;

/**
 * A request that is too long for one: its parts, one after the other. The first that does not end
 * well is its outcome, and its last.
 *
 * <pre>
 *   submitting a part --it has ended meanwhile--> the next one, without going deeper
 *          |
 *          +--not yet--> waiting --it ends--> submitting the next one
 * </pre>
 */
final class Parts implements Completion {
  /** The mirror, for what fits. */
  @FunctionalInterface
  interface Whole {
    void submit(
        Kind kind, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion);
  }

  private final Whole whole;
  private final Kind kind;
  private final long offsetBytes;
  private final long lengthBytes;
  private final long partBytes;
  private final ByteBuffer data;
  private final Completion completion;

  // Guarded by this.
  private long done;

  /** Whether a part is being submitted: what ends meanwhile is gone on with by who submits. */
  private boolean submitting;

  private boolean ended;
  private Outcome outcome = Outcome.OK;

  /**
   * A request of more than one part.
   *
   * @param data null for one without
   */
  Parts(
      Whole whole,
      Kind kind,
      long offsetBytes,
      long lengthBytes,
      long partBytes,
      ByteBuffer data,
      Completion completion) {
    this.whole = whole;
    this.kind = kind;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.partBytes = partBytes;
    this.data = data;
    this.completion = completion;
  }

  void begin() {
    boolean over = false;
    boolean goesOn = true;
    while (goesOn && !over) {
      submitNext();
      synchronized (this) {
        // Decided at once: from then on what has not ended is gone on with by its completion.
        submitting = false;
        goesOn = ended;
        over = ended && isOver();
      }
    }
    if (over) {
      completion.complete(outcome);
    }
  }

  private void submitNext() {
    long from;
    synchronized (this) {
      submitting = true;
      ended = false;
      from = done;
    }
    long length = Math.min(partBytes, lengthBytes - from);
    ByteBuffer part = data == null ? null : data.slice(data.position() + (int) from, (int) length);
    whole.submit(kind, offsetBytes + from, length, part, this);
  }

  @Override
  public void complete(Outcome of) {
    boolean over;
    synchronized (this) {
      outcome = of;
      done += partBytes;
      ended = true;
      if (submitting) {
        return;
      }
      over = isOver();
    }
    if (over) {
      completion.complete(of);
    } else {
      begin();
    }
  }

  private boolean isOver() {
    return outcome != Outcome.OK || done >= lengthBytes;
  }
}
