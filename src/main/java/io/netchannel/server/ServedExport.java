package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.MoreExecutors;
import io.netchannel.device.DeviceException;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Refusal;
import java.io.IOException;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One export: who may use it, and its clients' sessions. What changes who uses it happens on one
 * executor, one after the other; requests do not pass through here. The device, and what a client
 * is told of it, is its kind's to know.
 */
abstract class ServedExport {
  private static final Logger log = LoggerFactory.getLogger(ServedExport.class);

  private static final String SHUTTING_DOWN = "the device server is shutting down";

  private final Export export;
  private final GenerationStore generations;
  private final ServerParts parts;
  private final Executor serial;

  // All below is used on serial only, but for unfinished().
  private final Map<String, Session<?>> sessions = new ConcurrentHashMap<>();

  /** What their clients had at the device is waited for. */
  private volatile ImmutableList<Session<?>> dismissed = ImmutableList.of();

  /** Of each session, whose ATTACH waits for the session to settle. */
  private final Map<Session<?>, Connection> attaching = new HashMap<>();

  /** Clients that did not hold it before, and have not been told that they do now. */
  private final Set<String> untold = new HashSet<>();

  private boolean removed;

  /** Whether the server is; the export is there again with the next one. */
  private boolean closing;

  ServedExport(Export export, GenerationStore generations, ServerParts parts) {
    this.export = export;
    this.generations = generations;
    this.parts = parts;
    this.serial = MoreExecutors.newSequentialExecutor(parts.executor());
  }

  // ---- what its kind has of its own, on the export's executor

  /** What the device is called as that of a generation: another one is not its client's. */
  abstract String place() throws DeviceException;

  /** Opens the device for a client, if it is not open. */
  abstract void openDevice(Attach attach) throws DeviceException;

  /** Whether it is. */
  abstract boolean isOpen();

  /** Waits for what is running. */
  abstract void closeDevice();

  /** Nobody holds the export, or it is not there any more, and the device is not open. */
  abstract void unheld();

  /** Why a client with this generation is not let in, beside those of all kinds. */
  abstract Optional<String> refusal(GenerationStore.Entry known, Attach attach);

  /** Why what is here is not the client's, from this ATTACH on. */
  abstract Optional<OutOfDate> outOfDate(Attach attach);

  /** Of the device, which is open. */
  abstract Session<?> newSession(String client);

  /** What a client is told that is let in. */
  abstract Attached.Body told(Connection connection, Attach attach, Session<?> session);

  /**
   * What a client is told that only asks; opens the device if that has to be, and disturbs none.
   */
  abstract Attached.Body toldOnProbe(Connection connection, Attach attach) throws DeviceException;

  /** A client says where its disk is; see {@link DiskExport}. */
  abstract void note(Connection connection, Session<?> session, long number, Optional<Moved> to);

  /** A client asks or tells which legs of its disk are up to date; see {@link DiskExport}. */
  abstract void record(Connection connection, LegRecord asked, Optional<MirrorRecord> told);

  /** Clients of which this is not the disk any more. */
  abstract ImmutableList<ExportStatus.Elsewhere> elsewhere();

  final Executor serial() {
    return serial;
  }

  /** Whether its clients come back with the next server, and expect to find it as they left it. */
  final boolean isAwaited() {
    return closing && !generations.held().isEmpty();
  }

  final boolean isRemoved() {
    return removed;
  }

  /** Of all clients; also on other threads. */
  final Collection<Session<?>> sessions() {
    return sessions.values();
  }

  /** Whether the session is a client's, over this connection. */
  final boolean isCurrent(Session<?> session, Connection connection) {
    return sessions.get(session.client()) == session
        && session.connection().equals(Optional.of(connection));
  }

  final Export export() {
    return export;
  }

  // ---- clients

