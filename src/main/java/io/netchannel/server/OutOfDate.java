package io.netchannel.server;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;

/**
 * Why what an export has is not the disk of a client. {@link Whereabouts} has its states.
 *
 * @param partial whether a copy of the disk was begun over it that is not complete; otherwise it is
 *     the disk as it was when it was left
 * @param to where the disk is, in the client's words; empty when it has never been told, as the
 *     disk was not here before
 * @param since when the disk was left, or the copy begun
 */
record OutOfDate(boolean partial, Optional<String> to, Instant since) {
  private static final String MOVED = "moved";
  private static final String PARTIAL = "partial";

  OutOfDate {
    if (!partial && to.isEmpty()) {
      throw new IllegalArgumentException("expected where it was moved to, found nothing");
    }
    since = since.truncatedTo(ChronoUnit.MILLIS); // as it is kept
  }

  /** At the end of a line of {@link GenerationStore}, with a space before each. */
  String encoded() {
    return (partial ? " " + PARTIAL : " " + MOVED)
        + " "
        + since.toEpochMilli()
        + to.map(words -> " " + URLEncoder.encode(words, StandardCharsets.UTF_8)).orElse("");
  }

  /**
   * Of the words at the end of such a line.
   *
   * @throws IllegalArgumentException when they are others
   */
  static Optional<OutOfDate> decode(List<String> words) {
    if (words.isEmpty()) {
      return Optional.empty();
    }
    boolean partial = words.get(0).equals(PARTIAL);
    int least = partial ? 2 : 3;
    if ((!partial && !words.get(0).equals(MOVED)) || words.size() < least || words.size() > 3) {
      throw new IllegalArgumentException("expected \"moved|partial AT TO\", found " + words);
    }
    return Optional.of(
        new OutOfDate(
            partial,
            words.stream()
                .skip(2)
                .findFirst()
                .map(to -> URLDecoder.decode(to, StandardCharsets.UTF_8)),
            Instant.ofEpochMilli(Long.parseLong(words.get(1)))));
  }
}
