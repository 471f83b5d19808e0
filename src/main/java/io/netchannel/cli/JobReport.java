package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A job of a disk as the daemon tells it, and what that is in words.
 *
 * <p>Before the record the old source is the disk, whatever becomes of the job. Of what is to be
 * copied zeros are no part. "100 %" is said only when both are alike: before, the guest may write
 * again what was copied.
 */
final class JobReport {
  /** As the daemon names them. */
  enum State {
    /** No job yet: the disk is to follow its guest, and cannot. */
    BEHIND,
    OPENING,
    COPYING,
    CONVERGING,
    FLUSHING,
    VERIFYING,
    SYNC,
    RECORDING,
    SWITCHED,
    DONE,
    PAUSED,
    ABORTED,
    FAILED
  }

  /** How far an XML is, as the daemon names it. */
  private enum Xml {
    NONE,
    WAITS,
    WRITTEN,
    OTHER
  }

  private final Map<String, Object> json;
  private final State state;
  private final Xml live;
  private final Xml config;

  /**
   * A job that was told.
   *
   * @throws CommandFailedException when it is not told as expected
   */
  JobReport(Object told) throws CommandFailedException {
    try {
      json = Json.object(told);
      state = one(State.class, json.get("state"));
      Map<String, Object> metadata = Json.object(json.get("metadata"));
      live = one(Xml.class, metadata.get("live"));
      config = one(Xml.class, metadata.get("config"));
    } catch (IllegalArgumentException e) {
      throw new CommandFailedException(
          "cannot understand what the daemon tells of the job (%s): is it of another version? 'systemctl restart netchanneld'"
              .formatted(e.getMessage()),
          e);
    }
  }

