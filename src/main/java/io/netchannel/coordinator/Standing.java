package io.netchannel.coordinator;

/**
 * What a restarted daemon does with a disk whose nodes it finds.
 *
 * @param generation to serve it with; 0 when {@link State#UNKNOWN}
 */
public record Standing(State state, long generation) {

  /** May this host serve it. */
  public enum State {
    /** Serve it. */
    SERVES,
    /** Map its rings but answer nothing: the coordinator unseals or retires it. */
    SEALED,
    /** Publish it and wait for {@link LocalDevices#takeOver}. */
    WAITS,
    /** Another host has it: never serve it here. */
    AWAY,
    /** The journal knows nothing of it: claim a generation and serve it. */
    UNKNOWN
  }
}
