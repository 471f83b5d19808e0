package io.netchannel.demo.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** The report for programs. */
public final class JsonReport {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private JsonReport() {}

  /** All but the single requests. */
  public static String of(DemoReport report) {
    ObjectNode root = JSON.createObjectNode();
    root.put("verdict", report.holds() ? "pass" : "fail");
    root.put("version", report.version());
    root.put("at", report.at().toString());
    root.put("tookMillis", report.took().toMillis());
    root.put("seed", report.seed());
    ObjectNode figures = root.putObject("figures");
    report.figures().forEach(figures::put);
    ArrayNode verdicts = root.putArray("verdicts");
    for (Verdict verdict : report.verdicts()) {
      verdicts
          .addObject()
          .put("name", verdict.name())
          .put("holds", verdict.holds())
          .put("detail", verdict.detail());
    }
    ArrayNode migrations = root.putArray("migrations");
    report.migrations().forEach(migration -> add(migrations.addObject(), migration));
    try {
      return JSON.writeValueAsString(root) + "\n";
    } catch (JsonProcessingException e) {
      throw new AssertionError("a tree of texts and numbers can be written", e);
    }
  }

  private static void add(ObjectNode node, MigrationReport migration) {
    node.put("title", migration.title());
    node.put("source", migration.source());
    node.put("destination", migration.destination());
    node.put("moved", migration.moved());
    node.put("message", migration.message());
    node.put("downtimeMicros", migration.downtimeMicros());
    node.put("longestPauseMicros", migration.longestPauseMicros());
    node.put("outstanding", migration.onRings());
    node.put("pending", migration.pending());
    node.put("incomplete", migration.incomplete());
    node.put("replayed", migration.replayed());
    ObjectNode states = node.putObject("states");
    migration.states().forEach(states::put);
    ArrayNode steps = node.putArray("timeline");
    for (MigrationReport.Step step : migration.steps()) {
      steps
          .addObject()
          .put("phase", step.phase())
          .put("host", step.host())
          .put("atMicros", step.atMicros() - migration.beginMicros())
          .put("tookMicros", step.tookMicros())
          .put("detail", step.detail());
    }
  }
}
