package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.DeviceException;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Which leg of a mirror its guest starts from, and what becomes of the other one. The rule, first
 * that fits; of two records that with the higher epoch is <em>the</em> record:
 *
 * <table>
 *   <caption>The legs, and what follows</caption>
 *   <tr><td>both are away</td><td>refused: the guest waits</td></tr>
 *   <tr><td>none has a record, both are there</td><td>new: the first one is the disk, the other one
 *     becomes a copy</td></tr>
 *   <tr><td>no record, the other is away</td><td>refused</td></tr>
 *   <tr><td>records of two mirrors, or of other legs, or of one epoch that differ</td><td>refused</td></tr>
 *   <tr><td>the last that this host was told of has a newer record with one member, which is there,
 *     has the newest of the legs' records and is a member by that</td><td>that leg is the disk, the
 *     other one becomes a copy: the leg was about to be told, and nobody else has gone on</td></tr>
 *   <tr><td>both are there, one has a record, and the other one was used after that leg
 *     was</td><td>refused: the other one may have gone on as a disk by itself</td></tr>
 *   <tr><td>both are there, both have the record, both are members</td><td>in sync when it was closed
 *     or the guest before has handed it over; else the first member is the disk and what may differ
 *     is made equal</td></tr>
 *   <tr><td>both are there</td><td>the leg that has the record and is a member is the disk; the other
 *     one becomes a copy. A record that says that its own leg is behind, when the other one does not
 *     know of it: refused</td></tr>
 *   <tr><td>one is there, and not a member</td><td>refused: it never comes up alone</td></tr>
 *   <tr><td>one is there, and the only member</td><td>alone, unless a third record is newer</td></tr>
 *   <tr><td>one is there, one of two members</td><td>alone, if a third record has the same epoch;
 *     else refused</td></tr>
 * </table>
 */
final class MirrorStart {
  /**
   * What is known of a leg.
   *
   * @param generationBefore the newest that had used it before this start; 0: none
   * @param record empty when it has none, or is away
   * @param away why it cannot be used now; empty when it can
   */
  record LegAnswer(
      String leg, long generationBefore, Optional<MirrorRecord> record, Optional<String> away) {
    static LegAnswer away(String leg, String why) {
      return new LegAnswer(leg, 0, Optional.empty(), Optional.of(why));
    }

    boolean isThere() {
      return away.isEmpty();
    }
  }

  /**
   * What somebody else knows.
   *
   * @param who "this host" or "witness hostc"
   * @param generation with which it was told
   * @param isWitness whether it is told of every change, wherever the guest runs; else only of
   *     those that happen here
   */
  record Third(String who, long generation, boolean isWitness, MirrorRecord record) {}

  /** What becomes of the leg that is not the disk. */
  enum Other {
    /** It is alike. */
    ALIKE,
    /** It is a member, and may differ where something was under way. */
    MAY_DIFFER,
    /** It is behind, or never was anything. */
    BEHIND
  }

  /**
   * How it starts.
   *
   * @param disk the leg
   * @param other whether it is there or comes later
   * @param record the newest; empty of a new mirror
   */
  record Start(String disk, Other other, Optional<MirrorRecord> record) {}

  private final ImmutableList<String> legs;
  private final LegAnswer first;
  private final LegAnswer second;
  private final ImmutableList<Third> thirds;
  private final boolean handedOver;

  private MirrorStart(List<LegAnswer> answers, List<Third> thirds, boolean handedOver) {
    this.first = answers.get(0);
    this.second = answers.get(1);
    this.legs = ImmutableList.of(first.leg(), second.leg());
    this.thirds = ImmutableList.copyOf(thirds);
    this.handedOver = handedOver;
  }

  /**
   * Follows the rule.
   *
   * @param answers of both legs, in the order of the XML
   * @param handedOver whether the guest comes from another host, that has ended all it had and
   *     flushed it
   * @throws DeviceException when it must not start now, with what to do
   */
  static Start decide(List<LegAnswer> answers, List<Third> thirds, boolean handedOver)
      throws DeviceException {
    return new MirrorStart(answers, thirds, handedOver).decide();
  }

