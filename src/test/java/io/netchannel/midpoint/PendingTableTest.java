package io.netchannel.midpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.PendingTable.Fate;
import org.junit.jupiter.api.Test;

final class PendingTableTest {
  private final BufferLease buffers = new BufferBudget(1 << 20).lease("guest", 1 << 20, () -> {});
  private int wakes;
  private final PendingTable<TestRequest, Entry> table =
      new PendingTable<>(2, buffers, () -> wakes++, Entry::new);

  private Entry adopt(long sequence) {
    Entry entry = table.newEntry();
    entry.become(null, sequence, 1, -1);
    return table.hold(entry);
  }

  @Test
  void aRequestThatIsHeldOrAtTheDeviceCannotBeForgotten() {
    Entry request = adopt(7);
    assertThatIllegalStateException()
        .isThrownBy(() -> table.release(request, Fate.SETTLED))
        .withMessageContaining("request 7 would be lost");
    table.issued(request);
    for (Fate fate : Fate.values()) {
      assertThatIllegalStateException().isThrownBy(() -> table.release(request, fate));
    }
    assertThatIllegalStateException().isThrownBy(() -> table.releaseBuffer(request));
    table.done(request);
    assertThatIllegalStateException().isThrownBy(() -> table.release(request, Fate.SEEN));
    table.release(request, Fate.SETTLED);
    assertThat(table.freeCount()).isEqualTo(2);
    assertThatIllegalStateException().isThrownBy(() -> table.release(request, Fate.SETTLED));
  }

  @Test
  void anAnswerThatIsNotVisibleCannotBeForgotten() {
    Entry request = adopt(1);
    table.done(request);
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
    Entry request = adopt(1);
    table.issued(request);
    request.leaveForDevice();
    request.complete("first");
    request.complete("second");
    assertThat(table.takeCompleted()).isSameAs(request);
    assertThat(table.takeCompleted()).isNull();
    assertThat(request.outcome).isEqualTo("first");
    assertThat(wakes).isEqualTo(1);
  }

  @Test
  void completionsKeepTheirOrder() {
    Entry first = adopt(1);
    Entry second = adopt(2);
    assertThat(table.hasFree()).isFalse();
    table.completed(first);
    table.completed(second);
    assertThat(table.takeCompleted()).isSameAs(first);
    assertThat(first.nextCompleted).isSameAs(second);
    assertThat(second.nextCompleted).isNull();
  }

  private static final class Entry extends PendingRequest<TestRequest, Entry> {
    private final PendingTable<TestRequest, Entry> table;
    private String outcome = "";

    Entry(PendingTable<TestRequest, Entry> table) {
      this.table = table;
    }

    void complete(String result) {
      if (leaveDevice(result)) {
        outcome = result;
        table.completed(this);
      }
    }

    @Override
    protected void read(TestRequest taken) {}

    @Override
    protected long bufferBytes() {
      return 0;
    }

    @Override
    public void describe(MidPointTrace trace) {}
  }
}
