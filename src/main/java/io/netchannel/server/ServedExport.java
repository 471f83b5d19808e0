package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.MoreExecutors;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.files.UncertainFileException;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Refusal;
import java.io.IOException;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One export: who may use it, its device, its clients' sessions. What changes who uses it happens
 * on one executor, one after the other; requests do not pass through here.
 */
final class ServedExport {
  private static final Logger log = LoggerFactory.getLogger(ServedExport.class);

  private static final String SHUTTING_DOWN = "the device server is shutting down";

  private final Export export;
  private final GenerationStore generations;
  private final Whereabouts whereabouts;
  private final ServerParts parts;
  private final Writers writers;
  private final Executor serial;

  // All below is used on serial only, but for unfinished().
  private final Map<String, Session> sessions = new ConcurrentHashMap<>();

  /** What their clients had at the device is waited for. */
  private volatile ImmutableList<Session> dismissed = ImmutableList.of();

  /** Of each session, whose ATTACH waits for the session to settle. */
  private final Map<Session, Connection> attaching = new HashMap<>();

  /** Clients that did not hold it before, and have not been told that they do now. */
  private final Set<String> untold = new HashSet<>();

  private Device device;
  private boolean removed;

  /** Whether the server is; the export is there again with the next one. */
  private boolean closing;

  /** The storage that is this export's to write; empty while nobody holds it. */
  private Optional<UUID> claimed = Optional.empty();

  ServedExport(Export export, GenerationStore generations, ServerParts parts, Writers writers) {
    this.export = export;
    this.generations = generations;
    this.whereabouts = new Whereabouts(export.name(), generations, parts.clock());
    this.parts = parts;
    this.writers = writers;
    this.serial = MoreExecutors.newSequentialExecutor(parts.executor());
    if (!export.readOnly() && !generations.held().isEmpty()) {
      serial.execute(this::claimAgain);
    }
  }

  Export export() {
    return export;
  }

  // ---- clients

