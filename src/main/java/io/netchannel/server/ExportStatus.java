package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.Optional;

/**
 * What `netchannel exports` shows of an export.
 *
 * @param answers false when it did not tell in time, as its storage hangs while its device is
 *     opened or closed: then nothing is known of its clients
 * @param moved clients whose disk it is not any more, whether they hold it or not
 */
public record ExportStatus(
    Export export, boolean answers, ImmutableList<Client> clients, ImmutableList<Elsewhere> moved) {
  static ExportStatus silent(Export export) {
    return new ExportStatus(export, false, ImmutableList.of(), ImmutableList.of());
  }

  /** One that nobody has used. */
  public static ExportStatus unused(Export export) {
    return new ExportStatus(export, true, ImmutableList.of(), ImmutableList.of());
  }

  /**
   * A client whose disk is elsewhere: it is let in to overwrite all of the export only.
   *
   * @param to where its disk is, in its words; empty when the disk was never here
   * @param since when it went, or when the copy was begun
   * @param partial whether the export is an incomplete copy of its disk; otherwise the disk as it
   *     was when it went
   */
  public record Elsewhere(String client, Optional<String> to, Instant since, boolean partial) {}

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
