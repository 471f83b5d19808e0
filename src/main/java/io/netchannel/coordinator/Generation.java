package io.netchannel.coordinator;

/**
 * The highest generation of a disk this host has heard of, and who may use it.
 *
 * @param holder name of a peer, or empty for this host
 */
public record Generation(long number, String holder) {
  static Generation here(long number) {
    return new Generation(number, "");
  }

  static Generation at(String peer, long number) {
    return new Generation(number, peer);
  }

  /** Whether this host may write with it. */
  public boolean isHere() {
    return holder.isEmpty();
  }
}
