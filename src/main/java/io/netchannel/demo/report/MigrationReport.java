package io.netchannel.demo.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.demo.trace.RequestSpan;
import java.util.List;
import java.util.Map;

/**
 * What is shown of one migration. All times are microseconds since the epoch.
 *
 * @param moved whether the guest runs at the destination afterwards; else it was aborted
 * @param message why it was aborted, as the user of virsh reads it; else ""
 * @param stoppedMicros when the guest stood still
 * @param runsMicros when it ran again, wherever
 * @param onRings requests that the guest waited for when it stopped, as its own driver counts them
 * @param pending requests in the manifest
 * @param incomplete those of them that were at the device when the seal began
 * @param states how far the pending ones had come: "unissued", "done", "answered" to their number
 * @param replayed requests that the guest sent again and got answered from what the source had done
 * @param longestPauseMicros between two completions, as the guest's program saw it
 * @param steps of both hosts, in order of time
 * @param spans requests at both hosts' mid-points around the stop
 */
public record MigrationReport(
    String title,
    String source,
    String destination,
    boolean moved,
    String message,
    long stoppedMicros,
    long runsMicros,
    int onRings,
    int pending,
    int incomplete,
    Map<String, Integer> states,
    int replayed,
    long longestPauseMicros,
    List<Step> steps,
    List<RequestSpan> spans) {

  /** A phase at one host. */
  public record Step(String host, String phase, long atMicros, long tookMicros, String detail) {}

  public MigrationReport {
    states = ImmutableMap.copyOf(states);
    steps = ImmutableList.copyOf(steps);
    spans = ImmutableList.copyOf(spans);
  }

  /** How long the guest stood still. */
  public long downtimeMicros() {
    return runsMicros - stoppedMicros;
  }

  /** When the first step began; timelines count from here. */
  public long beginMicros() {
    return steps.stream().mapToLong(Step::atMicros).min().orElse(stoppedMicros);
  }

  List<Step> stepsOf(String host) {
    return steps.stream().filter(step -> step.host().equals(host)).toList();
  }
}
