package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.XenException;
import java.util.List;
import java.util.Optional;

/**
 * What a port has of the ring that its guest used at another host, from the take-over to the end of
 * the connection that follows.
 *
 * <pre>
 *                              +------next connection, none taken-----+
 *                              v                                      |
 *   NOTHING --inherit(mark)--> MARKED --connected, n > 0 orphans--> HARVESTED(n)
 *      ^                         |                                    |
 *      +--connected, and it-----+          next connection------------+
 *         resumes, none, lost
 * </pre>
 *
 * From a connection on nothing more comes onto the old ring; what its page is used for then is the
 * guest's.
 *
 * <p>A restarted process reads the text of it. It reads the old ring again only as long as no
 * answer was published on the new one: until then it is not known how many the process before has
 * taken, but by what that wrote down; afterwards all are.
 */
final class Inheritance {
  private static final int FIELDS_OF_A_MARK = 3;

  private final DeviceAddress address;
  private final ForeignMemory memory;
  private final GuestLog log;

  private Optional<RingMark> mark = Optional.empty();
  private OldRing old = OldRing.taken(0);
  private Optional<String> lost = Optional.empty();

  /**
   * @param recorded what {@link #text} was; empty for nothing
   */
  Inheritance(DeviceAddress address, ForeignMemory memory, GuestLog log, String recorded) {
    this.address = address;
    this.memory = memory;
    this.log = log;
    if (!recorded.isEmpty()) {
      read(recorded);
    }
  }

  private void read(String recorded) {
    try {
      List<String> fields = List.of(recorded.split(" ", -1));
      mark =
          Optional.of(
              new RingMark(
                  Long.parseUnsignedLong(fields.get(0), 16),
                  Integer.parseUnsignedInt(fields.get(1)),
                  Integer.parseUnsignedInt(fields.get(2))));
      if (fields.size() > FIELDS_OF_A_MARK) {
        old = OldRing.taken(Integer.parseUnsignedInt(fields.get(3)));
      }
    } catch (IndexOutOfBoundsException | NumberFormatException e) {
      throw new IllegalArgumentException(
          "old ring of %s: expected frame, req_cons, rsp_prod and a number, found \"%s\""
              .formatted(log.device(), recorded),
          e);
    }
  }

  /** For a node of ours: "10003 7 7" when marked, "10003 7 7 2" when two were harvested. */
  String text() {
    return mark.map(
            present ->
                "%s %s %s"
                    .formatted(
                        Long.toHexString(present.gfn()),
                        Integer.toUnsignedString(present.requestConsumer()),
                        Integer.toUnsignedString(present.responseProducer())))
        .map(text -> old.count() > 0 ? text + " " + old.count() : text)
        .orElse("");
  }

  void inherit(RingMark newMark) {
    mark = Optional.of(newMark);
    old = OldRing.taken(0);
  }

  /**
   * The frontend connects: what this connection inherits. Again the same when nothing of it was
   * taken by then.
   */
  OldRing connect(boolean resumes) {
    boolean isSpent = old.waiting() < old.count();
    if (resumes || isSpent) {
      mark = Optional.empty();
    }
    lost = Optional.empty();
    old = mark.map(this::harvest).orElse(OldRing.taken(0));
    if (old.count() > 0) {
      log.info("goes on with %d requests of the ring of before".formatted(old.count()));
    } else {
      mark = Optional.empty();
    }
    return old;
  }

  /** None when they are lost. */
  private OldRing harvest(RingMark present) {
    try {
      return OldRing.read(memory, address, present);
    } catch (RingBrokenException | XenException e) {
      lost =
          Optional.of(
              "what the guest asked for before it connected here is not served: %s; unplug the device and plug it in again"
                  .formatted(notAsExpected(present, e)));
      log.warn(lost.get());
      return OldRing.taken(0);
    }
  }

  private static String notAsExpected(RingMark mark, Exception why) {
    return "the ring of before (frame 0x%x) is not as expected: %s"
        .formatted(mark.gfn(), why.getMessage());
  }

  /**
   * This process goes on with a connection.
   *
   * @param answered whether any answer was published on it
   */
  OldRing reattach(boolean answered) {
    if (old.count() > 0 && !answered) {
      old = mark.map(present -> readAgain(present, old.count())).orElse(old);
    }
    return old;
  }

  /** How many there are is known, so that none of them may be missing. */
  private OldRing readAgain(RingMark present, int count) {
    try {
      OldRing read = OldRing.read(memory, address, present);
      if (read.count() != count) {
        throw new RingBrokenException(
            "%d requests are there, %d were before".formatted(read.count(), count));
      }
      return read;
    } catch (RingBrokenException | XenException e) {
      return OldRing.unreadable(count, notAsExpected(present, e));
    }
  }

  /** Where the guest's ring is as long as it has not connected here; empty from then on. */
  Optional<RingMark> mark() {
    return old.count() > 0 ? Optional.empty() : mark;
  }

  /** How many requests the present connection has inherited. */
  int harvested() {
    return old.count();
  }

  Optional<String> lost() {
    return lost;
  }
}
