package io.netchannel.vdevice;

import org.slf4j.Logger;

/**
 * Log lines that a guest can cause, each naming guest and device. A hostile guest must not fill the
 * disk of its host: the first lines are written, then only every line whose number is a power of
 * two.
 *
 * <p>Used by one thread.
 */
public final class GuestLog {
  /** Enough to see what a broken frontend does wrong. */
  private static final long FIRST_LINES = 16;

  private final Logger logger;
  private final String device;
  private long warnings;
  private long notes;

  /**
   * @param device guest and device, the start of each line: "guest web1 (domain 7), vbd 51728"
   */
  public GuestLog(Logger logger, String device) {
    this.logger = logger;
    this.device = device;
  }

  /** Of one device: "guest web1 (domain 7), vbd 51728". */
  public static GuestLog of(Logger logger, String guestName, DeviceAddress address) {
    return new GuestLog(
        logger,
        "guest %s (domain %d), %s %d"
            .formatted(guestName, address.domid(), address.type(), address.devid()));
  }

  /** The guest has done something wrong. */
  public void warn(String message) {
    String line = limited(++warnings, message);
    if (!line.isEmpty()) {
      logger.warn("{}: {}", device, line);
    }
  }

  /**
   * Something that happens a few times in a device's life, unless a guest makes it happen more
   * often.
   */
  public void info(String message) {
    String line = limited(++notes, message);
    if (!line.isEmpty()) {
      logger.info("{}: {}", device, line);
    }
  }

  private static String limited(long number, String message) {
    if (number <= FIRST_LINES) {
      return message;
    }
    return Long.bitCount(number) == 1
        ? "%s (number %d of such lines, most are left out)".formatted(message, number)
        : "";
  }

  public String device() {
    return device;
  }
}
