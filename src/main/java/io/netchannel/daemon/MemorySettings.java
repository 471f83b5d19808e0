package io.netchannel.daemon;

import io.netty.util.internal.PlatformDependent;

/**
 * How much memory the data of requests may take, below what Java was given.
 *
 * @param bufferBytes outside of the heap: all of guests' disks and of clients of the device server
 * @param manifestBytes in the heap: what sealed disks hand over
 */
public record MemorySettings(long bufferBytes, long manifestBytes) {
  /** A request, and one of a client of the device server, several times over. */
  private static final long LEAST_BYTES = 8L << 20;

  /**
   * Of direct memory, for what the budget does not count: sockets' buffers and TLS, a few hundred
   * KiB per connection, and peers' messages.
   */
  private static final int REST_PART = 4;

  /** Nobody who gives Java more or less memory has to think of a second number. */
  private static final int DEFAULT_PART = 2;

  /**
   * A request of a guest holds its memory while it waits for the device server, so the server's
   * clients have a part of their own.
   */
  private static final int SERVER_PART = 4;

  /**
   * Of the heap. A manifest is there as what was pending, as the bytes that travel, and in the
   * message that they are a part of, for a moment all at once.
   */
  private static final int MANIFEST_PART = 8;

  /** What fits this process. */
  static MemorySettings defaults() {
    return new MemorySettings(direct() / DEFAULT_PART, manifests());
  }

  /** Reads [memory]. */
  static MemorySettings read(TomlTable table) throws ConfigurationException {
    String key = "buffers";
    long found = table.size(key).orElse(direct() / DEFAULT_PART);
    long most = direct() - direct() / REST_PART;
    if (found < LEAST_BYTES || found > most) {
      throw table.error(
          key,
          "%dM to %dM, three quarters of the direct memory that Java was given"
                  .formatted(LEAST_BYTES >> 20, most >> 20)
              + " (-XX:MaxDirectMemorySize, in /etc/default/netchannel)",
          (found >> 20) + "M");
    }
    table.finish();
    return new MemorySettings(found, manifests());
  }

  /** The part of guests' disks. */
  long guestBytes() {
    return bufferBytes - serverBytes();
  }

  /** The part of the device server's clients. */
  long serverBytes() {
    return bufferBytes / SERVER_PART;
  }

  private static long direct() {
    return PlatformDependent.estimateMaxDirectMemory();
  }

  private static long manifests() {
    return Runtime.getRuntime().maxMemory() / MANIFEST_PART;
  }
}
