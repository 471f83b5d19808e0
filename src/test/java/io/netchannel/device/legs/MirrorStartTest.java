package io.netchannel.device.legs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.DeviceException;
import io.netchannel.device.legs.MirrorStart.LegAnswer;
import io.netchannel.device.legs.MirrorStart.Other;
import io.netchannel.device.legs.MirrorStart.Start;
import io.netchannel.device.legs.MirrorStart.Third;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The rule of {@link MirrorStart}: whoever may start has all that was answered. */
final class MirrorStartTest {
  private static final ImmutableList<String> LEGS = ImmutableList.of("A", "B");
  private static final UUID MIRROR = new UUID(7, 7);
  private static final long SIZE_BYTES = 8 << 20;

  /**
   * A record as "5AB" (epoch, members in order), "5AB." when it was closed, "5AB!" of another
   * mirror.
   */
  private static MirrorRecord record(String words) {
    String members = words.replaceAll("[^AB]", "");
    return new MirrorRecord(
        words.endsWith("!") ? new UUID(8, 8) : MIRROR,
        Long.parseLong(words.replaceAll("[^0-9]", "")),
        words.endsWith("."),
        SIZE_BYTES,
        LEGS,
        ImmutableList.copyOf(Arrays.asList(members.split(""))));
  }

  /** As it was before generation 3: a record, "none", or "away". */
  private static LegAnswer leg(String name, String words) {
    return words.equals("away")
        ? LegAnswer.away(name, name + " does not answer")
        : new LegAnswer(
            name,
            3,
            words.equals("none") ? Optional.empty() : Optional.of(record(words)),
            Optional.empty());
  }

  /** "here 5AB" with generation 3, "was here 5AB" with an older one, "witness 5AB", or nothing. */
  private static List<Third> thirds(String words) {
    if (words.isEmpty()) {
      return List.of();
    }
    String known = words.substring(words.lastIndexOf(' ') + 1);
    boolean isWitness = words.startsWith("witness");
    long generation = words.startsWith("was") || isWitness ? 2 : 3;
    return List.of(
        new Third(isWitness ? "the witness" : "this host", generation, isWitness, record(known)));
  }

  private static Start start(String a, String b, String third, boolean handedOver)
      throws DeviceException {
    return MirrorStart.decide(List.of(leg("A", a), leg("B", b)), thirds(third), handedOver);
  }

  @ParameterizedTest
  @CsvSource({
    // both are there
    "none, none, '', A, BEHIND",
    "5A, none, '', A, BEHIND",
    "none, 5BA, '', B, MAY_DIFFER",
    "5AB, 5AB, '', A, MAY_DIFFER",
    "5BA, 5BA, '', B, MAY_DIFFER",
    "5AB., 5AB., '', A, ALIKE",
    "5BA., 5BA., was here 4AB, B, ALIKE",
    "5A, 4AB, '', A, BEHIND",
    "4AB, 5B, '', B, BEHIND",
    "5A, 5A, '', A, BEHIND",
    "5B, 5B, here 5B, B, BEHIND",
    "6AB, 5A, '', A, MAY_DIFFER",
    "5A, 6AB, here 5A, B, MAY_DIFFER",
    "5A, 4AB, here 4AB, A, BEHIND",
    // one is there
    "5A, away, '', A, BEHIND",
    "5A, away, here 4AB, A, BEHIND",
    "away, 5B, witness 5B, B, BEHIND",
    "5AB, away, here 5AB, A, MAY_DIFFER",
    "away, 5AB, here 5AB, B, MAY_DIFFER",
    "5AB, away, witness 5AB, A, MAY_DIFFER",
    "5AB., away, witness 5AB., A, MAY_DIFFER",
  })
  void starts(String a, String b, String third, String disk, Other other) throws Exception {
    Start start = start(a, b, third, false);
    assertThat(start.disk()).isEqualTo(disk);
    assertThat(start.other()).isEqualTo(other);
    long newest =
        List.of(leg("A", a), leg("B", b)).stream()
            .flatMap(leg -> leg.record().stream())
            .mapToLong(MirrorRecord::epoch)
            .max()
            .orElse(0);
    assertThat(start.record().map(MirrorRecord::epoch).orElse(0L)).isEqualTo(newest);
  }

  /** A leg was about to be told that it goes on alone, which this host knows. */
  @ParameterizedTest
  @CsvSource({
    "5AB, 5AB, here 6B, B",
    "5AB., 5AB., here 6A, A",
    "away, 5AB, here 6B, B",
    "6AB, 5A, here 7A, A",
    "5A, away, here 7A, A",
  })
  void startsWithWhatWasBegun(String a, String b, String third, String disk) throws Exception {
    for (boolean handedOver : new boolean[] {false, true}) {
      Start start = start(a, b, third, handedOver);
      assertThat(start.disk()).isEqualTo(disk);
      assertThat(start.other()).isEqualTo(Other.BEHIND);
      assertThat(start.record()).contains(record(third.substring("here ".length())));
    }
  }

  /** It was a disk by itself after the other leg was used: it is not overwritten. */
  @Test
  void refusesToOverwriteWhatWasUsedSince() {
    LegAnswer b = new LegAnswer("B", 4, Optional.empty(), Optional.empty());
    assertThatThrownBy(() -> MirrorStart.decide(List.of(leg("A", "5AB."), b), List.of(), false))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll("B has been used without A", "release-export", "force-leg");
  }

