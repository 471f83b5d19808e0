package io.netchannel.demo.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A request at one host's mid-point, from when it came to when it went; for pictures.
 *
 * @param fromMicros when it was taken or adopted
 * @param toMicros when it was answered or handed over; the end of the trace when neither
 * @param ending how it went
 */
public record RequestSpan(
    String host,
    RequestKey key,
    String operation,
    long lengthBytes,
    long fromMicros,
    long toMicros,
    Ending ending) {

  /** How a request went, seen from one host. */
  public enum Ending {
    /** Answered, and the guest has the answer. */
    ANSWERED,
    /** Answered when the guest had stopped, so that it was handed over all the same. */
    ANSWERED_UNSEEN,
    /** Answered from the replay map: the other host had done it. */
    REPLAYED,
    /** Not answered here; it went to the other host. */
    HANDED,
    /** It came from the other host. */
    ADOPTED,
    OPEN
  }

  /** The spans of one host's trace, in order of their beginning. */
  public static List<RequestSpan> of(List<TraceEvent> trace) {
    Map<RequestKey, Building> requests = new LinkedHashMap<>();
    for (TraceEvent event : trace) {
      if (event.kind() == TraceEvent.Kind.UNSEAL) {
        requests.values().forEach(Building::takeBack);
      }
      event.request().ifPresent(key -> follow(requests, key, event));
    }
    long end = trace.isEmpty() ? 0 : trace.get(trace.size() - 1).micros();
    List<RequestSpan> spans = new ArrayList<>();
    requests.values().forEach(request -> spans.add(request.build(end)));
    spans.sort(Comparator.comparingLong(RequestSpan::fromMicros));
    return spans;
  }

  private static void follow(Map<RequestKey, Building> requests, RequestKey key, TraceEvent event) {
    switch (event.kind()) {
      case TAKE -> requests.put(key, new Building(event, Ending.OPEN));
      case ADOPT -> requests.put(key, new Building(event, Ending.ADOPTED));
      case REPLAY, DONE, ANSWER, HAND -> {
        if (requests.containsKey(key)) {
          requests.get(key).follow(event);
        }
      }
      case STAGE, SERVE, ISSUE, HOLD, SEEN, DROP, SEAL, UNSEAL, RETIRE -> {}
    }
  }

  private static final class Building {
    private final TraceEvent first;
    private Ending ending;
    private boolean replayed;
    private long to;

    Building(TraceEvent first, Ending ending) {
      this.first = first;
      this.ending = ending;
      // What was done before it was adopted is over; the others follow.
      to = ending == Ending.ADOPTED ? first.micros() : 0;
    }

    void follow(TraceEvent event) {
      switch (event.kind()) {
        case REPLAY -> replayed = true;
        case DONE -> {
          if (ending == Ending.ADOPTED) {
            to = event.micros();
          }
        }
        case ANSWER -> {
          ending = replayed ? Ending.REPLAYED : Ending.ANSWERED;
          to = event.micros();
        }
        case HAND -> {
          boolean answered = ending == Ending.ANSWERED || ending == Ending.REPLAYED;
          ending = answered ? Ending.ANSWERED_UNSEEN : Ending.HANDED;
          to = answered ? to : event.micros();
        }
        case STAGE, SERVE, TAKE, ISSUE, HOLD, SEEN, DROP, SEAL, ADOPT, UNSEAL, RETIRE ->
            throw new IllegalArgumentException("no step of a request: " + event);
      }
    }

    /** The migration was aborted: the guest sees the answers after all, the rest goes on here. */
    void takeBack() {
      if (ending == Ending.HANDED) {
        ending = Ending.OPEN;
        to = 0;
      } else if (ending == Ending.ANSWERED_UNSEEN) {
        ending = replayed ? Ending.REPLAYED : Ending.ANSWERED;
      }
    }

    RequestSpan build(long end) {
      return new RequestSpan(
          first.host(),
          first.request().orElseThrow(),
          first.operation(),
          first.lengthBytes(),
          first.micros(),
          ending == Ending.OPEN ? end : to,
          ending);
    }
  }
}
