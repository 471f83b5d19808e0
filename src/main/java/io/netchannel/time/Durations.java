package io.netchannel.time;

import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Durations as people write them, in the configuration, in device sources and on command lines:
 * "50us", "300ms", "10s", "2m" or "2min", "1h".
 */
public final class Durations {
  /** For messages: "expected a duration such as ...". */
  public static final String EXAMPLES = "300ms, 10s, 2min or 1h";

  private static final Pattern FORM = Pattern.compile("\\s*(\\d{1,9})\\s*(us|ms|s|min|m|h)\\s*");

  private Durations() {}

  /** Empty when it is none: no number, or no unit. */
  public static Optional<Duration> parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      return Optional.empty();
    }
    long count = Long.parseLong(form.group(1));
    return Optional.of(
        switch (form.group(2)) {
          case "us" -> Duration.ofNanos(count * 1_000);
          case "ms" -> Duration.ofMillis(count);
          case "s" -> Duration.ofSeconds(count);
          case "h" -> Duration.ofHours(count);
          default -> Duration.ofMinutes(count);
        });
  }
}
