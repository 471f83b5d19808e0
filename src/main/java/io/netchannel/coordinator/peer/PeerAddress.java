package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableSet;
import com.google.common.net.HostAndPort;
import io.netchannel.net.HostPorts;
import io.netchannel.tls.CertificateNames;

/**
 * A configured peer.
 *
 * @param name what it calls itself; its certificate may carry this name instead of the host's
 * @param host name or address to connect to
 */
public record PeerAddress(String name, String host, int port) {
  /** Of netchanneld; beside libvirt's 16509 and 16514. */
  public static final int DEFAULT_PORT = 16515;

  /** Reads "hostb", "hostb:16515", "10.0.0.2:16515", "[fd00::2]:16515" or "[fe80::2%eth0]". */
  public static PeerAddress parse(String name, String address) {
    try {
      HostAndPort parsed = HostPorts.parse(address, DEFAULT_PORT);
      return new PeerAddress(name, parsed.getHost(), parsed.getPort());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "[[peer]] "
              + name
              + ": expected an address like \"hostb:16515\", found \""
              + address
              + "\"",
          e);
    }
  }

  /** Names of which its certificate must prove one, as {@link CertificateNames} has them. */
  ImmutableSet<String> names() {
    return ImmutableSet.of(
        CertificateNames.canonical(name), CertificateNames.canonical(HostPorts.withoutZone(host)));
  }

  @Override
  public String toString() {
    return name + " (" + HostAndPort.fromParts(host, port) + ")";
  }
}
