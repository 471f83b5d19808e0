package io.netchannel.coordinator;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A disk both hosts can open, and its copy, when it is to go along with its guest. It remembers
 * every moment in which it had a wrong writer, or one of them was served without all that the guest
 * had been told is written.
 */
final class SimulatedDisk {
  private final String target;
  private final Map<String, Long> writers = new TreeMap<>();
  private final List<String> violations = new ArrayList<>();
  private long highestGeneration;
  private String manifest = "";

  /** What the guest has been told is written: so many times. */
  private long told;

  /** What is on each device, by its source. */
  private final Map<String, Long> written = new TreeMap<>();

  private boolean isAlike;

  SimulatedDisk(String target) {
    this.target = target;
  }

  String target() {
    return target;
  }

  /** Where it is in the beginning. */
  String source() {
    return "file:/" + target;
  }

  /** Where it goes with its guest. */
  String copy() {
    return "netchannel://b/" + target;
  }

  /** All of it is on the copy as well, and what is written there is from now on. */
  void becomesAlike() {
    isAlike = true;
    written.put(copy(), written.getOrDefault(source(), 0L));
  }

  /** What is written is on the disk only from now on: a leg has failed, or its map was lost. */
  void losesCopy() {
    isAlike = false;
  }

  boolean isAlike() {
    return isAlike;
  }

  /** The guest writes, and is told so. */
  void write(String source) {
    told++;
    written.put(source, told);
    if (isAlike && source.equals(source())) {
      written.put(copy(), told);
    }
  }

  private void serves(String host, String source) {
    if (written.getOrDefault(source, 0L) != told) {
      violations.add(
          "%s: %s serves %s with %s, and its guest was told of %d"
              .formatted(target, host, source, written, told));
    }
  }

  void open(String host, long generation, String source) {
    serves(host, source);
    has(host, generation);
  }

  private void has(String host, long generation) {
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
  void takenOver(String host, long generation, String source, String pending) {
    if (!pending.equals(manifest)) {
      violations.add(
          "%s: %s takes over with \"%s\", pending is \"%s\""
              .formatted(target, host, pending, manifest));
    }
    serves(host, source); // its guest does not run yet
    has(host, generation);
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
