package io.netchannel.coordinator;

/**
 * What a source does with a guest whose stock disks have requests that their backends have not
 * answered: key "unanswered" of section [stock-disks].
 */
public enum StockDiskPolicy {
  /** Waits for [timeouts] drain, then ends the migration: the guest goes on at the source. */
  ABORT,
  /** Waits for as long as a hook may take. */
  WAIT,
  /** Does not look: stock guests migrate as without Netchannel. */
  IGNORE
}
