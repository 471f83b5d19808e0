package io.netchannel.midpoint;

/**
 * Hears how far a guest that was served elsewhere has come at its new mid-point: "connected",
 * "first request", "all pending answered".
 */
@FunctionalInterface
public interface Milestones {
  /** For whom they do not matter. */
  Milestones IGNORED = what -> {};

  /** Called on the mid-point's thread, which it must not hold up. */
  void reached(String what);
}
