package io.netchannel.device.remote;

import io.netchannel.device.DeviceException;
import io.netchannel.device.legs.Authority;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.WireException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What a device server keeps of mirrors, over a connection of its own for each question. */
final class RemoteRecords implements Authority {
  /** Makes the way to it. */
  @FunctionalInterface
  interface Link {
    RemoteLink make() throws DeviceException;
  }

  private final Link link;
  private final RemoteAddress address;
  private final boolean witness;

  /**
   * @param witness whether it is the server's own memory, and not that of the export
   */
  RemoteRecords(Link link, RemoteAddress address, boolean witness) {
    this.link = link;
    this.address = address;
    this.witness = witness;
  }

  private Optional<String> export() {
    return witness ? Optional.empty() : Optional.of(address.export());
  }

  @Override
  public Known ask(String client) throws DeviceException {
    return exchange(LegRecord.ask(export(), client));
  }

  @Override
  public void tell(String client, long generation, Optional<MirrorRecord> record)
      throws DeviceException {
    LegRecord told = new LegRecord(export(), client, generation, record.map(MirrorRecord::encoded));
    Optional<MirrorRecord> known = exchange(told).record();
    if (!known.equals(record)) {
      throw new DeviceException(
          "%s was told %s, and knows %s"
              .formatted(name(), record.orElse(null), known.orElse(null)));
    }
  }

  private String name() {
    return witness ? "witness " + address.host().orElseThrow() : address.toString();
  }

  private Known exchange(LegRecord said) throws DeviceException {
    RemoteLink to = link.make();
    Exchange exchange = new Exchange(said, name(), to);
    CompletableFuture<RemoteConnection> connection =
        CompletableFuture.supplyAsync(() -> to.connect(exchange), to.loop());
    try {
      LegRecord.Known known = await(exchange, connection, to);
      return new Known(known.generation(), known.inUse(), known.record().map(MirrorRecord::decode));
    } catch (IllegalArgumentException e) {
      throw new DeviceException(
          "%s: its record of the legs: %s".formatted(name(), e.getMessage()), e);
    } catch (ExecutionException e) {
      throw failed(exchange.mayBeTold, e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      throw failed(said.tells(), silent(to), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failed(said.tells(), name() + ": interrupted while it was asked", e);
    } finally {
      abandon(connection, to, () -> {});
    }
  }

  /**
   * The answer. Who has waited for too long abandons the connection before he decides whether the
   * server was told: until then the word may go out, and be answered.
   *
   * @throws TimeoutException when the connection may not be abandoned yet
   */
  private LegRecord.Known await(
      Exchange exchange, CompletableFuture<RemoteConnection> connection, RemoteLink to)
      throws ExecutionException, InterruptedException, TimeoutException {
    long boundMillis = to.options().open().toMillis();
    try {
      return exchange.answer.get(boundMillis, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      DeviceException why = new DeviceException(silent(to), e);
      abandon(connection, to, () -> exchange.answer.completeExceptionally(why));
      return exchange.answer.get(boundMillis, TimeUnit.MILLISECONDS);
    }
  }

  private String silent(RemoteLink to) {
    return "%s: expected an answer within %d s, found none"
        .formatted(name(), to.options().open().toSeconds());
  }

  private static void abandon(
      CompletableFuture<RemoteConnection> connection, RemoteLink to, Runnable then) {
    CompletableFuture<Void> unused =
        connection
            .thenAcceptAsync(RemoteConnection::abandon, to.loop())
            .whenComplete((done, failure) -> then.run());
  }

  private static DeviceException failed(boolean mayBeTold, String why, Throwable cause) {
    return mayBeTold ? new UntoldException(why, cause) : new DeviceException(why, cause);
  }

  private static final class Exchange extends Question<LegRecord.Known> {
    private final LegRecord said;
    private final String name;

    /** Whether it was sent what changes something, and has not said what became of that. */
    private volatile boolean mayBeTold;

    private Exchange(LegRecord said, String name, RemoteLink link) {
      super(link);
      this.said = said;
      this.name = name;
    }

    @Override
    public Optional<LegRecord> record(Preamble agreed) throws WireException {
      if (!agreed.hasRecords()) {
        throw new WireException(
            "%s: its server is older than this one (version %d of the protocol) and cannot keep which of two legs is up to date; install the same netchannel on both"
                .formatted(name, agreed.newest()));
      }
      mayBeTold = said.tells();
      return Optional.of(said);
    }

    @Override
    public void recorded(LegRecord.Known known) {
      mayBeTold = false;
      answer.complete(known);
    }

    @Override
    public void refused(Refusal reason, String text) {
      mayBeTold = false;
      answer.completeExceptionally(new DeviceException("%s refuses: %s".formatted(name, text)));
    }

    @Override
    public Attach attach(Preamble agreed) {
      throw new IllegalStateException("a record is sent in place of it");
    }

    @Override
    public void attached(Attached attached, Preamble agreed) throws WireException {
      throw new WireException("expected no ATTACHED, found " + attached);
    }
  }
}
