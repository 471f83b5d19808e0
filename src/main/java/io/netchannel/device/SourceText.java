package io.netchannel.device;

import com.google.common.collect.ImmutableList;
import java.util.Map;

/**
 * The text of a source, taken apart:
 *
 * <pre>
 *   source  := { filter "!" } device
 *   device  := scheme ":" text
 *   filter  := name ":" options    {@link SourceOptions}, or what the filter takes
 * </pre>
 *
 * The outermost filter comes first. What follows the device's scheme is all its own and may contain
 * '!'.
 *
 * @param <D> the devices
 * @param <K> what opens those of one scheme
 * @param filters outermost first
 * @param scheme of the device
 * @param kind what the scheme stands for
 * @param text what follows the scheme and its colon
 */
public record SourceText<D extends Backend, K>(
    ImmutableList<SourceFilter<D>> filters, String scheme, K kind, String text) {
  private static final char FILTER_END = '!';

  /**
   * Takes a source apart; the options of its filters are read, nothing is opened.
   *
   * @param kinds by their schemes, in the order in which a message names them
   * @param filters by their names, likewise
   * @throws DeviceException when it names unknown things or options
   */
  public static <D extends Backend, K> SourceText<D, K> parse(
      String source, Map<String, K> kinds, Map<String, SourceFilter.Kind<D>> filters)
      throws DeviceException {
    String known =
        "known devices: %s; known filters: %s (in the source \"%s\")"
            .formatted(
                String.join(", ", kinds.keySet()), String.join(", ", filters.keySet()), source);
    ImmutableList.Builder<SourceFilter<D>> found = ImmutableList.builder();
    String rest = source;
    while (true) {
      int colon = rest.indexOf(':');
      if (colon <= 0) {
        throw new DeviceException(
            "\"%s\" does not start with a kind of device and a colon; %s".formatted(rest, known));
      }
      String word = rest.substring(0, colon);
      String text = rest.substring(colon + 1);
      K kind = kinds.get(word);
      if (kind != null) {
        return new SourceText<>(found.build(), word, kind, text);
      }
      SourceFilter.Kind<D> filter = filters.get(word);
      if (filter == null) {
        throw new DeviceException(
            "\"%s\" is no known kind of device or filter; %s".formatted(word, known));
      }
      int end = text.indexOf(FILTER_END);
      if (end < 0) {
        throw new DeviceException(
            "filter %s is not followed by '!' and a device; %s".formatted(word, known));
      }
      found.add(filter.parse(text.substring(0, end)));
      rest = text.substring(end + 1);
    }
  }

  /**
   * Puts the filters around the device that was opened for it.
   *
   * @throws DeviceException when one of them cannot be; the device is closed then
   */
  public D around(D opened) throws DeviceException {
    D device = opened;
    for (SourceFilter<D> filter : filters.reverse()) {
      try {
        device = filter.around(device);
      } catch (DeviceException | RuntimeException e) {
        device.close();
        throw e;
      }
    }
    return device;
  }
}
