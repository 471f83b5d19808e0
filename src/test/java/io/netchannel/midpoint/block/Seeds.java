package io.netchannel.midpoint.block;

import java.util.Random;

/**
 * Runs a property for many seeds and names the seed that failed. {@code -Dnetchannel.seed=N} runs
 * that one alone, {@code -Dnetchannel.runs=N} another number of them.
 */
final class Seeds {
  interface Property {
    void check(Random random) throws Exception;
  }

  private Seeds() {}

  static void forEach(int runs, Property property) {
    Long only = Long.getLong("netchannel.seed");
    long first = only == null ? 1 : only;
    long last = only == null ? Integer.getInteger("netchannel.runs", runs) : only;
    for (long seed = first; seed <= last; seed++) {
      try {
        property.check(new Random(seed * 0x9E3779B97F4A7C15L));
      } catch (Exception | AssertionError e) {
        throw new AssertionError("failed for -Dnetchannel.seed=" + seed + ": " + e.getMessage(), e);
      }
    }
  }
}