  final void attach(Connection connection, Attach attach) {
    // At once: who is not let in does not wait in line with who is, behind an open that hangs.
    Optional<String> denied = denied(connection);
    if (denied.isPresent()) {
      connection.refuse(Refusal.DENIED, denied.get(), 0);
      return;
    }
    serial.execute(
        () -> {
          try {
            Optional<Refused> refused = admit(connection, attach);
            refused.ifPresent(why -> connection.refuse(why.reason(), why.text(), why.generation()));
          } catch (RuntimeException | Error e) {
            log.error("export {}: {}: {}", export.name(), attach.client(), e.getMessage(), e);
            connection.refuse(Refusal.UNAVAILABLE, "the server failed: " + e.getMessage(), 0);
          }
        });
  }

  private record Refused(Refusal reason, String text, long generation) {
    private static Optional<Refused> because(Refusal reason, String text) {
      return Optional.of(new Refused(reason, text, 0));
    }
  }

  private Optional<Refused> admit(Connection connection, Attach attach) {
    if (!connection.isOpen()) {
      return Optional.empty();
    }
    if (closing) {
      return Refused.because(Refusal.UNAVAILABLE, SHUTTING_DOWN);
    }
    if (removed) {
      return Refused.because(
          Refusal.UNKNOWN_EXPORT, "export %s is not there any more".formatted(export.name()));
    }
    if (attach.kind() != export.kind()) {
      return Refused.because(
          Refusal.UNKNOWN_EXPORT,
          "export %s is %s here, and not %s"
              .formatted(export.name(), export.kind().words(), attach.kind().words()));
    }
    if (export.readOnly() && !attach.readOnly()) {
      return Refused.because(
          Refusal.READ_ONLY,
          "export %s is read-only; it can only be served with readonly=\"yes\""
              .formatted(export.name()));
    }
    if (attach.probe()) {
      return probe(connection, attach);
    }
    if (export.owner().isPresent() && !export.owner().get().equals(attach.client())) {
      return Refused.because(
          Refusal.DENIED,
          "export %s is the device of %s, and %s asks for it"
              .formatted(export.name(), export.owner().get(), attach.client()));
    }
    Optional<GenerationStore.Entry> known = generations.get(attach.client());
    long newest = known.map(GenerationStore.Entry::generation).orElse(0L);
    if (attach.generation() < newest) {
      return Optional.of(
          new Refused(
              Refusal.STALE,
              "generation %d of %s is over: export %s is used with generation %d"
                  .formatted(attach.generation(), attach.client(), export.name(), newest),
              newest));
    }
    Optional<String> moved = known.flatMap(entry -> refusal(entry, attach));
    if (moved.isPresent()) {
      return Refused.because(Refusal.UNAVAILABLE, moved.get());
    }
    Optional<GenerationStore.Entry> other = otherHolder(attach.client());
    if (other.isPresent()) {
      return Refused.because(
          Refusal.IN_USE,
          "export %s is in use by %s, generation %d, since %s%s"
              .formatted(
                  export.name(),
                  other.get().client(),
                  other.get().generation(),
                  other.get().since(),
                  isConnected(other.get().client()) ? "" : away(other.get().client())));
    }
    Optional<GenerationStore.Entry> holder = known.filter(GenerationStore.Entry::held);
    String place;
    try {
      place = place();
      Optional<String> another = holder.flatMap(entry -> another(entry, place));
      if (another.isPresent()) {
        return Refused.because(Refusal.UNAVAILABLE, another.get());
      }
      openDevice(attach);
    } catch (DeviceException e) {
      return Refused.because(Refusal.UNAVAILABLE, e.getMessage());
    }
    Optional<OutOfDate> outOfDate = outOfDate(attach);
    try {
      if (attach.generation() > newest || holder.isEmpty()) {
        generations.put(
            new GenerationStore.Entry(
                attach.client(),
                attach.generation(),
                true,
                parts.clock().instant(),
                holder.map(GenerationStore.Entry::storage).orElse(parts.storage()),
                place,
                outOfDate,
                known.flatMap(GenerationStore.Entry::mirror)));
      } else if (!holder.get().outOfDate().equals(outOfDate)) {
        generations.put(holder.get().with(outOfDate)); // a copy over its own disk
      } else {
        generations.renew();
      }
    } catch (IOException e) {
      closeUnused();
      return Refused.because(
          Refusal.UNAVAILABLE, "its generation cannot be stored: " + e.getMessage());
    }
    if (holder.isEmpty()) {
      untold.add(attach.client());
    }
    settle(connection, attach, attach.generation() > newest);
    return Optional.empty();
  }

