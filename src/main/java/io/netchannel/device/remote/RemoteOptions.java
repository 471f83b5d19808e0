package io.netchannel.device.remote;

import java.time.Duration;
import java.util.Optional;

/**
 * How patient a remote device is.
 *
 * @param open until the server must have answered when a device is opened
 * @param connect of one attempt to connect
 * @param ping how often the server is asked for a sign of life
 * @param silence after which a server that says nothing is taken to be gone
 * @param firstDelay before the second attempt to connect; doubled from then on
 * @param longestDelay between two attempts
 * @param giveUp requests fail when the server has been away for so long; empty: they wait for it,
 *     as with a hard mount of NFS
 */
public record RemoteOptions(
    Duration open,
    Duration connect,
    Duration ping,
    Duration silence,
    Duration firstDelay,
    Duration longestDelay,
    Optional<Duration> giveUp) {

  /**
   * Open: less than a hook may take. Connect: a lost packet is sent again after one second.
   * Silence: three pings; TCP itself would wait for a quarter of an hour. Longest delay: a guest
   * does not wait longer than that for a server that is back.
   */
  public static final RemoteOptions DEFAULT =
      new RemoteOptions(
          Duration.ofSeconds(10),
          Duration.ofSeconds(3),
          Duration.ofSeconds(2),
          Duration.ofSeconds(6),
          Duration.ofMillis(50),
          Duration.ofSeconds(1),
          Optional.empty());

  /** As these, with another bound. */
  public RemoteOptions withGiveUp(Optional<Duration> bound) {
    return new RemoteOptions(open, connect, ping, silence, firstDelay, longestDelay, bound);
  }
}
