package io.netchannel.coordinator.peer;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.PeerMessages.CarriedJob;
import org.junit.jupiter.api.Test;

final class PeerCodecTest {
  private static CarriedJob job(boolean verifies) {
    return new CarriedJob(
        "xvda",
        "netchannel://hostc/a",
        true,
        new DiskJob.Settings(true, true, verifies, false, 0),
        false);
  }

  private static boolean isPaused(boolean verifies, boolean knowsVerifies) {
    return PeerCodec.toProto(job(verifies), knowsVerifies).getPaused();
  }

  /** It would switch to what nobody has compared. */
  @Test
  void whatVerifiesWaitsAtADestinationThatDoesNot() {
    assertThat(isPaused(true, false)).isTrue();
    assertThat(isPaused(true, true)).isFalse();
    assertThat(isPaused(false, false)).isFalse();
  }
}
