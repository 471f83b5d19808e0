package io.netchannel.device.remote;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import io.netchannel.wire.Attach.Unanswered;
import io.netchannel.wire.Attached;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.AttachedDisk;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Status;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The names of what a device leaves at its server, over one connection after the other. */
final class RequestQueueTest {
  private static final int WRITES = 3;

  private final RequestQueue<DiskRequest> queue = new RequestQueue<>(1);

  @BeforeEach
  void attach() {
    attach(WRITES);
    IntStream.range(0, WRITES).forEach(i -> queue.add(write()));
  }

  @Test
  void whatWasLeftIsAskedForAlsoWhenItIsKnown() {
    List<DiskRequest> sent = send(WRITES);
    ImmutableList<Unanswered> left = leave();
    queue.answered(sent.get(0));
    queue.answered(sent.get(2));
    assertThat(queue.list()).isEqualTo(left);
  }

  @Test
  void whoGoesOnItselfAsksForWhatItDoesNotKnow() {
    List<DiskRequest> sent = send(WRITES);
    ImmutableList<Unanswered> left = leave();
    queue.answered(sent.get(0));
    queue.use(2);
    assertThat(queue.list()).isEqualTo(left.subList(1, WRITES));
  }

  /** Nobody would take the replies of what runs there. */
  @Test
  void whoHasGivenUpAsksForNothing() {
    send(WRITES);
    leave();
    queue.removeAll();
    assertThat(queue.list()).isEmpty();
  }

  @Test
  void whatIsSentAgainHasTheNameThatItWasLeftUnder() {
    List<DiskRequest> sent = send(WRITES);
    queue.answered(sent.get(0));
    ImmutableList<Unanswered> left = leave();
    queue.list();
    attach(WRITES, Fate.UNKNOWN, Fate.UNKNOWN);
    send(2);
    assertThat(leave()).isEqualTo(left);
  }

  /** In another slot, as the server has fewer now: no sequence number is asked for twice. */
  @Test
  void whatHasAnotherSlotIsAskedForThere() {
    send(WRITES);
    ImmutableList<Unanswered> left = leave();
    queue.list();
    attach(1, Fate.UNKNOWN, Fate.UNKNOWN, Fate.UNKNOWN);
    queue.answered(send(1).get(0));
    send(1);
    assertThat(queue.list())
        .containsExactly(new Unanswered(0, left.get(1).sequence()), left.get(2));
  }

  private void attach(int slots, Fate... fates) {
    Attached attached =
        new Attached(
            new AttachedDisk(
                new UUID(1, 1),
                new UUID(1, 1),
                new AttachedDisk.Geometry(1 << 20, 512, 512, false, true, false, 0, false)),
            new Attached.Window(slots, 1 << 20),
            1,
            ImmutableList.copyOf(fates));
    queue.attached(
        attached,
        new RequestQueue.Fates<>() {
          @Override
          public void done(DiskRequest request, Status status) {}

          @Override
          public void lost(DiskRequest request) {}

          @Override
          public boolean isSentAgain(DiskRequest request) {
            return true;
          }
        });
  }

  private static DiskRequest write() {
    DiskRequest write = new DiskRequest();
    write.type = FrameType.WRITE;
    write.lengthBytes = 512;
    return write;
  }

  private List<DiskRequest> send(int count) {
    return IntStream.range(0, count).mapToObj(i -> queue.next()).toList();
  }

  private ImmutableList<Unanswered> leave() {
    return queue.leave(DiskRequest::writes).stream()
        .map(write -> new Unanswered(write.slot, write.sequence))
        .collect(ImmutableList.toImmutableList());
  }
}