  private static <E extends Enum<E>> E one(Class<E> type, Object word) {
    return Arrays.stream(type.getEnumConstants())
        .filter(each -> each.name().toLowerCase(Locale.ROOT).equals(word))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "expected one of %s, found %s"
                        .formatted(Arrays.toString(type.getEnumConstants()), word)));
  }

  /** As it was told. */
  Map<String, Object> json() {
    return json;
  }

  State state() {
    return state;
  }

  /** As it was told; "-" when it was not. */
  String text(String name) {
    Object value = json.get(name);
    return value == null ? "-" : value.toString();
  }

  private long leftBytes() {
    return number("leftBytes").orElse(0);
  }

  /**
   * What is to be copied and to be compared yet: less is progress. Empty while the new device is
   * not open, when nobody knows.
   */
  OptionalLong toDoBytes() {
    OptionalLong left = number("leftBytes");
    OptionalLong verified = number("verifiedBytes");
    return left.isPresent() && verified.isPresent()
        ? OptionalLong.of(left.getAsLong() + number("sizeBytes").orElse(0) - verified.getAsLong())
        : left;
  }

  /** What was copied since its mirror began; less than before when that began anew. */
  long doneBytes() {
    return number("copiedBytes").orElse(0) + number("zeroBytes").orElse(0);
  }

  boolean isPivotManual() {
    return "manual".equals(json.get("pivot"));
  }

  /** Whether its guest's migration is about to decide which device is the disk. */
  boolean isGiven() {
    return Boolean.TRUE.equals(json.get("given"));
  }

  /**
   * Whether its guest migrates, or is about to: it may be elsewhere soon, with or without a copy.
   */
  boolean isMigrating() {
    return Boolean.TRUE.equals(json.get("migrates"));
  }

  /** Whether its disk is another host's, or is about to be. */
  boolean isElsewhere() {
    return said("holder").isPresent();
  }

  /** Whether its disk has gone where it was to go, with its guest, as it is or as its copy. */
  boolean hasArrived() {
    return said("holder").filter(said("goesTo").orElse("")::equals).isPresent()
        && !isMigrating()
        && !isGiven();
  }

  /** What is to be said of one that {@link #isGiven}, and stays so. */
  String notSaid() {
    return "whether %s is %s by now the other host has not said: 'netchannel migrations'"
        .formatted(text("target"), text("new"));
  }

  /**
   * What to do about a copy that goes on until its guest goes, whatever has become of the command
   * that has begun it; empty for others.
   */
  Optional<String> waitsForItsGuest() {
    return switch (state) {
      case OPENING, COPYING, CONVERGING, FLUSHING, VERIFYING, SYNC, PAUSED ->
          said("goesTo")
              .filter(host -> !isGiven() && !isEnding())
              .map(
                  host ->
                      "%s; 'netchannel migrate --with-storage %s %s' takes it along, 'netchannel job %s %s --abort' ends it"
                          .formatted(line(), text("domain"), host, text("domain"), text("target")));
      case BEHIND, RECORDING, SWITCHED, DONE, ABORTED, FAILED -> Optional.empty();
    };
  }

  /** Whether it was given up and is not over yet: what it holds of its disk is being closed. */
  boolean isEnding() {
    return state == State.PAUSED && said("ended").isPresent();
  }

  /** Whether nothing more is known to become of the XML. */
  boolean isXmlSettled() {
    return live != Xml.WAITS && config != Xml.WAITS;
  }

  /** Whether there is a reason why it does not go on, or why its XML is not right. */
  boolean hasTrouble() {
    return said("reason").isPresent() || said("metadataProblem").isPresent();
  }

  /** What to do about one that does not get on. */
  String wayOut() {
    if (isGiven()) {
      return notSaid();
    }
    return isMirror()
        ? "'netchannel mirror drop %s %s' ends it".formatted(text("domain"), text("target"))
        : "'netchannel job %s %s --resume' tries it at once, --abort ends it"
            .formatted(text("domain"), text("target"));
  }

  /** What to do for who does not wait for it any more. */
  String wayBack() {
    return isMirror()
        ? "'netchannel mirrors' shows how far it is, 'netchannel mirror drop %s %s' ends it"
            .formatted(text("domain"), text("target"))
        : "'netchannel job %s %s --wait' waits again, --abort ends it"
            .formatted(text("domain"), text("target"));
  }

  private boolean isMirror() {
    return said("mirror").isPresent();
  }

  /** "xvdb of web1". */
  String name() {
    return "%s of %s".formatted(text("target"), text("domain"));
  }

  /** One line: "xvdb of web1: copying 41.3 of 96.0 GiB (43 %), 182 MiB/s, 5 min left". */
  String line() {
    return "%s: %s".formatted(name(), words());
  }

  private String words() {
    return switch (state) {
      case BEHIND -> "stays at %s%s".formatted(text("old"), reason());
      case OPENING -> "opening " + text("new");
      case COPYING -> "copying " + done() + pace();
      case CONVERGING -> "nearly in sync, " + done() + pace();
      case FLUSHING -> "nearly in sync, flushing " + text("new");
      case VERIFYING -> "verifying " + verified() + pace();
      case SYNC -> isPivotManual() ? inSync() : "in sync";
      case RECORDING -> "in sync, switching to " + text("new");
      case SWITCHED, DONE -> switched();
      case PAUSED -> "paused at %s%s".formatted(done(), reason());
      case ABORTED -> "aborted%s; %s is the disk".formatted(reason(), text("old"));
      case FAILED -> "failed%s; %s is the disk".formatted(reason(), text("old"));
    };
  }

  private String inSync() {
    Optional<String> goesTo = said("goesTo");
    if (goesTo.isPresent()) {
      return "in sync, goes to %s with its guest".formatted(goesTo.get());
    }
    return "in sync; 'netchannel job %s %s --pivot' switches to %s"
        .formatted(text("domain"), text("target"), text("new"));
  }

  private String reason() {
    return said("reason").map(words -> ": " + words).orElse("");
  }

  /** "41.3 of 96.0 GiB (43 %)". */
  String done() {
    long copied = number("copiedBytes").orElse(0);
    long total = copied + leftBytes();
    return total == 0
        ? "0 B, nothing found to copy yet"
        : "%s (%d %%)".formatted(Amounts.part(copied, total), percent(copied, total));
  }

  /** "41.3 of 96.0 GiB (43 %)", zeros too. */
  private String verified() {
    long verified = number("verifiedBytes").orElse(0);
    long size = number("sizeBytes").orElse(0);
    return "%s (%d %%)".formatted(Amounts.part(verified, size), verified * 100 / Math.max(1, size));
  }

  private long percent(long copied, long total) {
    int most =
        switch (state) {
          case BEHIND, OPENING, COPYING, CONVERGING, FLUSHING, PAUSED, ABORTED, FAILED -> 99;
          case VERIFYING, SYNC, RECORDING, SWITCHED, DONE -> 100;
        };
    return Math.min(most, (long) (copied * 100.0 / total));
  }

  /** ", 182 MiB/s, 5 min left", and whom it holds up. */
  private String pace() {
    StringBuilder words = new StringBuilder();
    number("rateBytesPerSecond").ifPresent(rate -> words.append(", ").append(Amounts.rate(rate)));
    number("secondsLeft")
        .ifPresent(left -> words.append(", ").append(Amounts.estimate(left)).append(" left"));
    if (Boolean.TRUE.equals(json.get("throttled"))) {
      words.append(", the guest goes at the new disk's pace");
    }
    return words.toString();
  }

  private String switched() {
    return "in sync, switched%s%s; no write waited longer than %s; %s"
        .formatted(
            switchedAfter().map(time -> " after " + time).orElse(""),
            said("reason").map(words -> " (%s)".formatted(words)).orElse(""),
            Amounts.time(number("longestWriteMillis").orElse(0)),
            xml());
  }

  private Optional<String> switchedAfter() {
    OptionalLong millis = number("switchedAfterMillis");
    return millis.isPresent() ? Optional.of(Amounts.time(millis.getAsLong())) : Optional.empty();
  }

  /** What became of the XML. */
  private String xml() {
    String problem = said("metadataProblem").map(words -> ": " + words).orElse("");
    if (!isXmlSettled()) {
      return "the XML does not name %s yet, tried again until it does%s"
          .formatted(text("new"), problem);
    }
    if (live == Xml.OTHER || config == Xml.OTHER) {
      return "an XML was left as it is" + problem;
    }
    return live == Xml.WRITTEN || config == Xml.WRITTEN
        ? "the XML names %s now".formatted(text("new"))
        : "no XML names the disk";
  }

  private Optional<String> said(String name) {
    return Optional.ofNullable(json.get(name)).map(String::valueOf);
  }

  private OptionalLong number(String name) {
    return json.get(name) instanceof Number number
        ? OptionalLong.of(number.longValue())
        : OptionalLong.empty();
  }

  /** "182 MiB/s" for a table; null when it is not known. */
  String rate() {
    OptionalLong rate = number("rateBytesPerSecond");
    return rate.isPresent() ? Amounts.rate(rate.getAsLong()) : null;
  }

  /** "5 min" for a table; null when it is not known. */
  String timeLeft() {
    OptionalLong left = number("secondsLeft");
    return left.isPresent() ? Amounts.estimate(left.getAsLong()) : null;
  }

  /** What its line leaves out. */
  void print(PrintWriter out) {
    row(out, "old", text("old"));
    row(out, "new", text("new"));
    row(out, "size", Amounts.size(number("sizeBytes").orElse(0)));
    row(out, "zeros", Amounts.size(number("zeroBytes").orElse(0)) + ", not written as data");
    row(out, "verified", number("verifiedBytes").isPresent() ? verified() : "not asked for");
    row(out, "passes", text("passes"));
    row(out, "stale copies", text("staleCopies"));
    row(out, "held writes", text("heldWrites"));
    row(out, "longest write", Amounts.time(number("longestWriteMillis").orElse(0)));
    row(out, "pivot", text("pivot"));
    long bandwidth = number("bandwidth").orElse(0);
    row(out, "bandwidth", bandwidth == 0 ? "as the guest permits" : Amounts.rate(bandwidth));
    row(out, "started", text("started"));
    row(out, "switched", switchedAfter().map(time -> "after " + time).orElse("-"));
    row(out, "ended", text("ended"));
    row(out, "live XML", live.name().toLowerCase(Locale.ROOT));
    row(out, "config XML", config.name().toLowerCase(Locale.ROOT));
    said("metadataProblem").ifPresent(words -> row(out, "XML problem", words));
    said("untold").ifPresent(words -> row(out, "left", words));
  }

  private static void row(PrintWriter out, String name, String value) {
    out.println(" %-14s %s".formatted(name + ":", value));
  }
}
