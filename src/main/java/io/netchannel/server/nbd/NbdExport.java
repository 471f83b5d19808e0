package io.netchannel.server.nbd;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.nbd.NbdProtocol;
import java.nio.charset.StandardCharsets;

/**
 * A device under a name. It stays open as long as its server serves it.
 *
 * <p>Any number of clients may use it at a time, also as one (NBD_FLAG_CAN_MULTI_CONN): they share
 * the device, whose flush makes durable what was written through any of them.
 */
public final class NbdExport {
  private final String name;
  private final String description;
  private final Device device;
  private final boolean readOnly;

  /** Guarded by this: connections that have ended, and of which requests are at the device yet. */
  private int ending;

  /**
   * Of a device that the caller closes, after the server.
   *
   * @param name empty for the export that a client gets who names none
   * @param readOnly refuses writes also where the device would take them
   */
  public NbdExport(String name, String description, Device device, boolean readOnly) {
    if (name.getBytes(StandardCharsets.UTF_8).length > NbdProtocol.MAX_STRING_BYTES) {
      throw new IllegalArgumentException(
          "the name of an export has at most " + NbdProtocol.MAX_STRING_BYTES + " bytes");
    }
    this.name = name;
    this.description = description;
    this.device = device;
    this.readOnly = readOnly || device.geometry().readOnly();
  }

  String name() {
    return name;
  }

  String description() {
    return description;
  }

  Device device() {
    return device;
  }

  DeviceGeometry geometry() {
    return device.geometry();
  }

  boolean readOnly() {
    return readOnly;
  }

  /** Transmission flags. */
  int flags() {
    int always =
        NbdProtocol.FLAG_HAS_FLAGS
            | NbdProtocol.FLAG_SEND_FLUSH
            | NbdProtocol.FLAG_SEND_FUA
            | NbdProtocol.FLAG_CAN_MULTI_CONN;
    if (readOnly) {
      return always | NbdProtocol.FLAG_READ_ONLY;
    }
    int trim = geometry().canDiscard() ? NbdProtocol.FLAG_SEND_TRIM : 0;
    return always | NbdProtocol.FLAG_SEND_WRITE_ZEROES | trim;
  }

  /** The preferred block of a client: what the device writes without reading first. */
  int preferredBlockBytes() {
    int physical = geometry().physicalBlockBytes();
    boolean fits =
        Integer.bitCount(physical) == 1
            && physical >= geometry().logicalBlockBytes()
            && physical <= RequestHeader.MAX_PAYLOAD_BYTES;
    return fits ? physical : geometry().logicalBlockBytes();
  }

  synchronized void connectionEnds() {
    ending++;
  }

  /** Whether {@link #awaitEnded} would wait. */
  synchronized boolean isEnding() {
    return ending > 0;
  }

  synchronized void connectionHasEnded() {
    ending--;
    notifyAll();
  }

  /**
   * Waits until nothing of a connection that has ended is at the device: a client that comes again
   * and repeats its requests must not be overtaken by its own old ones.
   */
  synchronized void awaitEnded() throws InterruptedException {
    while (ending > 0) {
      wait();
    }
  }
}