  /** It may be on its way back, or gone for good: that is for people to say. */
  private String away(String client) {
    return ", which is not connected now; if it has ended, take the export from it with `netchannel"
        + " release-export %s %s`".formatted(export.name(), client);
  }

  /** A name that was given to another device meanwhile: its guest must not write there. */
  private Optional<String> another(GenerationStore.Entry holder, String place) {
    return holder.place().equals(place)
        ? Optional.empty()
        : Optional.of(
            ("export %s was %s when %s began to use it, and is %s now: export the former again, or"
                    + " take it from that client with `netchannel release-export %s %s`")
                .formatted(
                    export.name(),
                    holder.place(),
                    holder.client(),
                    place,
                    export.name(),
                    holder.client()));
  }

  final Optional<String> denied(Connection connection) {
    if (connection.isLocal()) {
      return Optional.empty();
    }
    ImmutableSet<String> names = connection.names();
    if (names.isEmpty()) {
      return Optional.of(
          "export %s: expected a client certificate, found none".formatted(export.name()));
    }
    if (names.stream().anyMatch(export.allow()::contains)) {
      return Optional.empty();
    }
    return Optional.of(
        "export %s is not for a client with a certificate for %s: it allows %s"
            .formatted(
                export.name(),
                String.join(", ", names),
                export.allow().isEmpty() ? "nobody" : String.join(", ", export.allow())));
  }

  private Optional<Refused> probe(Connection connection, Attach attach) {
    try {
      long generation =
          generations.get(attach.client()).map(GenerationStore.Entry::generation).orElse(0L);
      connection.probed(
          new Attached(
              toldOnProbe(connection, attach),
              Attached.Window.NONE,
              generation,
              ImmutableList.of()));
      closeUnused();
      return Optional.empty();
    } catch (DeviceException e) {
      return Refused.because(Refusal.UNAVAILABLE, e.getMessage());
    }
  }

  /** Who may write is alone; of those that only read from what is never written there are many. */
  private Optional<GenerationStore.Entry> otherHolder(String client) {
    return export.readOnly()
        ? Optional.empty()
        : generations.held().stream().filter(entry -> !entry.client().equals(client)).findFirst();
  }

  private boolean isConnected(String client) {
    return Optional.ofNullable(sessions.get(client)).flatMap(Session::connection).isPresent();
  }

  /** Connected, or let in and about to be. */
  final boolean isInUse(String client) {
    return isConnected(client)
        || attaching.keySet().stream().anyMatch(session -> session.client().equals(client));
  }

  /** Shuts out who was there before, and goes on when nothing of it is at the device. */
  private void settle(Connection connection, Attach attach, boolean takeOver) {
    Session<?> session = sessions.computeIfAbsent(attach.client(), this::newSession);
    dismiss(session.fence(), attach, takeOver);
    dismiss(Optional.ofNullable(attaching.put(session, connection)), attach, takeOver);
    CompletableFuture<Void> unused =
        session
            .settle(attach.unanswered(), takeOver)
            .thenRunAsync(() -> finish(connection, attach, session), serial);
  }

  private void dismiss(Optional<Connection> before, Attach attach, boolean takeOver) {
    if (before.isPresent() && takeOver) {
      before
          .get()
          .refuse(
              Refusal.STALE,
              "%s is served elsewhere with generation %d now"
                  .formatted(attach.client(), attach.generation()),
              attach.generation());
    } else if (before.isPresent()) {
      before
          .get()
          .refuse(
              Refusal.REPLACED,
              "another connection of %s with generation %d has come"
                  .formatted(attach.client(), attach.generation()),
              0);
    }
  }

