package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class JobReportTest {
  private static String line(Told told) throws CommandFailedException {
    String line = told.report().line();
    assertThat(line).startsWith("xvdb of web1: ").doesNotContain("\n");
    return line.substring("xvdb of web1: ".length());
  }

  @Test
  void copying() throws Exception {
    assertThat(line(Told.in("copying")))
        .isEqualTo("copying 41.3 of 96.0 GiB (43 %), 182 MiB/s, 5 min left");
  }

  @Test
  void aDiskThatCannotFollowItsGuest() throws Exception {
    Told told =
        Told.in("behind")
            .with("old", "netchannel://hosta/web1")
            .with("new", null)
            .with("reason", "this host has no pool fast");
    assertThat(line(told))
        .isEqualTo("stays at netchannel://hosta/web1: this host has no pool fast");
    assertThat(told.report().hasTrouble()).as("told below the table").isTrue();
  }

  @Test
  void copyingWithWhatIsNotKnown() throws Exception {
    assertThat(line(Told.in("copying").with("rateBytesPerSecond", null).with("secondsLeft", null)))
        .isEqualTo("copying 41.3 of 96.0 GiB (43 %)");
  }

  @Test
  void theGuestIsHeldUp() throws Exception {
    assertThat(line(Told.in("copying").with("throttled", true)))
        .endsWith("5 min left, the guest goes at the new disk's pace");
  }

  /** What the guest has written since is on its way, whatever the last region says. */
  @ParameterizedTest
  @ValueSource(
      strings = {"opening", "copying", "converging", "flushing", "paused", "aborted", "failed"})
  void neverAHundredPercentBeforeBothAreAlike(String state) throws Exception {
    Told told = Told.in(state).with("copiedBytes", Told.DATA_BYTES);
    assertThat(told.with("leftBytes", 1L).report().done()).isEqualTo("96.0 of 96.0 GiB (99 %)");
    assertThat(told.with("leftBytes", 0L).report().done()).isEqualTo("96.0 of 96.0 GiB (99 %)");
  }

  @ParameterizedTest
  @ValueSource(strings = {"verifying", "sync", "recording", "switched", "done"})
  void aHundredPercentWhenTheyAre(String state) throws Exception {
    Told told = Told.in(state).with("copiedBytes", Told.DATA_BYTES).with("leftBytes", 0L);
    assertThat(told.report().done()).isEqualTo("96.0 of 96.0 GiB (100 %)");
  }

  /** All of the disk is read, zeros too. */
  @Test
  void verifying() throws Exception {
    Told told =
        Told.in("verifying").with("leftBytes", 0L).with("verify", true).with("verifiedBytes", 0L);
    assertThat(line(told)).isEqualTo("verifying 0.0 of 128.0 GiB (0 %), 182 MiB/s, 5 min left");
    assertThat(line(told.with("verifiedBytes", 55L << 30)))
        .startsWith("verifying 55.0 of 128.0 GiB (42 %), ");
    assertThat(told.report().toDoBytes()).hasValue(73L << 30);
  }

  /** Zeros are no part of it: the total shrinks as they are found. */
  @Test
  void aDiskOfZeros() throws Exception {
    Told told = Told.in("copying").with("copiedBytes", 0L).with("leftBytes", 0L);
    assertThat(line(told)).startsWith("copying 0 B, nothing found to copy yet");
  }

  @Test
  void theStatesBetween() throws Exception {
    assertThat(line(Told.in("opening"))).isEqualTo("opening file:/dev/vg1/web1");
    assertThat(line(Told.in("converging"))).startsWith("nearly in sync, 41.3 of");
    assertThat(line(Told.in("flushing"))).isEqualTo("nearly in sync, flushing file:/dev/vg1/web1");
    assertThat(line(Told.in("sync"))).isEqualTo("in sync");
    assertThat(line(Told.in("sync").with("pivot", "manual")))
        .isEqualTo("in sync; 'netchannel job web1 xvdb --pivot' switches to file:/dev/vg1/web1");
    assertThat(line(Told.in("recording"))).isEqualTo("in sync, switching to file:/dev/vg1/web1");
    assertThat(line(Told.in("paused").with("reason", "no room")))
        .isEqualTo("paused at 41.3 of 96.0 GiB (43 %): no room");
  }

  @Test
  void theEndSaysWhichIsTheDisk() throws Exception {
    assertThat(line(Told.in("aborted"))).isEqualTo("aborted; file:/dev/vg0/web1 is the disk");
    assertThat(line(Told.in("failed").with("reason", "they differ at 4096")))
        .isEqualTo("failed: they differ at 4096; file:/dev/vg0/web1 is the disk");
  }

  private static final String SWITCHED =
      "in sync, switched after 9 min 12 s; no write waited longer than 4 ms; ";

  @Test
  void switched() throws Exception {
    assertThat(line(Told.done())).isEqualTo(SWITCHED + "the XML names file:/dev/vg1/web1 now");
    assertThat(line(Told.done().with("state", "switched"))).isEqualTo(line(Told.done()));
    assertThat(line(Told.done().with("reason", "file:/dev/vg0/web1 failed")))
        .startsWith("in sync, switched after 9 min 12 s (file:/dev/vg0/web1 failed); no write");
  }

  @Test
  void whatBecameOfTheXml() throws Exception {
    assertThat(line(Told.done().xml("written", "none")))
        .endsWith("XML names file:/dev/vg1/web1 now");
    assertThat(line(Told.done().xml("none", "none"))).isEqualTo(SWITCHED + "no XML names the disk");
    assertThat(line(Told.done().xml("waits", "written").with("metadataProblem", "no libvirtd")))
        .isEqualTo(
            SWITCHED
                + "the XML does not name file:/dev/vg1/web1 yet, tried again until it does: no"
                + " libvirtd");
    assertThat(line(Told.done().xml("written", "other").with("metadataProblem", "it names X now")))
        .isEqualTo(SWITCHED + "an XML was left as it is: it names X now");
  }

  @Test
  void theRestIsForThoseWhoAsk() throws Exception {
    StringWriter out = new StringWriter();
    Told.in("copying")
        .with("bandwidth", 50L << 20)
        .with("metadataProblem", "live: no libvirtd")
        .report()
        .print(new PrintWriter(out, true));
    assertThat(out.toString().lines())
        .contains(
            " old:           file:/dev/vg0/web1",
            " new:           file:/dev/vg1/web1",
            " size:          128.0 GiB",
            " zeros:         32.0 GiB, not written as data",
            " verified:      not asked for",
            " stale copies:  7",
            " held writes:   3",
            " longest write: 4 ms",
            " bandwidth:     50 MiB/s",
            " switched:      -",
            " live XML:      none",
            " XML problem:   live: no libvirtd");
  }

  @Test
  void whatAnotherVersionTellsIsNotGuessed() {
    for (Object told :
        List.of(
            "text",
            Told.in("melting").json(),
            Told.in("done").xml("gone", "none").json(),
            Map.of("state", "done"))) {
      assertThatThrownBy(() -> new JobReport(told))
          .isInstanceOf(CommandFailedException.class)
          .hasMessageContaining("is it of another version?");
    }
  }
}
