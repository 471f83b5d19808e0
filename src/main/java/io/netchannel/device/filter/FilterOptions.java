package io.netchannel.device.filter;

import com.google.common.base.Splitter;
import io.netchannel.device.DeviceException;
import io.netchannel.time.Durations;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The "name=value,name=value" of a filter in a device source. */
final class FilterOptions {
  private final String filter;
  private final Map<String, String> values = new HashMap<>();

  /**
   * @param filter its name, for messages
   * @param known the options it has
   * @throws DeviceException when an option is unknown, doubled or has no value
   */
  FilterOptions(String filter, String text, List<String> known) throws DeviceException {
    this.filter = filter;
    String all = String.join(", ", known);
    for (String option : Splitter.on(',').omitEmptyStrings().split(text)) {
      int equals = option.indexOf('=');
      if (equals <= 0 || equals == option.length() - 1) {
        throw new DeviceException(
            "filter %s: \"%s\" is not name=value; its options are: %s"
                .formatted(filter, option, all));
      }
      String name = option.substring(0, equals);
      if (!known.contains(name)) {
        throw new DeviceException(
            "filter %s has no option \"%s\"; its options are: %s".formatted(filter, name, all));
      }
      if (values.put(name, option.substring(equals + 1)) != null) {
        throw new DeviceException("filter %s: option %s is given twice".formatted(filter, name));
      }
    }
  }

  Optional<String> text(String name) {
    return Optional.ofNullable(values.get(name));
  }

  /** Zero when the option is missing. */
  Duration duration(String name) throws DeviceException {
    String value = values.get(name);
    if (value == null) {
      return Duration.ZERO;
    }
    return Durations.parse(value)
        .orElseThrow(
            () ->
                new DeviceException(
                    "filter %s: %s=%s is not a duration such as %s"
                        .formatted(filter, name, value, Durations.EXAMPLES)));
  }

  /** {@code otherwise} when the option is missing. */
  long number(String name, long otherwise) throws DeviceException {
    String value = values.get(name);
    if (value == null) {
      return otherwise;
    }
    try {
      return Long.parseLong(value);
    } catch (NumberFormatException e) {
      throw new DeviceException(
          "filter %s: %s=%s is not a whole number".formatted(filter, name, value), e);
    }
  }
}