  private void finish(Connection connection, Attach attach, Session<?> session) {
    if (!attaching.remove(session, connection)) {
      return; // another one has come
    }
    if (!connection.isOpen()) {
      giveBackUntold(attach.client()); // it asks again over a new connection, or not at all
      return;
    }
    untold.remove(attach.client());
    Attached.Body body = told(connection, attach, session);
    session.use(
        connection,
        attach,
        (fates, runningBytes) ->
            connection.attached(
                this,
                session,
                runningBytes,
                new Attached(body, session.window(), attach.generation(), fates)));
    log.info(
        "export {}: {} attached from {}, generation {}{}, {} requests unanswered",
        export.name(),
        attach.client(),
        connection,
        attach.generation(),
        attach.readOnly() ? ", read-only" : "",
        attach.unanswered().size());
  }

  /** Who has gone before it was told that it holds the export has no use for it. */
  private void giveBackUntold(String client) {
    if (!untold.contains(client)) {
      return;
    }
    try {
      free(client);
      log.info("export {}: {} has gone before it was attached", export.name(), client);
    } catch (IOException e) {
      log.error(
          "export {}: {} has gone, and that cannot be stored: {}",
          export.name(),
          client,
          e.getMessage());
    }
  }

  /** The client gives it free. */
  final void detach(Connection connection, Session<?> session) {
    serial.execute(
        () -> {
          if (sessions.get(session.client()) != session || !session.end(connection)) {
            connection.refuse(
                Refusal.PROTOCOL, "DETACH: expected no request outstanding, found some", 0);
            return;
          }
          try {
            free(session.client());
          } catch (IOException e) {
            connection.refuse(
                Refusal.UNAVAILABLE, "that it is free cannot be stored: " + e.getMessage(), 0);
            return;
          }
          log.info("export {}: {} detached", export.name(), session.client());
          connection.detached();
        });
  }

  private void free(String client) throws IOException {
    Optional.ofNullable(sessions.remove(client)).ifPresent(Session::over);
    untold.remove(client);
    closeUnused();
    Optional<GenerationStore.Entry> entry = generations.get(client);
    if (entry.isPresent()) {
      generations.put(entry.get().with(entry.get().generation(), false, parts.clock().instant()));
    }
    releaseUnheld();
  }

  private void closeUnused() {
    if (sessions.isEmpty() && isOpen()) {
      closeDevice();
    }
    releaseUnheld();
  }

  /** Also when the device could not be opened. */
  final void releaseUnheld() {
    if (!isOpen() && (removed || generations.held().isEmpty())) {
      unheld();
    }
  }

  // ---- administration

  final CompletableFuture<ExportStatus> status() {
    return CompletableFuture.supplyAsync(
        () ->
            new ExportStatus(
                export,
                true,
                generations.held().stream()
                    .map(this::client)
                    .collect(ImmutableList.toImmutableList()),
                elsewhere()),
        serial);
  }

  private ExportStatus.Client client(GenerationStore.Entry entry) {
    Optional<Session<?>> session = Optional.ofNullable(sessions.get(entry.client()));
    Instant since = entry.since();
    return new ExportStatus.Client(
        entry.client(),
        entry.generation(),
        since,
        session.flatMap(Session::connection).map(Connection::toString),
        session.map(Session::running).orElse(0));
  }

