package io.netchannel.coordinator;

import static io.netchannel.coordinator.Transitions.Durability.DURABLE;
import static io.netchannel.coordinator.Transitions.Durability.PRESUMED;

import com.google.common.collect.ImmutableTable;
import io.netchannel.coordinator.Transitions.Durability;
import java.util.Optional;

/**
 * The one table of what may happen to a job. "=" is in the journal, durably, before it has any
 * effect, "~" when the journal's storage allows.
 *
 * <pre>
 *   begun ==> COPYING ==switched==> SWITCHED ~~finished~~> DONE
 *              ~    ~                                       ~
 *              ~    ~~~taken over~~> TAKEN_OVER ~~finished~~+
 *              ~
 *              ~~~aborted~~> ABORTED       "=" when a person says so
 *              ~~~failed~~~> FAILED        a restart that finds COPYING compares again
 * </pre>
 *
 * "Taken over" is in the record of the COMMIT of its guest's migration, and "aborted" in that of a
 * migration that gave the copy back ({@link DiskJobStore#decided}).
 *
 * <p>A restart that finds SWITCHED does once more what is left. One that finds COPYING, as the end
 * of its guest could not be written, ends it then. What a person gives up no restart switches to:
 * the new device is his to use from then on.
 */
final class JobTransitions {
  record To(JobPhase phase, Durability durability) {}

  private static final ImmutableTable<JobPhase, JobEvent, To> TABLE =
      ImmutableTable.<JobPhase, JobEvent, To>builder()
          .put(JobPhase.COPYING, JobEvent.SWITCHED, new To(JobPhase.SWITCHED, DURABLE))
          .put(JobPhase.COPYING, JobEvent.ABORTED, new To(JobPhase.ABORTED, PRESUMED))
          .put(JobPhase.COPYING, JobEvent.FAILED, new To(JobPhase.FAILED, PRESUMED))
          .put(JobPhase.COPYING, JobEvent.TAKEN_OVER, new To(JobPhase.TAKEN_OVER, PRESUMED))
          .put(JobPhase.TAKEN_OVER, JobEvent.FINISHED, new To(JobPhase.DONE, PRESUMED))
          .put(JobPhase.SWITCHED, JobEvent.FINISHED, new To(JobPhase.DONE, PRESUMED))
          .build();

  private JobTransitions() {}

  static Optional<To> next(JobPhase phase, JobEvent event) {
    return Optional.ofNullable(TABLE.get(phase, event));
  }
}
