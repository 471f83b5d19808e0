package io.netchannel.demo.trace;

/**
 * A request at all hosts: the generation in which its mid-point took it, and its number there.
 * Generations are given once, so no two requests have the same key.
 */
public record RequestKey(long generation, long sequence) {
  @Override
  public String toString() {
    return generation + "/" + sequence;
  }
}
