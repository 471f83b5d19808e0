package io.netchannel.demo;

import io.netchannel.coordinator.Migration;
import io.netchannel.coordinator.Migrations;
import io.netchannel.demo.report.MigrationReport;
import io.netchannel.demo.report.MigrationReport.Step;
import io.netchannel.demo.trace.RequestSpan;
import io.netchannel.demo.trace.TraceEvent;
import io.netchannel.demo.trace.TraceEvent.Kind;
import io.netchannel.rehearsal.host.DomainDefinition;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.rehearsal.host.Virsh;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** Puts together what both hosts' coordinators and mid-points have noted of a migration. */
final class MigrationObserver {
  /** Requests this long before and after the standstill may be in the picture. */
  private static final long AROUND_MICROS = TimeUnit.SECONDS.toMicros(2);

  private final String title;
  private final ModelHost source;
  private final ModelHost destination;
  private final DomainDefinition definition;

  MigrationObserver(
      String title, ModelHost source, ModelHost destination, DomainDefinition definition) {
    this.title = title;
    this.source = source;
    this.destination = destination;
    this.definition = definition;
  }

  MigrationReport report(Virsh.Outcome outcome, long longestPauseNanos) throws IOException {
    List<TraceEvent> sourceTrace = trace(source, definition);
    List<TraceEvent> destinationTrace = trace(destination, definition);
    long stopped = outcome.stoppedMicros();
    TraceEvent seal =
        sourceTrace.stream()
            .filter(event -> event.kind() == Kind.SEAL && event.micros() >= stopped)
            .findFirst()
            .orElseThrow(
                () -> new IllegalStateException(source.name() + " has not sealed, by its trace"));
    Map<String, Integer> states = new TreeMap<>();
    sourceTrace.stream()
        .filter(event -> event.kind() == Kind.HAND && event.micros() >= stopped)
        .forEach(event -> states.merge(event.state(), 1, Integer::sum));
    long replayed =
        destinationTrace.stream()
            .filter(event -> event.kind() == Kind.REPLAY && event.micros() >= stopped)
            .count();
    List<RequestSpan> spans = new ArrayList<>();
    long from = stopped - AROUND_MICROS;
    long to = outcome.runsMicros() + AROUND_MICROS;
    for (List<TraceEvent> trace : List.of(sourceTrace, destinationTrace)) {
      RequestSpan.of(trace).stream()
          .filter(span -> span.toMicros() >= from && span.fromMicros() <= to)
          .forEach(spans::add);
    }
    return new MigrationReport(
        title,
        source.name(),
        destination.name(),
        outcome.moved(),
        outcome.message(),
        stopped,
        outcome.runsMicros(),
        outcome.guest().onRings(),
        seal.pending(),
        seal.incomplete(),
        states,
        Math.toIntExact(replayed),
        TimeUnit.NANOSECONDS.toMicros(longestPauseNanos),
        steps(),
        spans);
  }

  /** What the mid-points of a host have traced so far; empty before the first one. */
  static List<TraceEvent> trace(ModelHost host, DomainDefinition definition) throws IOException {
    Path file = host.traceFile(definition).orElseThrow();
    return Files.exists(file) ? TraceEvent.read(host.name(), file) : List.of();
  }

  private List<Step> steps() {
    List<Step> steps = new ArrayList<>();
    for (ModelHost host : List.of(source, destination)) {
      Migrations migrations = host.migrations();
      Migration last = host.lastMigration().orElseThrow();
      for (Migrations.Entry entry : migrations.ownTimeline(last)) {
        steps.add(
            new Step(
                host.name(),
                entry.phase().name(),
                ChronoUnit.MICROS.between(Instant.EPOCH, entry.at()),
                TimeUnit.NANOSECONDS.toMicros(entry.duration().toNanos()),
                entry.detail()));
      }
    }
    steps.sort(Comparator.comparingLong(Step::atMicros));
    return steps;
  }
}
