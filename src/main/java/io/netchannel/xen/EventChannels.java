package io.netchannel.xen;

/**
 * Event channels: edge notifications between domains (xen/include/public/event_channel.h). All
 * methods may be called from any thread.
 */
public interface EventChannels extends AutoCloseable {

  /**
   * Binds to a port that {@code domid} has allocated for us. Events that were sent before the
   * binding are not lost: the listener runs once right after it.
   *
   * @param onEvent runs on the event thread for every notification (several may merge into one); it
   *     only wakes somebody up: it returns at once and never throws
   * @throws XenException when there is no such port or it is not for us
   */
  EventChannel bindInterdomain(int domid, int remotePort, Runnable onEvent);

  @Override
  void close();

  /** One bound channel. */
  interface EventChannel extends AutoCloseable {
    /** Notifies the other end. */
    void notifyPeer();

    /** Unbinds; the listener is not called after the return. Idempotent. */
    @Override
    void close();
  }
}
