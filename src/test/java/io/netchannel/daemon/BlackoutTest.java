package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.coordinator.Migrations.Entry;
import io.netchannel.coordinator.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a guest noticed, from the words of timelines. */
final class BlackoutTest {
  private static final Instant T = Instant.parse("2026-01-01T00:00:00Z");

  private static Entry line(long millis, String host, Phase phase, String detail) {
    return new Entry(phase, T.plusMillis(millis), Duration.ZERO, host, detail);
  }

  private static List<String> marks(Blackout blackout) {
    return blackout.marks().stream()
        .map(mark -> mark.event() + " " + mark.host() + " " + mark.after().toMillis())
        .toList();
  }

  @Test
  void fromTheSuspendUntilTheLastDiskHasAnsweredAllThatWasPending() {
    Blackout blackout =
        Blackout.of(
                List.of(
                    line(0, "b", Phase.PREPARE, ""),
                    line(100, "a", Phase.PRECOPY, "guest suspended"),
                    line(101, "a", Phase.SEAL, "seal begins"),
                    line(250, "b", Phase.RESUME, "hook answered, the guest may run"),
                    line(300, "b", Phase.RESUME, "xvdb connected"),
                    line(301, "b", Phase.RESUME, "xvdb first request"),
                    line(302, "b", Phase.RESUME, "xvdc connected"),
                    line(303, "b", Phase.RESUME, "xvdc first request"),
                    line(310, "b", Phase.RESUME, "xvdb all pending answered"),
                    line(320, "b", Phase.RESUME, "xvdc all pending answered"),
                    line(400, "a", Phase.COMMIT, "its domain ended on a")))
            .orElseThrow();
    assertThat(blackout.begin().detail()).isEqualTo("guest suspended");
    assertThat(marks(blackout))
        .containsExactly(
            "hook answered b 150",
            "first request b 201",
            "connected b 202",
            "all pending answered b 220");
  }

  @Test
  void withoutNotesFromTheSealAndOnlyWhatIsKnown() {
    Blackout aborted =
        Blackout.of(
                List.of(
                    line(0, "b", Phase.PREPARE, ""),
                    line(100, "b", Phase.SEAL, "domain restored and paused"),
                    line(180, "a", Phase.ABORT, "bound passed")))
            .orElseThrow();
    assertThat(aborted.begin().phase()).isEqualTo(Phase.SEAL);
    assertThat(marks(aborted)).containsExactly("aborted a 80");
  }

  @Test
  void noneWhenTheGuestWasNeverStopped() {
    assertThat(
            Blackout.of(
                List.of(line(0, "b", Phase.PREPARE, ""), line(9, "b", Phase.ABORT, "refused"))))
        .isEmpty();
  }
}
