package io.netchannel.midpoint;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/** Written by the agent's thread alone, so that no locked instruction is needed; read by any. */
public final class Counters {
  /** What is counted; see {@link MidPointStatus}. */
  public enum Counter {
    TAKEN,
    ANSWERED,
    PENDING,
    REPLAYED,
    HANDED_OVER,
    ADOPTED,
    ERRORS,
    BYTES_READ,
    BYTES_WRITTEN
  }

  private final Map<Counter, AtomicLong> values = new EnumMap<>(Counter.class);

  Counters() {
    for (Counter counter : Counter.values()) {
      values.put(counter, new AtomicLong());
    }
  }

  public void add(Counter counter, long amount) {
    AtomicLong value = values.get(counter);
    value.setRelease(value.getPlain() + amount);
  }

  void set(Counter counter, long value) {
    values.get(counter).setRelease(value);
  }

  long get(Counter counter) {
    return values.get(counter).getAcquire();
  }
}
