package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.Immutable;
import io.netchannel.text.PathText;
import io.netchannel.time.Durations;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The faults of a configuration file. */
public final class ConfiguredFaults implements FaultPoints {
  private static final Logger log = LoggerFactory.getLogger(ConfiguredFaults.class);
  private static final Pattern HANG = Pattern.compile("hang\\s+(.+)");
  private static final Pattern HOLD = Pattern.compile("hold\\s+(/\\S+)");
  private static final Pattern FILE = Pattern.compile("file\\s+(/\\S+)");

  /** So often a held point looks for its file: a fraction of what is measured with it. */
  private static final Duration HOLD_LOOK = Duration.ofNanos(500_000);

  /** A file that was forgotten must not hold a guest for ever. */
  private static final Duration HOLD_LONGEST = Duration.ofSeconds(60);

  /** What a process killed by SIGKILL exits with in a shell. */
  private static final int KILLED = 137;

  @Immutable
  @FunctionalInterface
  private interface Action {
    void run(Point point);
  }

  private final ImmutableMap<Point, Action> actions;

  /**
   * @param settings point to action: "fail", "kill", "hang 30s", "hang 500ms", "hold FILE": for as
   *     long as that file exists, but not longer than a minute, or "file FILE": what that file says
   *     when the point is reached, nothing when there is none, so that faults come and go without a
   *     restart
   * @throws IllegalArgumentException for a point or action that is not known
   */
  public ConfiguredFaults(Map<String, String> settings) {
    ImmutableMap.Builder<Point, Action> parsed = ImmutableMap.builder();
    settings.forEach((point, action) -> parsed.put(point(point), action(point, action)));
    this.actions = parsed.buildOrThrow();
  }

  @Override
  public void at(Point point) {
    Action action = actions.get(point);
    if (action != null) {
      action.run(point);
    }
  }

  private static Point point(String key) {
    return Arrays.stream(Point.values())
        .filter(point -> point.key().equals(key))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "[faults] \""
                        + key
                        + "\" is not known; there are "
                        + Arrays.stream(Point.values())
                            .map(Point::key)
                            .collect(Collectors.joining(", "))));
  }

  private static Action action(String key, String text) {
    Matcher file = FILE.matcher(text);
    if (file.matches()) {
      Path path = PathText.parse(file.group(1));
      return point -> read(path).ifPresent(said -> action(key, said).run(point));
    }
    Action effect = effect(key, text);
    return point -> {
      log.warn("[faults] {} reached: {}", point.key(), text);
      effect.run(point);
    };
  }

  private static Action effect(String key, String text) {
    if (text.equals("fail")) {
      return point -> {
        throw new FaultException(point);
      };
    }
    if (text.equals("kill")) {
      return point -> Runtime.getRuntime().halt(KILLED);
    }
    Matcher hang = HANG.matcher(text);
    Optional<Duration> length = hang.matches() ? Durations.parse(hang.group(1)) : Optional.empty();
    if (length.isPresent()) {
      return point -> Uninterruptibles.sleepUninterruptibly(length.get());
    }
    Matcher hold = HOLD.matcher(text);
    if (hold.matches()) {
      Path file = PathText.parse(hold.group(1));
      return point -> hold(file);
    }
    throw new IllegalArgumentException(
        "[faults] \""
            + key
            + "\" = \""
            + text
            + "\": expected fail, kill, hang 30s, hold /run/file or file"
            + " /run/file");
  }

  private static Optional<String> read(Path file) {
    try {
      return Optional.of(Files.readString(file).strip());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void hold(Path file) {
    long begin = System.nanoTime();
    while (Files.exists(file) && System.nanoTime() - begin < HOLD_LONGEST.toNanos()) {
      Uninterruptibles.sleepUninterruptibly(HOLD_LOOK);
    }
  }
}