  private Start decide() throws DeviceException {
    if (!first.isThere() && !second.isThere()) {
      throw new DeviceException(
          "neither leg can be used: %s; %s".formatted(first.away().get(), second.away().get()));
    }
    for (LegAnswer answer : ImmutableList.of(first, second)) {
      if (answer.record().isPresent()) {
        checkLegs(answer.leg(), answer.record().get());
      }
    }
    if (first.record().isPresent() && second.record().isPresent()) {
      checkOneMirror(first.record().get(), second.record().get());
    }
    Optional<Start> begun = begunHere();
    if (begun.isPresent()) {
      return begun.get();
    }
    if (first.isThere() && second.isThere()) {
      return withBoth();
    }
    return first.isThere() ? alone(first, second) : alone(second, first);
  }

  /** This host is told first that a leg goes on alone: the leg may not have been any more. */
  private Optional<Start> begunHere() throws DeviceException {
    for (LegAnswer leg : ImmutableList.of(first, second)) {
      if (leg.record().isPresent() && epoch(leg) == Math.max(epoch(first), epoch(second))) {
        Optional<MirrorRecord> begun =
            thirds.stream()
                .filter(third -> isFresh(third) && !third.isWitness())
                .map(Third::record)
                .filter(known -> isNextOf(leg.record().get(), known, leg.leg()))
                .findFirst();
        if (begun.isPresent()) {
          return Optional.of(behind(begun.get(), leg.leg()));
        }
      }
    }
    return Optional.empty();
  }

  private static boolean isNextOf(MirrorRecord before, MirrorRecord known, String leg) {
    return known.mirror().equals(before.mirror())
        && known.epoch() > before.epoch()
        && known.members().equals(ImmutableList.of(leg))
        && before.isMember(leg);
  }

  /** Whether no leg that is there has been used elsewhere since. */
  private boolean isFresh(Third third) {
    return third.generation() >= Math.max(first.generationBefore(), second.generationBefore());
  }

  private void checkLegs(String leg, MirrorRecord record) throws DeviceException {
    if (!record.legs().containsAll(legs)) {
      throw new DeviceException(
          "%s is a leg of %s, and not of %s: name those in the domain's XML, or let it be used as it is with `netchannel release-export ... --moved` at its server"
              .formatted(leg, String.join(" and ", record.legs()), String.join(" and ", legs)));
    }
  }

  // ---- Both are there

  private Start withBoth() throws DeviceException {
    if (first.record().isEmpty() && second.record().isEmpty()) {
      return new Start(first.leg(), Other.BEHIND, Optional.empty());
    }
    boolean isFirst = epoch(first) >= epoch(second);
    MirrorRecord record = (isFirst ? first : second).record().orElseThrow();
    checkNotUsedSince(isFirst ? first : second, isFirst ? second : first);
    if (epoch(first) == epoch(second)) {
      return record.isWhole() ? alike(record) : behind(record, record.members().get(0));
    }
    String holder = (isFirst ? first : second).leg();
    if (!record.isMember(holder)) {
      throw new DeviceException(
          "%s knows that %s went on alone (%s), which that does not know: was it put back from a copy? %s"
              .formatted(holder, record.other(holder), record, force(record.other(holder))));
    }
    checkThirds(holder, record);
    return record.isWhole()
        ? new Start(holder, Other.MAY_DIFFER, Optional.of(record))
        : behind(record, holder);
  }

  /** Every start tells both legs its generation, and a leg without a record may be a disk. */
  private static void checkNotUsedSince(LegAnswer holder, LegAnswer other) throws DeviceException {
    if (other.record().isEmpty() && other.generationBefore() > holder.generationBefore()) {
      throw new DeviceException(
          "%s has been used without %s (generations %d and %d), and only the latter has a record of both: to make %s a copy of %s, `netchannel release-export ... --moved` at the server of %s and name %s first; for the opposite, %s"
              .formatted(
                  other.leg(),
                  holder.leg(),
                  other.generationBefore(),
                  holder.generationBefore(),
                  holder.leg(),
                  other.leg(),
                  holder.leg(),
                  other.leg(),
                  force(holder.leg())));
    }
  }

