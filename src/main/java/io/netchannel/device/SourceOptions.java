package io.netchannel.device;

import com.google.common.base.Splitter;
import io.netchannel.text.Sizes;
import io.netchannel.time.Durations;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** The "name=value,name=value" of a filter, or of a device, in a source. */
public final class SourceOptions {
  private final String owner;
  private final Map<String, String> values = new HashMap<>();

  /**
   * Reads them.
   *
   * @param owner what they are of, for messages: "filter delay"
   * @param known the options it has
   * @throws DeviceException when an option is unknown, doubled or has no value
   */
  public SourceOptions(String owner, String text, List<String> known) throws DeviceException {
    this.owner = owner;
    String all = String.join(", ", known);
    for (String option : Splitter.on(',').omitEmptyStrings().split(text)) {
      int equals = option.indexOf('=');
      if (equals <= 0 || equals == option.length() - 1) {
        throw new DeviceException(
            "%s: \"%s\" is not name=value; its options are: %s".formatted(owner, option, all));
      }
      String name = option.substring(0, equals);
      if (!known.contains(name)) {
        throw new DeviceException(
            "%s has no option \"%s\"; its options are: %s".formatted(owner, name, all));
      }
      if (values.put(name, option.substring(equals + 1)) != null) {
        throw new DeviceException("%s: option %s is given twice".formatted(owner, name));
      }
    }
  }

  /** Empty when the option is missing. */
  public Optional<String> text(String name) {
    return Optional.ofNullable(values.get(name));
  }

  /** Zero when the option is missing. */
  public Duration duration(String name) throws DeviceException {
    String value = values.get(name);
    if (value == null) {
      return Duration.ZERO;
    }
    return Durations.parse(value)
        .orElseThrow(
            () ->
                new DeviceException(
                    "%s: %s=%s is not a duration such as %s"
                        .formatted(owner, name, value, Durations.EXAMPLES)));
  }

  /** In bytes; empty when the option is missing. */
  public OptionalLong size(String name) throws DeviceException {
    String value = values.get(name);
    if (value == null) {
      return OptionalLong.empty();
    }
    OptionalLong size = Sizes.parse(value);
    if (size.isEmpty()) {
      throw new DeviceException(
          "%s: %s=%s is not a size such as %s".formatted(owner, name, value, Sizes.EXAMPLES));
    }
    return size;
  }

  /** {@code otherwise} when the option is missing. */
  public long number(String name, long otherwise) throws DeviceException {
    String value = values.get(name);
    if (value == null) {
      return otherwise;
    }
    try {
      return Long.parseLong(value);
    } catch (NumberFormatException e) {
      throw new DeviceException("%s: %s=%s is not a whole number".formatted(owner, name, value), e);
    }
  }
}
