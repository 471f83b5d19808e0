package io.netchannel.net;

import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;

/** The interfaces of this host, as they are when it is asked. */
public final class Interfaces {
  private Interfaces() {}

  /** Whether an address is this host's. */
  public static boolean isOurs(InetAddress address) {
    try {
      return address.isLoopbackAddress() || NetworkInterface.getByInetAddress(address) != null;
    } catch (SocketException e) {
      return false;
    }
  }

  /**
   * The host that has an address, however it is called: an address of it, or that it is this one.
   */
  public static String hostOf(InetAddress address) {
    return isOurs(address) ? "here" : address.getHostAddress();
  }
}
