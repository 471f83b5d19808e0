package io.netchannel.cli;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** What may stand in front of a device's source. */
final class SourceOptions {
  @Option(
      names = "--filter",
      paramLabel = "FILTER",
      description = {
        "A filter around the device, such as delay:read=300ms or trace:/tmp/x.jsonl; may be given "
            + "several times, outermost first."
      })
  private List<String> filters = new ArrayList<>();

  /** The source with its filters in front. */
  String around(String source) {
    return text(filters, source);
  }

  static String text(List<String> filters, String source) {
    List<String> parts = new ArrayList<>(filters);
    parts.add(source);
    return String.join("!", parts);
  }
}
