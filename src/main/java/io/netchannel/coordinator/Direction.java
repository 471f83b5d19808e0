package io.netchannel.coordinator;

/** Which side of a migration this host is. */
public enum Direction {
  /** This host is the source. */
  OUTGOING,
  /** This host is the destination. */
  INCOMING
}
