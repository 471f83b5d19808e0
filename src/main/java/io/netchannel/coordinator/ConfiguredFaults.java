package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.Immutable;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The faults of a configuration file. */
public final class ConfiguredFaults implements FaultPoints {
  private static final Logger log = LoggerFactory.getLogger(ConfiguredFaults.class);
  private static final Pattern HANG = Pattern.compile("hang\\s+(\\d+)(ms|s)");

  /** What a process killed by SIGKILL exits with in a shell. */
  private static final int KILLED = 137;

  @Immutable
  @FunctionalInterface
  private interface Action {
    void run(Point point);
  }

  private final ImmutableMap<Point, Action> actions;

  /**
   * @param settings point to action: "fail", "kill", "hang 30s" or "hang 500ms"
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
      log.warn("[faults] {} reached", point.key());
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
    if (text.equals("fail")) {
      return point -> {
        throw new FaultException(point);
      };
    }
    if (text.equals("kill")) {
      return point -> Runtime.getRuntime().halt(KILLED);
    }
    Matcher hang = HANG.matcher(text);
    if (hang.matches()) {
      long count = Long.parseLong(hang.group(1));
      Duration length =
          hang.group(2).equals("s") ? Duration.ofSeconds(count) : Duration.ofMillis(count);
      return point -> Uninterruptibles.sleepUninterruptibly(length);
    }
    throw new IllegalArgumentException(
        "[faults] \"" + key + "\" = \"" + text + "\": expected fail, kill or hang 30s");
  }
}