  @ParameterizedTest
  @CsvSource({
    "5AB, 5AB, '', A, ALIKE",
    "5BA, 5BA, was here 3A, B, ALIKE",
    "5A, away, '', A, BEHIND",
    "5A, 4AB, '', A, BEHIND",
    "6AB, 5A, '', A, MAY_DIFFER",
  })
  void startsWithWhatAnotherHostHandsOver(
      String a, String b, String third, String disk, Other other) throws Exception {
    Start start = start(a, b, third, true);
    assertThat(start.disk()).isEqualTo(disk);
    assertThat(start.other()).isEqualTo(other);
  }

  @ParameterizedTest
  @CsvSource({
    "away, away, '', A does not answer; B does not answer",
    "none, away, '', Start it when both are there",
    "away, none, witness 5AB, Start it when both are there",
    "5AB, 5AB!, '', two different mirrors",
    "5AB, 4B!, '', two different mirrors",
    "5A, 5B, '', different things of one epoch",
    "5AB, 5BA, '', different things of one epoch",
    "5B, 4AB, '', which that does not know",
    "5B, none, '', which that does not know",
    "4AB, 5A, '', which that does not know",
    "5B, away, '', is out of date",
    "away, 5A, here 5A, is out of date",
    "5AB, away, '', names no witness",
    "5AB, away, was here 5AB, the guest has run elsewhere since",
    "5AB, away, here 4AB, Whether it went on alone is not known",
    "5AB, away, witness 4A, Whether it went on alone is not known",
    "5AB, away, here 6B, start it when B can be used (B does not answer)",
    "5AB, away, witness 6B, start it when B can be used (B does not answer)",
    "5A, away, witness 6B, start it when B can be used (B does not answer)",
    "5AB, 5AB, witness 6B, B does not know of it",
    "5A, 4AB, here 6B, B does not know of it",
    "5AB, 5AB, was here 6B, B does not know of it",
    "away, 5AB, was here 6B, B does not know of it",
    "away, 5B, here 5A, start it when A can be used",
    "away, 5B, witness 5A, start it when A can be used",
  })
  void refuses(String a, String b, String third, String why) {
    for (boolean handedOver : new boolean[] {false, true}) {
      assertThatThrownBy(() -> start(a, b, third, handedOver))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining(why);
    }
  }

  /** What this host was told last is said as it is. */
  @Test
  void doesNotSayThatAGuestRanElsewhereThatRanHereLast() {
    assertThatThrownBy(() -> start("5AB", "away", "here 4AB", false))
        .hasMessageContaining("this host knows epoch 4, up to date: A and B. Start it when")
        .hasMessageNotContaining("elsewhere");
  }

  @Test
  void refusesLegsOfAnotherPair() {
    MirrorRecord others =
        new MirrorRecord(
            MIRROR, 5, false, SIZE_BYTES, ImmutableList.of("A", "C"), ImmutableList.of("A", "C"));
    LegAnswer a = new LegAnswer("A", 3, Optional.of(others), Optional.empty());
    assertThatThrownBy(() -> MirrorStart.decide(List.of(a, leg("B", "none")), List.of(), false))
        .hasMessageContainingAll("A is a leg of A and C", "release-export");
  }

  /** What a person says holds against all that the legs come to by themselves. */
  @Test
  void aPersonsWordHolds() throws Exception {
    MirrorRecord forced = record("5AB").forced("B", 5, 4096);
    LegAnswer b = new LegAnswer("B", 3, Optional.of(forced), Optional.empty());
    MirrorRecord other = record("5AB");
    for (int generation = 1; generation <= 1000; generation++) {
      other = other.next(generation, generation % 2 == 0 ? ImmutableList.of("A") : LEGS);
    }
    LegAnswer a =
        new LegAnswer(
            "A", 3, Optional.of(other.next(1000, ImmutableList.of("A"))), Optional.empty());
    Start start = MirrorStart.decide(List.of(a, b), List.of(), false);
    assertThat(start.disk()).isEqualTo("B");
    assertThat(start.other()).isEqualTo(Other.BEHIND);
  }

  /** Two hosts that do not know of each other make no two records of one epoch. */
  @Test
  void aGenerationHasItsOwnEpochs() {
    MirrorRecord before = record("5AB");
    MirrorRecord older = before.next(7, ImmutableList.of("A")).next(7, LEGS);
    MirrorRecord newer = before.next(8, ImmutableList.of("B"));
    assertThat(newer.epoch()).isGreaterThan(older.epoch());
    assertThat(newer.next(7, LEGS).epoch()).isGreaterThan(newer.epoch());
    MirrorRecord forced = newer.forced("A", newer.epoch(), newer.sizeBytes());
    assertThat(forced.next(9, LEGS).epoch()).isGreaterThan(forced.epoch());
    assertThat(forced.next(9, LEGS).epoch())
        .isGreaterThan(forced.next(8, ImmutableList.of("A")).epoch());
    assertThat(newer.next(1L << 31, LEGS).epoch()).isLessThan(forced.epoch());
  }

  @Test
  void aRecordIsReadAsItWasWritten() {
    MirrorRecord written =
        new MirrorRecord(
            MIRROR,
            5,
            true,
            SIZE_BYTES,
            ImmutableList.of("netchannel://[::1]:1/a", "netchannel+unix:///b?socket=/x,y z"),
            ImmutableList.of("netchannel+unix:///b?socket=/x,y z"));
    assertThat(MirrorRecord.decode(written.encoded())).isEqualTo(written);
    assertThat(written.encoded()).matches("[ -~]+");
    assertThatThrownBy(() -> MirrorRecord.decode("x 5 open 4096 A,B A"))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> MirrorRecord.decode(MIRROR + " 5 open 4096 A,B C"))
        .hasMessageContaining("as members");
  }
}
