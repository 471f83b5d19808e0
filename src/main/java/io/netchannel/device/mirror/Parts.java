package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;

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

  /** Results that are not looked at yet: keeps the stack flat. It publishes the two below. */
  private final AtomicInteger results = new AtomicInteger();

  private long submittedBytes;
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
    complete(Outcome.OK);
  }

  /** Goes on until all is done: in a loop, as a part may end before it was submitted. */
  @Override
  public void complete(Outcome of) {
    outcome = of;
    if (results.getAndIncrement() > 0) {
      return; // within the submission below: its loop goes on
    }
    do {
      if (outcome != Outcome.OK || submittedBytes == lengthBytes) {
        completion.complete(outcome);
        return;
      }
      long from = submittedBytes;
      long length = Math.min(partBytes, lengthBytes - from);
      submittedBytes += length;
      ByteBuffer part =
          data == null ? null : data.slice(data.position() + (int) from, (int) length);
      whole.submit(kind, offsetBytes + from, length, part, this);
    } while (results.decrementAndGet() > 0);
  }
}
