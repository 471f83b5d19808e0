package io.netchannel.daemon;

import com.google.common.net.HostAndPort;
import io.netchannel.net.HostPorts;
import io.netchannel.wire.Wire;
import java.time.Duration;
import java.util.Optional;

/**
 * What netchannel.toml says about disks with two legs.
 *
 * @param timeout how long a leg may keep a request before the other one goes on alone
 * @param witness the device server that is told of each leg that goes on alone; empty: only the
 *     legs and the host of the guest know
 */
record LegSettings(Duration timeout, Optional<HostAndPort> witness) {
  /** A guest stands still that long when a leg fails; a lost packet takes TCP a second. */
  static final LegSettings DEFAULT = new LegSettings(Duration.ofSeconds(5), Optional.empty());

  private static final Duration LEAST_TIMEOUT = Duration.ofSeconds(1);

  /** Reads [mirror]. */
  static LegSettings read(TomlTable table) throws ConfigurationException {
    String timeoutKey = "leg-timeout";
    Duration timeout = table.duration(timeoutKey).orElse(DEFAULT.timeout());
    if (timeout.compareTo(LEAST_TIMEOUT) < 0) {
      throw table.error(
          timeoutKey, "1s or more, as a busy disk may take that long", timeout.toMillis() + "ms");
    }
    Optional<String> text = table.text("witness");
    Optional<HostAndPort> witness = Optional.empty();
    if (text.isPresent()) {
      try {
        witness = Optional.of(HostPorts.parse(text.get(), Wire.DEFAULT_PORT));
      } catch (IllegalArgumentException e) {
        throw table.error(
            "witness", "the address of a device server such as \"hostc\"", text.get());
      }
    }
    table.finish();
    return new LegSettings(timeout, witness);
  }
}
