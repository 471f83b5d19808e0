package io.netchannel.midpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

final class PendingTableTest {
  private final CompletionQueue completions = new CompletionQueue();
  private final BufferLease buffers = new BufferBudget(1 << 20).lease("guest", 1 << 20, () -> {});
  private int wakes;
  private final PendingTable table = new PendingTable(2, buffers, completions, () -> wakes++);

  private PendingRequest adopt(long sequence) {
    return table.adopt(
        new Manifest.Entry(
            sequence,
            1,
            BlockOperation.READ,
            0,
            512,
            Manifest.State.UNISSUED,
            ByteBuffer.allocate(0)));
  }

  @Test
  void aRequestThatIsHeldOrAtTheDeviceCannotBeForgotten() {
    PendingRequest request = adopt(7);
    assertThatIllegalStateException()
        .isThrownBy(() -> table.release(request, Fate.SETTLED))
        .withMessageContaining("request 7 would be lost");
    table.issued(request);
    for (Fate fate : Fate.values()) {
      assertThatIllegalStateException().isThrownBy(() -> table.release(request, fate));
    }
    assertThatIllegalStateException().isThrownBy(() -> table.releaseBuffer(request));
    table.done(request, Outcome.OK);
    assertThatIllegalStateException().isThrownBy(() -> table.release(request, Fate.SEEN));
    table.release(request, Fate.SETTLED);
    assertThat(table.freeCount()).isEqualTo(2);
    assertThatIllegalStateException().isThrownBy(() -> table.release(request, Fate.SETTLED));
  }

  @Test
  void anAnswerThatIsNotVisibleCannotBeForgotten() {
    PendingRequest request = adopt(1);
    table.done(request, Outcome.OK);
    table.answered(request);
    assertThatIllegalStateException().isThrownBy(() -> table.release(request, Fate.GIVEN_UP));
    assertThat(table.unseenCount()).isZero();
    table.published();
    assertThat(table.unseenCount()).isEqualTo(1);
    table.release(request, Fate.GIVEN_UP);
    assertThat(table.all()).isEmpty();
  }

  @Test
  void aSecondCompletionChangesNothing() {
    PendingRequest request = adopt(1);
    table.issued(request);
    request.leaveForDevice();
    request.complete(Outcome.OK);
    request.complete(Outcome.IO_ERROR);
    assertThat(completions.takeAll()).isSameAs(request);
    assertThat(completions.takeAll()).isNull();
    assertThat(request.outcome).isEqualTo(Outcome.OK);
    assertThat(wakes).isEqualTo(1);
  }

  @Test
  void completionsKeepTheirOrder() {
    PendingRequest first = adopt(1);
    PendingRequest second = adopt(2);
    assertThat(table.hasFree()).isFalse();
    completions.push(first);
    completions.push(second);
    assertThat(completions.takeAll()).isSameAs(first);
    assertThat(first.nextCompleted).isSameAs(second);
    assertThat(second.nextCompleted).isNull();
  }
}
