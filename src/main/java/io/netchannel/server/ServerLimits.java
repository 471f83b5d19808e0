package io.netchannel.server;

import io.netchannel.tls.Strangers;
import io.netchannel.wire.Wire;

/**
 * What a connection may use.
 *
 * @param slots requests outstanding
 * @param windowBytes data of requests outstanding
 * @param strangers connections at the same time that have shown no trusted certificate; of more the
 *     oldest are closed
 * @param connections others at the same time, at each place where the server listens; more are
 *     closed
 * @param handshakeSeconds for TLS, and again from there to ATTACH
 * @param silenceSeconds a client that says nothing for one to two times as long is taken to be gone
 */
public record ServerLimits(
    int slots,
    int windowBytes,
    int strangers,
    int connections,
    int handshakeSeconds,
    int silenceSeconds) {

  /**
   * Slots: eight rings of one page. Window: 16 of the largest requests keep a fast network and the
   * storage behind it busy. Silence: clients ping every two seconds.
   */
  public static final ServerLimits DEFAULT =
      new ServerLimits(256, 16 << 20, Strangers.PLACES, 256, 10, 30);

  public ServerLimits {
    if (slots < 1 || slots > Wire.MAX_SLOTS || windowBytes < Wire.MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException(
          "expected 1 to %d slots and a window of %d bytes or more, found %d and %d"
              .formatted(Wire.MAX_SLOTS, Wire.MAX_PAYLOAD_BYTES, slots, windowBytes));
    }
  }
}
