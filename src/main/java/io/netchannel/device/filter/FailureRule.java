package io.netchannel.device.filter;

import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceOptions;
import java.util.Random;

/**
 * Which requests of a kind fail: a whole number N is every Nth (1: all of them), a fraction each
 * with that probability. Not thread-safe.
 */
@FunctionalInterface
public interface FailureRule {
  /** Whether the next one fails. */
  boolean fails();

  /**
   * Reads the option of a filter.
   *
   * @param filter its name, for messages
   * @return a rule by which none fails where the option is missing
   */
  static FailureRule of(String filter, SourceOptions options, String name, Random random)
      throws DeviceException {
    String value = options.text(name).orElse(null);
    if (value == null) {
      return () -> false;
    }
    try {
      boolean percent = value.endsWith("%");
      if (percent || value.contains(".")) {
        String number = percent ? value.substring(0, value.length() - 1) : value;
        double probability = Double.parseDouble(number) / (percent ? 100 : 1);
        if (probability > 0 && probability < 1) {
          return () -> random.nextDouble() < probability;
        }
      } else {
        long every = Long.parseLong(value);
        if (every >= 1) {
          return everyNth(every);
        }
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new DeviceException(
        "filter %s: %s=%s is neither a whole number from 1 (every Nth fails) nor a probability"
                .formatted(filter, name, value)
            + " between 0 and 1 such as 0.01 or 1%");
  }

  private static FailureRule everyNth(long every) {
    long[] count = new long[1];
    return () -> ++count[0] % every == 0;
  }
}
