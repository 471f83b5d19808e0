package io.netchannel.vdevice;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Index arithmetic and notification rules of io/ring.h. */
final class BackRingTest {
  private static final int SLOT_BYTES = 112;
  private final ByteBuffer memory =
      ByteBuffer.allocateDirect(8192)
          .alignedSlice(4096)
          .slice(0, 4096)
          .order(ByteOrder.LITTLE_ENDIAN);
  private final ByteBuffer slot = ByteBuffer.allocate(SLOT_BYTES);

  private void set(int offset, int value) {
    SharedRing.writeIndex(memory, offset, value);
  }

  private int get(int offset) {
    return SharedRing.readIndex(memory, offset);
  }

  @ParameterizedTest
  @CsvSource({"4096,112,32", "4096,108,32", "8192,112,64", "16384,112,128", "65536,112,512"})
  void aRingHasAPowerOfTwoSlots(int memoryBytes, int slotBytes, int slots) {
    assertThat(SharedRing.slots(memoryBytes, slotBytes)).isEqualTo(slots);
  }

  /** Also where the 32 bits wrap. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1000, Integer.MAX_VALUE - 1, -2})
  void requestsGoOutAndResponsesBackAcrossTheWrap(int start) throws RingBrokenException {
    set(SharedRing.REQ_PROD_OFFSET, start);
    set(SharedRing.RSP_EVENT_OFFSET, start + 1);
    BackRing ring = BackRing.attach(memory, SLOT_BYTES, start, 0);
    for (int i = 0; i < 100; i++) {
      int position = SharedRing.HEADER_BYTES + ((start + i) & 31) * SLOT_BYTES;
      memory.putInt(position, i);
      set(SharedRing.REQ_PROD_OFFSET, start + i + 1);
      assertThat(ring.waiting()).isEqualTo(1);
      ring.take(slot);
      assertThat(slot.order(ByteOrder.LITTLE_ENDIAN).getInt(0)).isEqualTo(i);
      assertThat(ring.finalCheckForRequests()).isFalse();
      assertThat(get(SharedRing.REQ_EVENT_OFFSET)).isEqualTo(start + i + 2);
      assertThat(ring.responseOffset()).isEqualTo(position);
      assertThat(ring.responded()).isEqualTo(start + i);
      assertThat(get(SharedRing.RSP_PROD_OFFSET)).as("not visible yet").isNotEqualTo(start + i + 1);
      set(SharedRing.RSP_EVENT_OFFSET, start + i + 1);
      assertThat(ring.push()).as("the frontend waits for this one").isTrue();
      assertThat(get(SharedRing.RSP_PROD_OFFSET)).isEqualTo(start + i + 1);
      assertThat(ring.push()).as("nothing new").isFalse();
    }
  }

  @ParameterizedTest
  @CsvSource({"1,true", "3,true", "4,false", "0,false", "-5,false"})
  void notifiesWhereTheFrontendAskedForIt(int event, boolean expected) throws RingBrokenException {
    set(SharedRing.REQ_PROD_OFFSET, 3);
    set(SharedRing.RSP_EVENT_OFFSET, event);
    BackRing ring = BackRing.attach(memory, SLOT_BYTES, 0, 3);
    ring.responded();
    ring.responded();
    ring.responded();
    assertThat(ring.push()).isEqualTo(expected);
  }

  @Test
  void theFinalCheckSeesWhatCameMeanwhile() throws RingBrokenException {
    BackRing ring = new BackRing(memory, SLOT_BYTES);
    set(SharedRing.REQ_PROD_OFFSET, 1);
    assertThat(ring.finalCheckForRequests()).isTrue();
    assertThat(get(SharedRing.REQ_EVENT_OFFSET)).as("no notification wanted").isZero();
  }

  @ParameterizedTest
  @CsvSource({"0,33,0", "0,0,1", "10,5,0", "10,43,0", "10,42,33"})
  void attachingToIndexesThatCannotBeIsRefused(int answered, int produced, int unanswered) {
    set(SharedRing.REQ_PROD_OFFSET, produced);
    assertThatThrownBy(() -> BackRing.attach(memory, SLOT_BYTES, answered, unanswered))
        .isInstanceOf(RingBrokenException.class)
        .hasMessageContaining("ring of 32 slots");
  }

  @Test
  void aFullRingIsNotBroken() throws RingBrokenException {
    BackRing ring = new BackRing(memory, SLOT_BYTES);
    set(SharedRing.REQ_PROD_OFFSET, 32);
    assertThat(ring.waiting()).isEqualTo(32);
    set(SharedRing.REQ_PROD_OFFSET, 33);
    assertThatThrownBy(ring::waiting).isInstanceOf(RingBrokenException.class);
  }
}
