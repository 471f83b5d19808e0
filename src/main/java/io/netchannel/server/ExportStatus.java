package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.Optional;

/**
 * What `netchannel exports` shows of an export.
 *
 * @param answers false when it did not tell in time, as its storage hangs while its device is
 *     opened or closed: then nothing is known of its clients
 */
public record ExportStatus(Export export, boolean answers, ImmutableList<Client> clients) {
  static ExportStatus silent(Export export) {
    return new ExportStatus(export, false, ImmutableList.of());
  }

  /**
   * A client that holds the export.
   *
   * @param since when it attached first with this generation
   * @param address where it is connected from; empty while it is not
   * @param running its requests without a reply
   */
  public record Client(
      String name, long generation, Instant since, Optional<String> address, int running) {}
}
