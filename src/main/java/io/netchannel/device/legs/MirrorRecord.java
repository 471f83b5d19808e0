package io.netchannel.device.legs;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * Which legs of a mirror have all that its guest was told is written: the members. What each leg's
 * authority, the host of the guest and the witness keep; immutable.
 *
 * <p>As a line of text: {@code MIRROR EPOCH open|closed BYTES LEG,LEG MEMBER[,MEMBER]}, where legs
 * are URL-encoded.
 *
 * @param mirror who it is: two legs that name another one have nothing to do with each other
 * @param epoch ascends with each change; of two records of a mirror that with the higher one holds.
 *     From the highest bit on: how often a person has said which leg is the disk (11 bits), the
 *     generation that has made it (32), how many that one has made (20)
 * @param closed whether nothing has been written since all members were made equal and flushed
 * @param sizeBytes of the disk: what a leg has beyond it is not used, whichever leg it is
 * @param legs both, by the source that the domain's XML has, in its order
 * @param members those that are up to date, of which the first is the disk where they differ
 */
public record MirrorRecord(
    UUID mirror,
    long epoch,
    boolean closed,
    long sizeBytes,
    ImmutableList<String> legs,
    ImmutableList<String> members) {
  /** Of the text: four sources of a few hundred characters. */
  public static final int MAX_BYTES = 8192;

  /** The epochs of a generation, which only the process that has it takes. */
  private static final long GENERATION_STEP = 1L << 20;

  /** What a person says counts more than all that a mirror may have come to by itself. */
  private static final long FORCED_STEP = 1L << 52;

  private static final String OPEN = "open";
  private static final String CLOSED = "closed";

  public MirrorRecord {
    checkArgument(epoch > 0, "expected an epoch from 1 on, found %s", epoch);
    checkArgument(sizeBytes > 0, "expected a size from 1 byte on, found %s", sizeBytes);
    checkArgument(
        legs.size() == 2 && ImmutableSet.copyOf(legs).size() == 2,
        "expected two different legs, found %s",
        legs);
    checkArgument(
        !members.isEmpty()
            && legs.containsAll(members)
            && ImmutableSet.copyOf(members).size() == members.size(),
        "expected one or both of %s as members, found %s",
        legs,
        members);
  }

  /** The first one of a mirror: one leg is the disk, the other has nothing of it yet. */
  static MirrorRecord first(
      UUID mirror, long generation, long sizeBytes, ImmutableList<String> legs, String disk) {
    return new MirrorRecord(
        mirror, generation * GENERATION_STEP, false, sizeBytes, legs, ImmutableList.of(disk));
  }

  /**
   * The next one, of these members. Whatever another generation has come to, maybe at a leg that is
   * away, it has made no record of this epoch.
   *
   * @param generation whose user makes it; not older than that of this one
   */
  MirrorRecord next(long generation, ImmutableList<String> nextMembers) {
    return new MirrorRecord(mirror, nextEpoch(generation), false, sizeBytes, legs, nextMembers);
  }

  /** The next one: as {@link #next}, of a disk that may have grown. */
  MirrorRecord next(long generation, ImmutableList<String> nextMembers, long nextSizeBytes) {
    return new MirrorRecord(mirror, nextEpoch(generation), false, nextSizeBytes, legs, nextMembers);
  }

  /** The next one: no guest writes any more. */
  MirrorRecord nextClosed(long generation) {
    return new MirrorRecord(mirror, nextEpoch(generation), true, sizeBytes, legs, members);
  }

  private long nextEpoch(long generation) {
    long begin = epoch / FORCED_STEP * FORCED_STEP + generation * GENERATION_STEP;
    return Math.max(epoch + 1, begin);
  }

  /**
   * A person says that one leg is the disk, whatever the other may know.
   *
   * @param newestEpoch of all that is known of the mirror
   * @param largestBytes of all that is known of it: the guest may have been told so
   */
  MirrorRecord forced(String disk, long newestEpoch, long largestBytes) {
    return new MirrorRecord(
        mirror,
        (newestEpoch / FORCED_STEP + 1) * FORCED_STEP,
        false,
        largestBytes,
        legs,
        ImmutableList.of(disk));
  }

  /**
   * Whether a person has said which leg is the disk since.
   *
   * @param known null for none
   */
  public boolean isForcedAfter(MirrorRecord known) {
    return epoch / FORCED_STEP > (known == null ? 0 : known.epoch / FORCED_STEP);
  }

  boolean isMember(String leg) {
    return members.contains(leg);
  }

  /** Whether both legs are up to date. */
  public boolean isWhole() {
    return members.size() == legs.size();
  }

  String other(String leg) {
    return legs.get(legs.get(0).equals(leg) ? 1 : 0);
  }

  /** Whether a keeper of {@code known} may keep this one from now on. */
  public boolean mayReplace(MirrorRecord known) {
    return equals(known) || !mirror.equals(known.mirror) || epoch > known.epoch;
  }

  /** One line, printable ASCII. */
  public String encoded() {
    return "%s %d %s %d %s %s"
        .formatted(
            mirror, epoch, closed ? CLOSED : OPEN, sizeBytes, encoded(legs), encoded(members));
  }

  private static String encoded(List<String> sources) {
    return sources.stream()
        .map(source -> URLEncoder.encode(source, StandardCharsets.UTF_8))
        .collect(Collectors.joining(","));
  }

  /**
   * What {@link #encoded} has made.
   *
   * @throws IllegalArgumentException when it is something else
   */
  public static MirrorRecord decode(String text) {
    List<String> words = Splitter.on(' ').splitToList(text);
    boolean isKnown =
        words.size() == 6 && (words.get(2).equals(OPEN) || words.get(2).equals(CLOSED));
    checkArgument(
        isKnown, "expected \"MIRROR EPOCH open|closed BYTES LEGS MEMBERS\", found \"%s\"", text);
    return new MirrorRecord(
        UUID.fromString(words.get(0)),
        Long.parseLong(words.get(1)),
        words.get(2).equals(CLOSED),
        Long.parseLong(words.get(3)),
        decoded(words.get(4)),
        decoded(words.get(5)));
  }

  private static ImmutableList<String> decoded(String sources) {
    return Splitter.on(',')
        .splitToStream(sources)
        .map(source -> URLDecoder.decode(source, StandardCharsets.UTF_8))
        .collect(ImmutableList.toImmutableList());
  }

  /** For people. */
  @Override
  public String toString() {
    return "epoch %d, up to date: %s".formatted(epoch, String.join(" and ", members));
  }
}
