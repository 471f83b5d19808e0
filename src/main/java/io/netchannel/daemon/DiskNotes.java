package io.netchannel.daemon;

import java.util.UUID;

/** Hears what happens to the disks of a guest that has arrived by a migration. */
@FunctionalInterface
interface DiskNotes {
  /**
   * Notes something, in the order in which it is called; may be called from any thread and must not
   * hold it up.
   *
   * @param text "xvdb connected"
   */
  void note(UUID domain, String text);
}
