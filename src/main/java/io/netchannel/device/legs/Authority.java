package io.netchannel.device.legs;

import io.netchannel.device.DeviceException;
import java.util.Optional;

/**
 * Keeps records of mirrors durably: a leg's server, the host of the guest, or a witness. What it is
 * asked may have to wait for another host, for a bounded time.
 */
public interface Authority {
  /**
   * What it knows of a disk.
   *
   * @param generation the newest that has used it, or told; 0: none
   * @param inUse whether the disk's guest is connected to it just now, from whatever host
   * @param record empty when it knows of no mirror
   */
  record Known(long generation, boolean inUse, Optional<MirrorRecord> record) {}

  /**
   * What it knows.
   *
   * @param client the disk, as it attaches
   * @throws DeviceException when it cannot be reached, or does not say
   */
  Known ask(String client) throws DeviceException;

  /**
   * Has it keep a record; durable when it returns.
   *
   * @param record empty to forget what it has
   * @throws UntoldException when nobody knows whether it has it
   * @throws DeviceException when it has not
   */
  void tell(String client, long generation, Optional<MirrorRecord> record) throws DeviceException;

  /** It was told, and has not answered. */
  final class UntoldException extends DeviceException {
    private static final long serialVersionUID = 1L;

    public UntoldException(String message, Throwable cause) {
      super(message, cause);
    }
  }
}
