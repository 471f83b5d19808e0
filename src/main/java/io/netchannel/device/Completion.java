package io.netchannel.device;

import io.netchannel.threads.LastResort;

/**
 * Told the outcome of one request, exactly once, on any thread. Must not block and must not throw.
 */
@FunctionalInterface
public interface Completion {
  void complete(Outcome outcome);

  /**
   * Completes a request for a device, whose thread has others to serve. A completion that throws,
   * against its promise, may have told nobody, and who waits for it would wait for ever: that is
   * the end of the process ({@link LastResort}), and the next one takes the request up again.
   *
   * @param device for the log
   */
  static void tell(Completion completion, Outcome outcome, Object device) {
    try {
      completion.complete(outcome);
    } catch (RuntimeException | Error e) {
      LastResort.end(device + ": the completion of a request threw, its outcome is lost", e);
    }
  }
}
