package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.function.Consumer;
import picocli.CommandLine.Option;

/** How a command prints what it found. */
final class OutputOptions {
  enum Format {
    table,
    json
  }

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "table",
      description = "Output format: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Format format = Format.table;

  boolean isJson() {
    return format == Format.json;
  }

  /** Prints {@code value} as JSON, or what {@code table} prints. */
  void print(PrintWriter out, Object value, Consumer<PrintWriter> table) {
    switch (format) {
      case json -> out.println(Json.writePretty(value));
      case table -> table.accept(out);
    }
    out.flush();
  }
}
