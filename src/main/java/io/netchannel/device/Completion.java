package io.netchannel.device;

/**
 * Told the outcome of one request, exactly once, on any thread. Must not block and must not throw.
 */
@FunctionalInterface
public interface Completion {
  void complete(Outcome outcome);
}
