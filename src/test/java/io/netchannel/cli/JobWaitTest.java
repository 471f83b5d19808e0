package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.cli.JobWait.Ended;
import io.netchannel.cli.JobWait.Goal;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The clock goes only while it waits. */
final class JobWaitTest {
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  private final StringWriter out = new StringWriter();
  private final List<Map<String, Object>> asked = new ArrayList<>();
  private long now;

  /** What the daemon tells at a moment. */
  @FunctionalInterface
  private interface Script {
    Told at(long seconds) throws CommandFailedException;
  }

  private Ended run(Goal goal, Script script) throws Exception {
    JobWait waiting =
        new JobWait(
            request -> {
              asked.add(request);
              return script.at(seconds()).json();
            },
            goal,
            PATIENCE,
            new ProgressLine(new PrintWriter(out), false, () -> now),
            () -> now,
            time -> now += time.toNanos());
    return waiting.from(Told.in("opening").report());
  }

  private long seconds() {
    return Duration.ofNanos(now).toSeconds();
  }

  /** One after the other; the last one for ever. */
  private Ended run(Goal goal, Told... told) throws Exception {
    List<Told> all = new ArrayList<>(Arrays.asList(told));
    return run(goal, seconds -> all.size() > 1 ? all.remove(0) : all.get(0));
  }

