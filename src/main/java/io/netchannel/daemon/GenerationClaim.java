package io.netchannel.daemon;

import io.netchannel.coordinator.JournalException;
import java.util.UUID;

/** Names the generation that a device of a guest starts with here; durable when it returns. */
@FunctionalInterface
public interface GenerationClaim {
  /**
   * Names the next one.
   *
   * @param known newest generation that the device's source knows of; the new one is higher
   */
  long claim(UUID domain, String target, long known) throws JournalException;
}