  void attach(Connection connection, Attach attach) {
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
    if (export.readOnly() && !attach.readOnly()) {
      return Refused.because(
          Refusal.READ_ONLY,
          "export %s is read-only; it can only be served with readonly=\"yes\""
              .formatted(export.name()));
    }
    if (attach.probe()) {
      return probe(connection, attach);
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
    Optional<String> moved = known.flatMap(entry -> whereabouts.refusal(entry, attach));
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
      place = parts.devices().place(export.source());
      Optional<String> another = holder.flatMap(entry -> another(entry, place));
      if (another.isPresent()) {
        return Refused.because(Refusal.UNAVAILABLE, another.get());
      }
      openDevice();
    } catch (DeviceException e) {
      return Refused.because(Refusal.UNAVAILABLE, e.getMessage());
    }
    Optional<OutOfDate> outOfDate = whereabouts.from(attach);
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

  private Optional<String> denied(Connection connection) {
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
      openDevice();
      long generation =
          generations.get(attach.client()).map(GenerationStore.Entry::generation).orElse(0L);
      connection.probed(
          new Attached(
              parts.storage(),
              connection.hasStorage() ? identity().orElse(Attached.UNTOLD) : parts.storage(),
              geometry(connection, attach.readOnly()),
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
  private boolean isInUse(String client) {
    return isConnected(client)
        || attaching.keySet().stream().anyMatch(session -> session.client().equals(client));
  }

  /** Shuts out who was there before, and goes on when nothing of it is at the device. */
  private void settle(Connection connection, Attach attach, boolean takeOver) {
    Session session =
        sessions.computeIfAbsent(
            attach.client(),
            client ->
                new Session(
                    client,
                    device,
                    export.readOnly(),
                    parts.limits().slots(),
                    new StorageNote(client)));
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

  private void finish(Connection connection, Attach attach, Session session) {
    if (!attaching.remove(session, connection)) {
      return; // another one has come
    }
    if (!connection.isOpen()) {
      giveBackUntold(attach.client()); // it asks again over a new connection, or not at all
      return;
    }
    untold.remove(attach.client());
    UUID lastStorage = generations.get(attach.client()).orElseThrow().storage();
    Attached.Window window =
        new Attached.Window(parts.limits().slots(), parts.limits().windowBytes());
    session.use(
        connection,
        attach.unanswered(),
        (fates, runningBytes) ->
            connection.attached(
                this,
                session,
                !attach.readOnly(),
                runningBytes,
                new Attached(
                    parts.storage(),
                    lastStorage,
                    geometry(connection, attach.readOnly()),
                    window,
                    attach.generation(),
                    fates)));
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

  /**
   * Keeps in mind on which storage a client has lost nothing: the one of its last flush. Not that
   * of its last ATTACHED, which may never have arrived; and a client that knows of lost writes may
   * be killed before its guest does. While that is another storage, who comes again in its name is
   * told so, and fails its flushes too.
   */
  private final class StorageNote implements Session.Flushes {
    private final String client;
    private volatile boolean noted;
    private volatile boolean failed;

    private StorageNote(String client) {
      this.client = client;
    }

    @Override
    public void succeeded() {
      if (!noted && !failed) {
        onSerial(() -> noted = !failed && note(parts.storage()));
      }
    }

    @Override
    public void failed(Runnable told) {
      failed = true;
      onSerial(
          () -> {
            note(GenerationStore.LOST);
            told.run();
          });
    }

    private void onSerial(Runnable task) {
      try {
        serial.execute(task);
      } catch (RejectedExecutionException e) {
        // The server has ended without this device's answer: nothing is noted, nobody is told.
        log.debug("export {}: flushed too late", export.name());
      }
    }

    private boolean note(UUID storage) {
      Optional<GenerationStore.Entry> entry =
          generations.get(client).filter(GenerationStore.Entry::held);
      if (removed || entry.isEmpty() || entry.get().storage().equals(storage)) {
        return !removed && entry.isPresent();
      }
      try {
        generations.put(entry.get().with(storage));
        return true;
      } catch (IOException e) {
        // What stays noted lets flushes fail that might succeed, and never the other way around.
        log.error(
            "export {}: {}: its storage cannot be noted: {}",
            export.name(),
            client,
            e.getMessage());
        return false;
      }
    }
  }

  private Attached.Geometry geometry(Connection to, boolean readOnly) {
    DeviceGeometry found = device.geometry();
    boolean writes = !readOnly && !found.readOnly();
    return new Attached.Geometry(
        found.sizeBytes(),
        found.logicalBlockBytes(),
        found.physicalBlockBytes(),
        !writes,
        found.canFlush(),
        writes && found.canDiscard(),
        writes ? found.discardGranularityBytes() : 0,
        writes && found.canZero() && to.hasZero());
  }

  /** The client gives it free. */
  void detach(Connection connection, Session session) {
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

  /**
   * The client says where its disk is from now on, and is told when that is durable. What comes
   * over a connection that is not the client's any more is dropped: it says it again over the next
   * one.
   *
   * @param to empty when it has arrived here
   */
  void note(Connection connection, Session session, long number, Optional<Moved> to) {
    serial.execute(
        () -> {
          if (sessions.get(session.client()) != session
              || !session.connection().equals(Optional.of(connection))) {
            return;
          }
          try {
            whereabouts.note(session.client(), to, connection.isLeg());
          } catch (IOException e) {
            connection.notNoted(number, e.getMessage());
            return;
          }
          log.info(
              "export {}: the disk of {} is {}",
              export.name(),
              session.client(),
              to.map(moved -> moved.to() + " from now on, and this is out of date").orElse("here"));
          connection.noted(number);
        });
  }

  /**
   * A client asks or tells which legs of its disk are up to date: also one that is not attached.
   */
  void record(Connection connection, LegRecord asked, Optional<MirrorRecord> told) {
    Optional<String> denied = denied(connection);
    if (denied.isPresent()) {
      connection.refuse(Refusal.DENIED, denied.get(), 0);
      return;
    }
    serial.execute(
        () -> {
          Optional<String> why = Optional.empty();
          try {
            if (removed) {
              why = Optional.of("export %s is not there any more".formatted(export.name()));
            } else if (asked.tells()) {
              why =
                  whereabouts.record(
                      asked.client(), asked.generation(), told, isInUse(asked.client()));
            } else {
              generations.renew(); // who acts upon it must not find another one after a power cut
            }
          } catch (UncertainFileException e) {
            log.warn("export {}: the record of its legs: {}", export.name(), e.getMessage());
            connection.close(); // it may be there: neither a refusal nor an answer
            return;
          } catch (IOException e) {
            why = Optional.of("the record of its legs cannot be stored: " + e.getMessage());
          }
          if (why.isPresent()) {
            connection.refuse(Refusal.UNAVAILABLE, why.get(), 0);
            return;
          }
          Optional<GenerationStore.Entry> entry = generations.get(asked.client());
          connection.recorded(
              new LegRecord.Known(
                  entry.map(GenerationStore.Entry::generation).orElse(0L),
                  isInUse(asked.client()),
                  entry.flatMap(GenerationStore.Entry::mirror).map(MirrorRecord::encoded)));
        });
  }

  private void free(String client) throws IOException {
    sessions.remove(client);
    untold.remove(client);
    closeUnused();
    Optional<GenerationStore.Entry> entry = generations.get(client);
    if (entry.isPresent()) {
      generations.put(entry.get().with(entry.get().generation(), false, parts.clock().instant()));
    }
    releaseUnheld();
  }

  // ---- the device

  private void openDevice() throws DeviceException {
    if (device == null) {
      if (!export.readOnly()) {
        parts.devices().checkUnused(export.source());
      }
      if (!export.readOnly()) {
        claim();
      }
      try {
        device = parts.devices().open(export.source(), OpenOptions.plain(export.readOnly()));
      } catch (DeviceException | RuntimeException e) {
        releaseUnheld();
        throw e;
      }
    }
  }

  private void claim() throws DeviceException {
    Optional<UUID> storage = parts.devices().storage(export.source()).identity();
    if (!storage.equals(claimed)) {
      release();
    }
    if (storage.isPresent()) {
      Optional<String> other = writers.claim(storage.get(), export.name());
      if (other.isPresent()) {
        throw new DeviceException(
            "export %s and export %s are one storage, %s, and a client of %s may write to it: two"
                    .formatted(export.name(), other.get(), export.source(), other.get())
                + " writers would destroy what is on it; end that use, or export one of them"
                + " read-only");
      }
      claimed = storage;
    }
  }

  /** Which storage it is; empty when that is not told. May have to wait for it. */
  private Optional<UUID> identity() throws DeviceException {
    return claimed.isPresent() ? claimed : parts.devices().storage(export.source()).identity();
  }

  private void release() {
    claimed.ifPresent(storage -> writers.release(storage, export.name()));
    claimed = Optional.empty();
  }

  /** After a restart of the server: its client comes back, and nobody else is to be there then. */
  private void claimAgain() {
    try {
      claim();
    } catch (DeviceException e) {
      log.warn("{}", e.getMessage());
    }
  }

  private void closeUnused() {
    if (sessions.isEmpty() && device != null) {
      device.close();
      device = null;
    }
    releaseUnheld();
  }

  private void releaseUnheld() {
    if (device == null && (removed || generations.held().isEmpty())) {
      release();
    }
  }

  // ---- administration

  CompletableFuture<ExportStatus> status() {
    return CompletableFuture.supplyAsync(
        () ->
            new ExportStatus(
                export,
                true,
                generations.held().stream()
                    .map(this::client)
                    .collect(ImmutableList.toImmutableList()),
                whereabouts.status()),
        serial);
  }

  /** What it is to a client. */
  CompletableFuture<ExportUse> use(String client) {
    return CompletableFuture.supplyAsync(() -> whereabouts.use(client), serial);
  }

  CompletableFuture<Optional<ExportLeft>> left() {
    return CompletableFuture.supplyAsync(whereabouts::left, serial);
  }

  private ExportStatus.Client client(GenerationStore.Entry entry) {
    Optional<Session> session = Optional.ofNullable(sessions.get(entry.client()));
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
  CompletableFuture<Void> remove(boolean force) {
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

  /**
   * Ends it while nobody needs it, as was seen before.
   *
   * @return completes exceptionally with {@link ExportException} when that does not hold any more
   */
  CompletableFuture<Void> removeIfLeft(ExportLeft seen) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    serial.execute(
        () -> {
          if (whereabouts.left().equals(Optional.of(seen))) {
            end();
            result.complete(null);
          } else {
            result.completeExceptionally(
                new ExportException(
                    "export %s has come into use, or may be used as it is, just now"
                        .formatted(export.name())));
          }
        });
    return result;
  }

  private void end() {
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
  CompletableFuture<Void> release(String client) {
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
          Optional<Session> session = Optional.ofNullable(sessions.get(client));
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

  /**
   * A person says that it is a client's disk as it is, although that was switched to elsewhere.
   *
   * @return completes exceptionally with {@link ExportException} when there is nothing of that kind
   *     to forget, when the client holds it, or when that cannot be stored
   */
  CompletableFuture<Void> forgetMoved(String client) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    serial.execute(
        () -> {
          if (removed) {
            result.completeExceptionally(
                new ExportException("export %s is not there any more".formatted(export.name())));
            return;
          }
          try {
            whereabouts.forget(client);
            log.warn("export {}: may be used as the disk of {} as it is", export.name(), client);
            result.complete(null);
          } catch (ExportException e) {
            result.completeExceptionally(e);
          }
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
  CompletableFuture<Void> close() {
    return CompletableFuture.runAsync(
        () -> {
          closing = true;
          removed = true;
          dismissAll(SHUTTING_DOWN);
        },
        serial);
  }

  /** Requests at the device; on any thread, also while the device hangs. */
  int unfinished() {
    // First those that are not dismissed: what leaves them meanwhile is among the dismissed by
    // then.
    ImmutableList<Session> stay = ImmutableList.copyOf(sessions.values());
    return Stream.concat(stay.stream(), dismissed.stream())
        .distinct()
        .mapToInt(Session::atDevice)
        .sum();
  }

  private void dismissAll(String why) {
    for (Session session : sessions.values()) {
      session.fence().ifPresent(at -> at.refuse(Refusal.UNAVAILABLE, why, 0));
    }
    attaching.values().forEach(at -> at.refuse(Refusal.UNAVAILABLE, why, 0));
    attaching.clear();
    dismissed = ImmutableList.copyOf(sessions.values());
    sessions.clear();
    closeUnused(); // waits for what is running
  }
}
