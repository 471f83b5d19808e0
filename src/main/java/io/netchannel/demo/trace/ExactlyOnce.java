package io.netchannel.demo.trace;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Checks from the traces of all hosts that every request had exactly one outcome:
 *
 * <ul>
 *   <li>each request is taken once, answered at most once, and sent to the device at most once on
 *       all hosts together;
 *   <li>each is answered or handed over in the end; what is handed over is adopted by one other
 *       host, once, as the same request;
 *   <li>a mid-point that has sealed neither sends to the device nor answers, unless it was
 *       unsealed, and nothing of its own is still running there.
 * </ul>
 *
 * A request that the guest sends again after it has moved is a new one here; that it has the effect
 * of one and not of two is what the guest's own checks show.
 */
public final class ExactlyOnce {
  private static final int MAX_REPORTED = 20;

  /**
   * What was found.
   *
   * @param handed entries that went to another host for good
   * @param replayed requests answered from what the other host had done
   * @param violations in words, the first ones; empty when all is well
   */
  public record Result(
      long taken,
      long answered,
      long issued,
      long handed,
      long adopted,
      long replayed,
      List<String> violations) {}

  private static final class History {
    Optional<TraceEvent> take = Optional.empty();
    Optional<TraceEvent> hand = Optional.empty();
    Optional<TraceEvent> adopt = Optional.empty();
    int answers;
    int issues;
    int running;
    boolean dropped;
  }

  private final Map<RequestKey, History> histories = new LinkedHashMap<>();
  private final List<String> violations = new ArrayList<>();
  private long replayed;

  private ExactlyOnce() {}

  /**
   * Checks traces that are complete: nothing is outstanding.
   *
   * @param traces of each host, in its order
   */
  public static Result check(List<List<TraceEvent>> traces) {
    ExactlyOnce check = new ExactlyOnce();
    // First what was taken: hosts' clocks are not compared.
    traces.forEach(trace -> trace.forEach(check::taken));
    traces.forEach(check::follow);
    check.histories.forEach(check::ended);
    return check.result();
  }

  private void taken(TraceEvent event) {
    if (event.kind() == TraceEvent.Kind.TAKE) {
      History history = history(event);
      if (history.take.isPresent()) {
        violation("request %s was taken twice", event);
      }
      history.take = Optional.of(event);
    }
  }

  private void follow(List<TraceEvent> trace) {
    boolean sealed = false;
    for (TraceEvent event : trace) {
      switch (event.kind()) {
        case SERVE -> sealed = false;
        case SEAL -> {
          sealed = true;
          checkNothingRuns(event);
        }
        case UNSEAL -> {
          sealed = false;
          takeBack(event.host());
        }
        case ISSUE -> issued(event, sealed);
        case HOLD -> held(event);
        case DONE -> done(event, sealed);
        case ANSWER -> answered(event, sealed);
        case HAND -> history(event).hand = Optional.of(event);
        case ADOPT -> {
          sealed = false;
          adopted(event);
        }
        case REPLAY -> replayed++;
        case DROP -> history(event).dropped = true;
        case TAKE, SEEN, STAGE, RETIRE -> {}
      }
    }
  }

  private void issued(TraceEvent event, boolean sealed) {
    History history = history(event);
    history.issues++;
    history.running++;
    if (sealed) {
      violation("request %s was sent to the device after the seal", event);
    }
    if (history.issues > 1) {
      violation("request %s was sent to the device twice", event);
    }
  }

  /** It came back without an outcome, and may be sent again. */
  private void held(TraceEvent event) {
    History history = history(event);
    history.running--;
    history.issues--;
  }

  private void done(TraceEvent event, boolean sealed) {
    history(event).running--;
    if (sealed) {
      violation("request %s was done by the device after the seal", event);
    }
  }

  private void answered(TraceEvent event, boolean sealed) {
    History history = history(event);
    history.answers++;
    if (sealed) {
      violation("request %s was answered after the seal", event);
    }
    if (history.answers > 1) {
      violation("request %s was answered twice", event);
    }
    if (history.take.isEmpty()) {
      violation("request %s was answered and never taken", event);
    }
  }

  private void adopted(TraceEvent event) {
    History history = history(event);
    if (history.adopt.isPresent()) {
      violation("request %s was adopted twice", event);
    }
    history.adopt = Optional.of(event);
  }

  private void checkNothingRuns(TraceEvent seal) {
    histories.forEach(
        (key, history) -> {
          if (history.running > 0 && history.take.filter(at(seal.host())).isPresent()) {
            violation("request %s still ran at the device after the seal", history.take.get());
          }
        });
  }

  /** An unsealed mid-point goes on with what it had put into the manifest. */
  private void takeBack(String host) {
    histories.values().stream()
        .filter(history -> history.hand.filter(at(host)).isPresent())
        .filter(history -> history.adopt.isEmpty())
        .forEach(history -> history.hand = Optional.empty());
  }

  private void ended(RequestKey key, History history) {
    if (history.take.isEmpty()) {
      violation("request %s was adopted or answered, and no host has taken it".formatted(key));
      return;
    }
    TraceEvent take = history.take.get();
    if (history.hand.isPresent() != history.adopt.isPresent()) {
      violation(
          history.hand.isPresent()
              ? "request %s was handed over and nobody adopted it"
              : "request %s was adopted and never handed over",
          take);
    }
    if (history.hand.isPresent() && history.adopt.isPresent()) {
      checkHandOver(history, history.hand.get(), history.adopt.get());
    }
    if (history.answers == 0 && history.hand.isEmpty() && !history.dropped) {
      violation("request %s had no outcome", take);
    }
    if (history.running > 0) {
      violation("request %s was sent to the device and has never come back", take);
    }
  }

  private void checkHandOver(History history, TraceEvent hand, TraceEvent adopt) {
    if (hand.host().equals(adopt.host())) {
      violation("request %s was handed over to its own host", hand);
    }
    boolean same =
        hand.operation().equals(adopt.operation())
            && hand.offsetBytes() == adopt.offsetBytes()
            && hand.lengthBytes() == adopt.lengthBytes()
            && hand.state().equals(adopt.state());
    if (!same) {
      violation("request %s was adopted as another request", hand);
    }
    boolean issuedOnce = history.issues == 1;
    if (hand.state().equals("unissued") && !issuedOnce && hand.operation().equals("write")) {
      violation("request %s, a write nobody had begun, was not finished by its new host", hand);
    }
  }

  private History history(TraceEvent event) {
    return histories.computeIfAbsent(event.request().orElseThrow(), key -> new History());
  }

  private static java.util.function.Predicate<TraceEvent> at(String host) {
    return event -> event.host().equals(host);
  }

  private void violation(String words, TraceEvent event) {
    violation(
        words.formatted(
            "%s (%s, %d bytes at %d) at %s"
                .formatted(
                    event.request().orElseThrow(),
                    event.operation().isEmpty() ? event.kind() : event.operation(),
                    event.lengthBytes(),
                    event.offsetBytes(),
                    event.host())));
  }

  private void violation(String words) {
    if (violations.size() < MAX_REPORTED) {
      violations.add(words);
    }
  }

  private Result result() {
    long taken = 0;
    long answered = 0;
    long issued = 0;
    long handed = 0;
    long adopted = 0;
    for (History history : histories.values()) {
      taken += history.take.isPresent() ? 1 : 0;
      answered += history.answers;
      issued += history.issues;
      handed += history.hand.isPresent() ? 1 : 0;
      adopted += history.adopt.isPresent() ? 1 : 0;
    }
    return new Result(taken, answered, issued, handed, adopted, replayed, List.copyOf(violations));
  }
}
