package io.netchannel.midpoint;

/** Something that one thread does in small steps; the idea is Agrona's. */
public interface Agent extends AutoCloseable {

  /**
   * Does what there is to do without blocking.
   *
   * @return how much was done; 0 when there was nothing
   */
  int doWork();

  /** For the thread's name and for log lines. */
  String roleName();

  /** Called once on the agent's thread after the last {@link #doWork}. */
  @Override
  void close();
}