  @Test
  void untilItIsSwitched() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            Told.in("copying"),
            Told.in("converging"),
            Told.in("flushing"),
            Told.in("verifying").with("verifiedBytes", 0L),
            Told.in("sync"),
            Told.in("recording"),
            Told.done());
    assertThat(ended.problem()).isEmpty();
    assertThat(ended.job().state()).isEqualTo(JobReport.State.DONE);
    assertThat(asked)
        .allSatisfy(
            request ->
                assertThat(request)
                    .isEqualTo(
                        Map.of(
                            "command", "job",
                            "domain", "web1",
                            "target", "xvdb",
                            "action", "show")));
    assertThat(out.toString().lines()).hasSize(7).last().asString().contains("switching to");
  }

  /** The old device's storage may take for ever to be closed; the guest does not wait for it. */
  @Test
  void doesNotWaitForTheOldDevice() throws Exception {
    Ended ended = run(Goal.SWITCHED, Told.done().with("state", "switched"));
    assertThat(ended.problem()).isEmpty();
    assertThat(seconds()).isZero();
  }

  @Test
  void waitsAMomentForTheXml() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds -> seconds < 3 ? Told.done().xml("waits", "written") : Told.done());
    assertThat(ended.job().isXmlSettled()).isTrue();
    assertThat(seconds()).isEqualTo(3);
  }

  @Test
  void doesNotWaitForLibvirtForLong() throws Exception {
    Ended ended = run(Goal.SWITCHED, Told.done().xml("waits", "waits"));
    assertThat(ended.problem()).isEmpty();
    assertThat(ended.job().isXmlSettled()).isFalse();
    assertThat(seconds()).isEqualTo(10);
  }

  @Test
  void inSyncIsTheGoalWhereSomebodySaysWhen() throws Exception {
    Ended ended = run(Goal.IN_SYNC, Told.in("copying"), Told.in("sync").with("pivot", "manual"));
    assertThat(ended.problem()).isEmpty();
    assertThat(ended.job().line()).contains("--pivot");
    assertThat(run(Goal.IN_SYNC, Told.done()).problem()).as("somebody said it").isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"aborted", "failed"})
  void anotherEndIsAProblem(String state) throws Exception {
    Ended ended = run(Goal.SWITCHED, Told.in(state).with("reason", "somebody said so"));
    assertThat(ended.problem().orElseThrow())
        .isEqualTo(
            "xvdb of web1: %s: somebody said so; file:/dev/vg0/web1 is the disk".formatted(state));
  }

  @Test
  void abortedMayBeTheGoal() throws Exception {
    assertThat(run(Goal.ABORTED, Told.in("copying"), Told.in("aborted")).problem()).isEmpty();
    assertThat(run(Goal.ABORTED, Told.done()).problem().orElseThrow()).contains("switched after");
    assertThat(run(Goal.ABORTED, Told.in("failed")).problem()).isPresent();
  }

  @Test
  void aPauseIsBorneForAWhile() throws Exception {
    Ended ended = run(Goal.SWITCHED, Told.in("paused").with("reason", "no room"));
    assertThat(ended.problem().orElseThrow())
        .contains("paused at 41.3 of 96.0 GiB (43 %): no room; nothing was gained for 5 min")
        .contains("'netchannel job web1 xvdb --resume'");
    assertThat(seconds()).isEqualTo(300);
  }

  /** An abort would be refused, and nothing is tried. */
  @Test
  void aPauseThatTheOtherHostIsToEndHasNoOtherWayOut() throws Exception {
    Ended ended = run(Goal.IN_SYNC, Told.in("paused").with("given", true));
    assertThat(ended.problem().orElseThrow())
        .endsWith(
            "whether xvdb is file:/dev/vg1/web1 by now the other host has not said: 'netchannel"
                + " migrations'");
  }

  @Test
  void aPauseMayEnd() throws Exception {
    Ended ended = run(Goal.SWITCHED, seconds -> seconds < 299 ? Told.in("paused") : Told.done());
    assertThat(ended.problem()).isEmpty();
  }

  /** It goes on for a moment each time, until the first write that finds no room. */
  @Test
  void triedInVainIsNoProgress() throws Exception {
    Ended ended = run(Goal.SWITCHED, seconds -> Told.in(seconds % 20 < 2 ? "copying" : "paused"));
    assertThat(ended.problem()).isPresent();
    assertThat(seconds()).isBetween(300L, 305L);
  }

  /** A bad line between hosts, but it gets on. */
  @Test
  void progressBetweenPausesIsProgress() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds ->
                seconds > 2_000
                    ? Told.done()
                    : Told.in(seconds % 20 < 2 ? "copying" : "paused")
                        .with("leftBytes", (3_000 - seconds) << 20));
    assertThat(ended.problem()).isEmpty();
  }

  /** Nobody knows what is left before the new device is open. */
  @Test
  void whatIsNotKnownYetIsNoProgressThatNothingBetters() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds ->
                seconds > 2_000
                    ? Told.done()
                    : seconds < 2
                        ? Told.in("paused").with("leftBytes", null)
                        : Told.in(seconds % 20 < 2 ? "copying" : "paused")
                            .with("leftBytes", (3_000 - seconds) << 20));
    assertThat(ended.problem()).isEmpty();
  }

  /** It is paused for a moment now and then; the guest writes more than is copied in between. */
  @Test
  void whatCopiesIsNotStuckAlthoughMoreIsLeft() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds ->
                seconds > 2_000
                    ? Told.done()
                    : Told.in(seconds % 20 < 2 ? "paused" : "copying")
                        .with("leftBytes", (3_000 + seconds) << 20)
                        .with("copiedBytes", seconds << 24));
    assertThat(ended.problem()).isEmpty();
  }

  /** All is copied, the target fails its flush, and all is to be copied again. */
  @Test
  void whatIsCopiedAgainAndAgainIsStuck() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds ->
                Told.in(seconds % 20 < 10 ? "copying" : "paused")
                    .with("leftBytes", (20 - seconds % 20) << 20)
                    .with("copiedBytes", Math.min(seconds % 20, 10) << 20));
    assertThat(ended.problem()).isPresent();
    assertThat(seconds()).isBetween(590L, 700L);
  }

  /** Both are copied, but what is read gets on no more than what is written did. */
  @Test
  void verifiedIsProgressAndTriedInVainIsNone() throws Exception {
    assertThat(run(Goal.IN_SYNC, seconds -> verifies(seconds, seconds / 20)).problem()).isEmpty();
    long ended = seconds();
    assertThat(run(Goal.IN_SYNC, seconds -> verifies(seconds, 1)).problem()).isPresent();
    assertThat(seconds() - ended).isBetween(300L, 325L);
  }

  private static Told verifies(long seconds, long gigabytes) {
    return gigabytes >= 100
        ? Told.in("sync")
        : Told.in(seconds % 20 < 2 ? "verifying" : "paused")
            .with("leftBytes", 0L)
            .with("verifiedBytes", gigabytes << 30);
  }

  /** Both were alike, then the new device went away: it has five minutes again. */
  @Test
  void inSyncWasProgress() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds ->
                seconds == 200
                    ? Told.in("sync").with("leftBytes", 0L)
                    : Told.in("paused").with("leftBytes", 1L << 20));
    assertThat(ended.problem()).isPresent();
    assertThat(seconds()).isBetween(500L, 502L);
  }

  @Test
  void aDaemonMayBeRestarted() throws Exception {
    Ended ended =
        run(
            Goal.SWITCHED,
            seconds -> {
              if (seconds % 200 > 20) {
                throw new DaemonAwayException("no daemon on this host");
              }
              return seconds < 600 ? Told.in("copying") : Told.done();
            });
    assertThat(ended.problem()).isEmpty();
    assertThat(out.toString()).contains("xvdb of web1: no daemon on this host");
  }

  @Test
  void aDaemonThatStaysAwayIsNot() {
    assertThatThrownBy(
            () ->
                run(
                    Goal.SWITCHED,
                    seconds -> {
                      throw new DaemonAwayException("no daemon on this host");
                    }))
        .isInstanceOf(DaemonAwayException.class);
    assertThat(seconds()).isEqualTo(300);
  }

  @Test
  void aRefusalIsNotRepeated() {
    assertThatThrownBy(
            () ->
                run(
                    Goal.SWITCHED,
                    seconds -> {
                      throw new CommandFailedException("no job of xvdb");
                    }))
        .hasMessage("no job of xvdb");
    assertThat(asked).hasSize(1);
  }

  @Test
  void anotherJobOfTheDiskIsNotWaitedFor() throws Exception {
    Ended ended = run(Goal.SWITCHED, Told.in("copying").with("started", "2026-02-02T00:00:00Z"));
    assertThat(ended.problem().orElseThrow())
        .contains("the job of 2026-01-02T03:04:05Z has gone, this is another one");
  }
}
