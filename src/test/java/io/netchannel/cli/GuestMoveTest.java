package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The clock goes only while it waits, as the daemon is the test, and so is libvirt. */
final class GuestMoveTest {
  private final StringWriter out = new StringWriter();
  private final AtomicInteger transfers = new AtomicInteger();
  private final List<String> asked = new ArrayList<>();
  private long now;

  /** Since when it waits for the other host; libvirt takes as long as its thread does. */
  private OptionalLong decidesSince = OptionalLong.empty();

  /** In sync, on its way. */
  private static Told sync() {
    return Told.in("sync")
        .with("pivot", "manual")
        .with("goesTo", "hostb")
        .with("new", "netchannel://hostb/web1-xvdb")
        .with("leftBytes", 0L);
  }

  private GuestMove.Ended run(GuestMove.Transfer transfer, List<Told> told) throws Exception {
    List<Told> all = new ArrayList<>(told);
    return move(request -> {
          asked.add(String.valueOf(request.get("action")));
          return (all.size() > 1 ? all.remove(0) : all.get(0)).json();
        })
        .run("web1", "hostb", List.of(Told.in("copying").report()), transfer);
  }

  private GuestMove move(JobWait.Daemon daemon) {
    return new GuestMove(
        daemon,
        Duration.ofMinutes(5),
        new ProgressLine(new PrintWriter(out), false, () -> now),
        () -> now,
        time -> {
          if (decidesSince.isEmpty() && out.toString().contains("waiting for hostb to say")) {
            decidesSince = OptionalLong.of(now);
          }
          now += time.toNanos();
          assertThat(Duration.ofNanos(now)).as("what it waits").isLessThan(Duration.ofDays(1));
        });
  }

  private GuestMove.Ended run(Told... told) throws Exception {
    return run(transfers::incrementAndGet, Arrays.asList(told));
  }

  @Test
  void movesWhenItIsInSyncAndEndsWhenTheDiskHasGone() throws Exception {
    GuestMove.Ended ended = run(Told.in("copying"), sync(), sync(), sync(), Told.done());
    assertThat(ended.problem()).isEmpty();
    assertThat(ended.moved()).isTrue();
    assertThat(ended.jobs()).extracting(JobReport::state).containsExactly(JobReport.State.DONE);
    assertThat(transfers).hasValue(1);
    assertThat(asked).containsOnly("show");
    assertThat(out.toString())
        .contains("xvdb of web1: copying 41.3 of 96.0 GiB")
        .contains("waiting for hostb to say which disks it has");
  }

  /** Between the looks of others it may lose it. */
  @Test
  void doesNotMoveBeforeAllAreInSyncAtOneLook() throws Exception {
    GuestMove.Ended ended =
        run(
            sync(),
            Told.in("paused").with("reason", "the target fails"),
            sync(),
            sync(),
            Told.done());
    assertThat(ended.moved()).isTrue();
    assertThat(out.toString()).contains("paused at").contains("the target fails");
    assertThat(transfers).hasValue(1);
  }

  @Test
  void aCopyThatEndsIsAProblemAndNobodyMoves() throws Exception {
    GuestMove.Ended ended =
        run(Told.in("aborted").with("reason", "given up by hand").with("pivot", "manual"));
    assertThat(ended.moved()).isFalse();
    assertThat(ended.problem().orElseThrow()).contains("aborted: given up by hand");
    assertThat(transfers).hasValue(0);
  }

  @Test
  void aCopyThatIsPausedForTooLongIsAProblem() throws Exception {
    GuestMove.Ended ended = run(Told.in("paused").with("reason", "no space"));
    assertThat(ended.problem().orElseThrow()).contains("no space", "nothing was gained for 5 min");
    assertThat(transfers).hasValue(0);
  }

  @Test
  void whatLibvirtSaysIsSaidAndTheCopiesAreKept() throws Exception {
    GuestMove.Ended ended =
        run(
            () -> {
              throw new CommandFailedException("libvirt: hook says no");
            },
            List.of(sync()));
    assertThat(ended.moved()).isFalse();
    assertThat(ended.problem())
        .contains(
            "libvirt: hook says no; copies go on: the same command tries again,"
                + " 'netchannel job web1 xvdb --abort' ends it");
  }