  private Start behind(MirrorRecord record, String disk) throws DeviceException {
    checkThirds(disk, record);
    return new Start(disk, Other.BEHIND, Optional.of(record));
  }

  private Start alike(MirrorRecord record) throws DeviceException {
    String disk = record.members().get(0);
    checkThirds(disk, record);
    boolean same = record.closed() || handedOver;
    return new Start(disk, same ? Other.ALIKE : Other.MAY_DIFFER, Optional.of(record));
  }

  private static long epoch(LegAnswer answer) {
    return answer.record().map(MirrorRecord::epoch).orElse(0L);
  }

  private void checkOneMirror(MirrorRecord a, MirrorRecord b) throws DeviceException {
    if (!a.mirror().equals(b.mirror())) {
      throw new DeviceException(
          "%s and %s are legs of two different mirrors (%s; %s): which one is the disk a person has to say. %s"
              .formatted(first.leg(), second.leg(), a, b, force("SOURCE")));
    }
    if (a.epoch() == b.epoch() && !a.equals(b)) {
      throw new DeviceException(
          "%s and %s say different things of one epoch (%s; %s): which one is the disk a person has to say. %s"
              .formatted(first.leg(), second.leg(), a, b, force("SOURCE")));
    }
  }

  // ---- One is there

  private Start alone(LegAnswer there, LegAnswer away) throws DeviceException {
    String why = away.away().orElseThrow();
    MirrorRecord record = there.record().orElse(null);
    if (record == null) {
      throw new DeviceException(
          "%s has no record of this disk, and whether %s has one is not known: %s. Start it when both are there"
              .formatted(there.leg(), away.leg(), why));
    }
    if (!record.isMember(there.leg())) {
      throw new DeviceException(
          "%s is out of date (%s), and %s cannot be used: %s. Start it when that is there; %s"
              .formatted(there.leg(), record, away.leg(), why, force(there.leg())));
    }
    checkThirds(there.leg(), record);
    if (!record.isWhole()) {
      return new Start(there.leg(), Other.BEHIND, Optional.of(record));
    }
    if (!isKnownAsNewest(record)) {
      throw new DeviceException(
          "%s cannot be used: %s. Whether it went on alone is not known here: %s. Start it when both are there; %s"
              .formatted(away.leg(), why, thirds(), force(there.leg())));
    }
    return new Start(there.leg(), Other.MAY_DIFFER, Optional.of(record));
  }

  /** Somebody who would know of a newer one has this one. */
  private boolean isKnownAsNewest(MirrorRecord record) {
    return thirds.stream()
        .filter(third -> third.isWitness() || isFresh(third))
        .anyMatch(third -> third.record().equals(record));
  }

  private String thirds() {
    return thirds.isEmpty()
        ? "the guest did not run on this host, and [mirror] names no witness that has heard of it"
        : thirds.stream()
            .map(
                third ->
                    "%s knows %s%s"
                        .formatted(
                            third.who(),
                            third.record(),
                            third.isWitness() || isFresh(third)
                                ? ""
                                : ", and the guest has run elsewhere since"))
            .collect(Collectors.joining("; "));
  }

  private void checkThirds(String disk, MirrorRecord record) throws DeviceException {
    for (Third third : thirds) {
      MirrorRecord known = third.record();
      if (!record.mayReplace(known)) {
        throw new DeviceException(
            "%s knows %s, and %s only %s: %s; %s"
                .formatted(
                    third.who(), known, disk, record, whenThere(known.members()), force(disk)));
      }
    }
  }

  /** A leg that is there, and is refused by its server, does not come by waiting. */
  private String whenThere(List<String> members) {
    return ImmutableList.of(first, second).stream()
        .filter(leg -> members.contains(leg.leg()))
        .map(
            leg ->
                leg.away()
                    .map(why -> "start it when %s can be used (%s)".formatted(leg.leg(), why))
                    .orElse("%s does not know of it".formatted(leg.leg())))
        .collect(Collectors.joining(" and "));
  }

  /** For people. */
  static String force(String leg) {
    return "`netchannel mirror force-leg GUEST DISK %s` is your word that it is the disk"
        .formatted(leg);
  }
}
