package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.Optional;

/** What `netchannel exports` shows of an export. */
public record ExportStatus(Export export, ImmutableList<Client> clients) {

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
