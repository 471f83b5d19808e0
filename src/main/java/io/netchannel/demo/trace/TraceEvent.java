package io.netchannel.demo.trace;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A line of a mid-point's trace.
 *
 * @param micros since the epoch
 * @param request the request it is about; empty for events of the mid-point itself
 * @param operation "read", "write", "flush"; empty where the line does not say
 * @param state of a manifest's entry: "unissued", "done", "failed", "answered"; else empty
 * @param pending entries of the manifest, of a seal or where it is staged; else 0
 * @param incomplete those of them that were at the device when the seal began
 */
public record TraceEvent(
    String host,
    long micros,
    Kind kind,
    long generation,
    Optional<RequestKey> request,
    String operation,
    long offsetBytes,
    long lengthBytes,
    String state,
    int pending,
    int incomplete) {

  /** What happened; the names in the trace are these in lower case. */
  public enum Kind {
    STAGE,
    SERVE,
    TAKE,
    REPLAY,
    ISSUE,
    HOLD,
    DONE,
    ANSWER,
    SEEN,
    DROP,
    SEAL,
    HAND,
    ADOPT,
    UNSEAL,
    RETIRE
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * All events of a trace, in the order in which they were written. It may still be written to: a
   * last line that has no end yet is left out.
   *
   * @throws IOException when it cannot be read or a line is not as {@code MidPointTrace} writes it
   */
  public static List<TraceEvent> read(String host, Path file) throws IOException {
    List<TraceEvent> events = new ArrayList<>();
    String text = Files.readString(file);
    for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
      try {
        events.add(parse(host, JSON.readTree(line)));
      } catch (IOException | IllegalArgumentException e) {
        throw new IOException(
            "%s, line %d is no event of a mid-point: %s".formatted(file, events.size() + 1, line),
            e);
      }
    }
    return events;
  }

  private static TraceEvent parse(String host, JsonNode line) {
    long generation = line.path("gen").asLong();
    Optional<RequestKey> request =
        line.has("seq")
            ? Optional.of(new RequestKey(generation, line.get("seq").asLong()))
            : Optional.empty();
    return new TraceEvent(
        host,
        line.path("t").asLong(),
        Kind.valueOf(line.path("e").asText().toUpperCase(Locale.ROOT)),
        generation,
        request,
        line.path("op").asText(""),
        line.path("off").asLong(),
        line.path("len").asLong(),
        line.path("state").asText(""),
        line.path("pending").asInt(),
        line.path("incomplete").asInt());
  }
}