  /**
   * Ends it.
   *
   * @param force also when a client holds it
   * @return completes exceptionally with {@link ExportException} when it is in use
   */
  final CompletableFuture<Void> remove(boolean force) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    serial.execute(
        () -> {
          String users =
              generations.held().stream()
                  .map(GenerationStore.Entry::client)
                  .collect(Collectors.joining(", "));
          if (!users.isEmpty() && !force) {
            result.completeExceptionally(
                new ExportException(
                    "export %s is in use by %s; detach the disk there first, or use --force"
                        .formatted(export.name(), users)));
            return;
          }
          end();
          result.complete(null);
        });
    return result;
  }

  final void end() {
    removed = true;
    dismissAll("export %s is not there any more".formatted(export.name()));
  }

  /**
   * Takes it from a client that will not come back, and fences it: should it come back after all it
   * is refused.
   *
   * @return completes exceptionally with {@link ExportException} when there is no such client, or
   *     when that cannot be stored
   */
  final CompletableFuture<Void> release(String client) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    serial.execute(
        () -> {
          Optional<GenerationStore.Entry> entry = generations.get(client);
          if (entry.isEmpty()) {
            result.completeExceptionally(
                new ExportException(
                    "export %s has no client %s; `netchannel exports` shows who holds it"
                        .formatted(export.name(), client)));
            return;
          }
          try {
            // Held until nothing of it is at the device.
            fence(entry.get(), true);
          } catch (IOException e) {
            result.completeExceptionally(new ExportException(e.getMessage(), e));
            return;
          }
          Optional<Session<?>> session = Optional.ofNullable(sessions.get(client));
          CompletableFuture<Void> settled = CompletableFuture.completedFuture(null);
          if (session.isPresent()) {
            String why = "the administrator has taken export %s away".formatted(export.name());
            session.get().fence().ifPresent(at -> at.refuse(Refusal.STALE, why, 0));
            Optional.ofNullable(attaching.remove(session.get()))
                .ifPresent(at -> at.refuse(Refusal.STALE, why, 0));
            settled = session.get().settle(ImmutableList.of(), true);
          }
          CompletableFuture<Void> unused =
              settled.handleAsync(
                  (done, superseded) -> {
                    released(client, superseded, result);
                    return null;
                  },
                  serial);
        });
    return result;
  }

  /** The generation it has is over; nobody has the next one, so whoever goes on takes another. */
  private void fence(GenerationStore.Entry entry, boolean held) throws IOException {
    // The last one there is cannot be fenced: there is nothing above.
    long next = Math.max(entry.generation(), entry.generation() + 1);
    generations.put(entry.with(next, held, parts.clock().instant()));
  }

  private void released(String client, Throwable superseded, CompletableFuture<Void> result) {
    if (superseded != null) {
      result.completeExceptionally(
          new ExportException(
              "export %s: %s has come again meanwhile, with a newer generation"
                  .formatted(export.name(), client)));
      return;
    }
    try {
      free(client);
      log.warn("export {}: released from {}", export.name(), client);
      result.complete(null);
    } catch (IOException e) {
      result.completeExceptionally(new ExportException(e.getMessage(), e));
    }
  }

  /** Sessions stay as they are on disk: their clients will come again. */
  final CompletableFuture<Void> close() {
    return CompletableFuture.runAsync(
        () -> {
          closing = true;
          removed = true;
          dismissAll(SHUTTING_DOWN);
        },
        serial);
  }

  /** Requests at the device; on any thread, also while the device hangs. */
  final int unfinished() {
    // First those that are not dismissed: what leaves them meanwhile is among the dismissed by
    // then.
    ImmutableList<Session<?>> stay = ImmutableList.copyOf(sessions.values());
    return Stream.concat(stay.stream(), dismissed.stream())
        .distinct()
        .mapToInt(Session::atDevice)
        .sum();
  }

  private void dismissAll(String why) {
    for (Session<?> session : sessions.values()) {
      session.fence().ifPresent(at -> at.refuse(Refusal.UNAVAILABLE, why, 0));
    }
    attaching.values().forEach(at -> at.refuse(Refusal.UNAVAILABLE, why, 0));
    attaching.clear();
    sessions.values().forEach(Session::over);
    dismissed = ImmutableList.copyOf(sessions.values());
    sessions.clear();
    closeUnused(); // waits for what is running
  }
}
