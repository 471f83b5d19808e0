package io.netchannel.coordinator;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A disk both hosts can open; it remembers every moment in which it had a wrong writer. */
final class SimulatedDisk {
  private final String target;
  private final Map<String, Long> writers = new TreeMap<>();
  private final List<String> violations = new ArrayList<>();
  private long highestGeneration;
  private String manifest = "";

  SimulatedDisk(String target) {
    this.target = target;
  }

  void open(String host, long generation) {
    writers.put(host, generation);
    if (writers.size() > 1) {
      violations.add(target + " has two writers: " + writers);
    }
    if (generation < highestGeneration) {
      violations.add(
          target
              + " is written by "
              + host
              + " with "
              + generation
              + " after "
              + highestGeneration);
    }
    highestGeneration = Math.max(highestGeneration, generation);
    manifest = "";
  }

  /** Served no more: what is pending is this, until somebody serves it again. */
  void sealed(String pending) {
    manifest = pending;
  }

  /** A host serves it from what it was handed. */
  void takenOver(String host, long generation, String pending) {
    if (!pending.equals(manifest)) {
      violations.add(
          "%s: %s takes over with \"%s\", pending is \"%s\""
              .formatted(target, host, pending, manifest));
    }
    open(host, generation);
    manifest = pending; // it may be taken over once more after a crash
  }

  /** Somebody has seen what must never be. */
  void violates(String what) {
    violations.add(target + ": " + what);
  }

  void close(String host) {
    writers.remove(host);
  }

  Map<String, Long> writers() {
    return writers;
  }

  List<String> violations() {
    return violations;
  }
}
