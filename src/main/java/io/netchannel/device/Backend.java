package io.netchannel.device;

import java.util.Optional;

/**
 * What block and USB devices share as the place where a guest's requests go: whoever has opened one
 * is its user, perhaps with an authority that knows of it, as the server of another host.
 *
 * <p>A submitted request is always completed, exactly once, even when it is closed meanwhile. No
 * method throws for an I/O problem.
 */
public interface Backend extends AutoCloseable {

  /**
   * The user goes on with a newer generation than the one it opened the device with. What a device
   * without an authority of its own does not care for.
   */
  default void useGeneration(long generation) {}

  /**
   * The user will close it and come again under its name, as the daemon that serves a guest does
   * when it is restarted. What has an authority keeps the user's place there: no other user gets in
   * meanwhile, and {@link #close} does not wait for what runs. Requests that are outstanding at
   * that end with any outcome, which means nothing; the authority finishes them before the user
   * gets in again.
   */
  default void keepPlace() {}

  /**
   * Lets go of all that is outstanding, because it is the next generation's: completes it with
   * {@link Outcome#IO_ERROR}, which says nothing of what becomes of it. Does not wait. For a device
   * that gives custody only; before {@link #close}.
   */
  default void relinquish() {}

  /**
   * Its user has stopped, with all it had here done, and may go on elsewhere: until {@link
   * #useGeneration} it decides nothing by itself that would count there. Does not wait.
   */
  default void rest() {}

  /**
   * Why requests wait or fail at present, as the device is elsewhere and cannot be reached; empty
   * when all is well. For people.
   */
  default Optional<String> problem() {
    return Optional.empty();
  }

  /**
   * Whether the user's place at the authority is free, as that has said when this was closed. Else
   * nobody knows: it was away then, or {@link #keepPlace} was asked for.
   *
   * @return true where there is no authority
   */
  default boolean isGivenFree() {
    return true;
  }

  /**
   * Waits for what is running and releases the device. Idempotent, and each call waits: when it
   * returns, whoever called it may use the memory of his requests for something else.
   */
  @Override
  void close();
}
