package io.netchannel.cli;

import java.util.LinkedHashMap;
import java.util.Map;

/** A job as the daemon tells it: web1's xvdb is copied, 41.3 of 96 GiB of data. */
final class Told {
  static final long COPIED_BYTES = 44_344_884_428L;
  static final long DATA_BYTES = 96L << 30;

  private final Map<String, Object> json = new LinkedHashMap<>();

  private Told(String state) {
    json.put("domain", "web1");
    json.put("uuid", "6695eb01-f6a4-8304-79aa-97f2502e193f");
    json.put("target", "xvdb");
    json.put("state", state);
    json.put("reason", null);
    json.put("old", "file:/dev/vg0/web1");
    json.put("new", "file:/dev/vg1/web1");
    json.put("sizeBytes", 128L << 30);
    json.put("copiedBytes", COPIED_BYTES);
    json.put("zeroBytes", 32L << 30);
    json.put("leftBytes", DATA_BYTES - COPIED_BYTES);
    json.put("verify", false);
    json.put("verifiedBytes", null);
    json.put("passes", 1L);
    json.put("staleCopies", 7L);
    json.put("heldWrites", 3L);
    json.put("longestWriteMillis", 4L);
    json.put("rateBytesPerSecond", 182L << 20);
    json.put("secondsLeft", 300L);
    json.put("throttled", false);
    json.put("pivot", "auto");
    json.put("bandwidth", 0L);
    json.put("started", "2026-01-02T03:04:05Z");
    json.put("ended", null);
    json.put("switchedAfterMillis", null);
    xml("none", "none");
  }

  static Told in(String state) {
    return new Told(state);
  }

  /** Switched after 9 min 12 s, the XML is right. */
  static Told done() {
    return in("done")
        .with("leftBytes", 0L)
        .with("switchedAfterMillis", 552_000L)
        .with("ended", "2026-01-02T03:13:17Z")
        .xml("written", "written");
  }

  Told with(String name, Object value) {
    json.put(name, value);
    return this;
  }

  Told xml(String live, String config) {
    return with("metadata", Map.of("live", live, "config", config));
  }

  Map<String, Object> json() {
    return json;
  }

  JobReport report() throws CommandFailedException {
    return new JobReport(json);
  }
}