  private GuestMove.Ended fails(Told... told) throws Exception {
    return run(
        () -> {
          throw new CommandFailedException("libvirt: it broke");
        },
        Arrays.asList(told));
  }

  /** The copies are over then, and the next attempt begins anew. */
  @Test
  void copiesThatWereGivenBackAreNotSaidToGoOn() throws Exception {
    GuestMove.Ended ended =
        fails(
            sync(),
            sync(),
            sync().with("given", true),
            sync().with("given", true),
            Told.in("paused").with("ended", "2026-01-02T03:13:17Z"),
            Told.in("aborted").with("reason", "the migration of its guest has failed"));
    assertThat(ended.moved()).isFalse();
    assertThat(ended.problem().orElseThrow())
        .startsWith(
            "libvirt: it broke; xvdb of web1: aborted: the migration of its guest has failed")
        .doesNotContain("--abort");
  }

  @Test
  void aGuestThatRunsThereNeverthelessIsSaid() throws Exception {
    GuestMove.Ended ended =
        fails(
            sync(),
            sync(),
            sync().with("given", true),
            Told.done()
                .with("new", "netchannel://hostb/web1-xvdb")
                .with("goesTo", "hostb")
                .with("holder", "hostb"));
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem())
        .contains(
            "libvirt: it broke; yet web1 runs at hostb, with xvdb at netchannel://hostb/web1-xvdb");
  }

  /** Its only disk was not in sync, and was taken over where it is. */
  @Test
  void aGuestThatRunsThereWithoutItsCopyIsSaid() throws Exception {
    Told gone =
        Told.in("aborted")
            .with("goesTo", "hostb")
            .with("holder", "hostb")
            .with("reason", "its guest has gone to hostb, and the job with it");
    GuestMove.Ended ended =
        fails(
            sync(),
            sync(),
            Told.in("paused").with("goesTo", "hostb").with("holder", "hostb"),
            gone);
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem().orElseThrow())
        .startsWith("libvirt: it broke; yet web1 runs at hostb; xvdb of web1: aborted: its guest")
        .doesNotContain("--abort");
  }

  /** libvirt has lost the other host, whose hook goes on all the same. */
  @Test
  void aMigrationThatGoesOnIsWaitedFor() throws Exception {
    GuestMove.Ended ended =
        fails(
            sync(),
            sync(),
            sync().with("migrates", true),
            sync().with("migrates", true).with("given", true).with("holder", "hostb"),
            Told.done().with("goesTo", "hostb").with("holder", "hostb"));
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem().orElseThrow()).contains("yet web1 runs at hostb, with xvdb at");
  }

  @Test
  void aMigrationThatIsNotOverIsSaid() throws Exception {
    GuestMove.Ended ended = fails(sync(), sync(), sync().with("migrates", true));
    assertThat(ended.moved()).isFalse();
    assertThat(ended.problem())
        .contains("libvirt: it broke; the migration is not over yet: 'netchannel migrations'");
    assertThat(Duration.ofNanos(now - decidesSince.orElseThrow()))
        .isBetween(Duration.ofMinutes(5), Duration.ofMinutes(6));
  }

  /** Its disk is about to be the other host's, which is not yet where its guest is. */
  @Test
  void whatTheOtherHostNeverSaysIsNotGuessed() throws Exception {
    GuestMove.Ended ended =
        fails(
            sync(),
            sync(),
            sync().with("given", true).with("migrates", true).with("holder", "hostb"));
    assertThat(ended.moved()).isFalse();
    assertThat(ended.problem())
        .contains(
            "libvirt: it broke; whether xvdb is netchannel://hostb/web1-xvdb by now the other host"
                + " has not said: 'netchannel migrations'");
  }

  /** It died, say, before it told the source, whose disk has gone: nothing more is to come. */
  @ParameterizedTest
  @ValueSource(strings = {"sync", "paused"})
  void whatTheOtherHostNeverSaysIsNotWaitedForForEverEither(String state) throws Exception {
    GuestMove.Ended ended = run(sync(), sync(), sync().with("given", true).with("state", state));
    assertThat(transfers).hasValue(1);
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem())
        .contains(
            "web1 runs at hostb, but whether xvdb is netchannel://hostb/web1-xvdb by now the other"
                + " host has not said: 'netchannel migrations'");
    assertThat(Duration.ofNanos(now - decidesSince.orElseThrow()))
        .isBetween(Duration.ofMinutes(5), Duration.ofMinutes(6));
  }

  @Test
  void aCopyThatDoesNotEndAlthoughItsGuestHasGoneIsSaid() throws Exception {
    GuestMove.Ended ended = run(sync(), sync(), Told.in("copying"));
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem().orElseThrow())
        .startsWith("web1 runs at hostb, but xvdb of web1: copying 41.3 of 96.0 GiB")
        .endsWith("; that has not ended yet: 'netchannel migrations'");
  }

  @Test
  void whatGoesOnIsSaidAlsoWhenTheDaemonIsAwayForTooLong() {
    AtomicInteger answers = new AtomicInteger(2);
    assertThatThrownBy(
            () ->
                move(request -> {
                      if (answers.getAndDecrement() > 0) {
                        return Told.in("copying").json();
                      }
                      throw new DaemonAwayException("netchanneld does not run");
                    })
                    .run("web1", "hostb", List.of(Told.in("copying").report()), () -> {}))
        .isInstanceOf(CommandFailedException.class)
        .hasMessageStartingWith("netchanneld does not run")
        .hasMessageEndingWith(
            "; copies go on: the same command tries again, 'netchannel job web1 xvdb --abort' ends"
                + " it");
  }

  @Test
  void aDaemonThatIsAwayAfterTheMoveHidesNotThatItWentWell() throws Exception {
    GuestMove.Ended ended =
        move(request -> {
              if (transfers.get() > 0) {
                throw new DaemonAwayException("netchanneld does not run");
              }
              return sync().json();
            })
            .run("web1", "hostb", List.of(sync().report()), transfers::incrementAndGet);
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem().orElseThrow())
        .startsWith(
            "web1 runs at hostb, but what has become of xvdb of web1 is not known: netchanneld");
  }

  /** A daemon that restarts between two looks is waited for, as always. */
  @Test
  void theOtherCopiesAreNamedWhenOneFails() throws Exception {
    AtomicInteger away = new AtomicInteger(2);
    GuestMove move =
        move(
            request -> {
              if (request.get("target").equals("xvdb")) {
                return Told.in("failed").with("reason", "no space").json();
              }
              if (away.getAndDecrement() > 0) {
                throw new DaemonAwayException("netchanneld does not run");
              }
              return sync().with("target", "xvdc").json();
            });
    GuestMove.Ended ended =
        move.run(
            "web1",
            "hostb",
            List.of(
                Told.in("copying").report(), Told.in("copying").with("target", "xvdc").report()),
            transfers::incrementAndGet);
    assertThat(ended.problem().orElseThrow())
        .startsWith("xvdb of web1: failed: no space")
        .endsWith(
            "; copies go on: the same command tries again, 'netchannel job web1 xvdc --abort' ends"
                + " it");
    assertThat(transfers).hasValue(0);
  }

  @Test
  void aDiskThatStayedBehindIsSaid() throws Exception {
    GuestMove.Ended ended =
        run(
            sync(),
            sync(),
            Told.in("aborted")
                .with("pivot", "manual")
                .with("reason", "its guest has gone to hostb, and the job with it"));
    assertThat(ended.moved()).isTrue();
    assertThat(ended.problem().orElseThrow())
        .startsWith("web1 runs at hostb, but xvdb of web1: aborted: its guest has gone to hostb");
  }

  /** The guest is not asked for, and nobody looks at disks. */
  @Test
  void withoutDisksItOnlyMoves() throws Exception {
    CountDownLatch shown = new CountDownLatch(3);
    GuestMove move =
        new GuestMove(
            request -> {
              throw new AssertionError(Map.copyOf(request));
            },
            Duration.ofMinutes(5),
            new ProgressLine(new PrintWriter(out), false, () -> now),
            () -> now,
            time -> {
              now += Duration.ofSeconds(6).toNanos();
              shown.countDown();
            });
    GuestMove.Ended ended =
        move.run(
            "web1",
            "hostb",
            List.of(),
            () -> {
              try {
                shown.await();
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    assertThat(ended.moved()).isTrue();
    assertThat(out.toString().lines())
        .hasSizeGreaterThanOrEqualTo(2)
        .startsWith("web1: migrating to hostb, 0 ms", "web1: migrating to hostb, 12 s");
  }
}
