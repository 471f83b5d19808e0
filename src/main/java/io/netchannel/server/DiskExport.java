package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.files.UncertainFileException;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedDisk;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Refusal;
import java.io.IOException;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An export that is a disk: its device, the storage behind it, where its clients' disk is. */
final class DiskExport extends ServedExport {
  private static final Logger log = LoggerFactory.getLogger(DiskExport.class);

  private final Export export;
  private final GenerationStore generations;
  private final ServerParts parts;
  private final Whereabouts whereabouts;
  private final Writers writers;

  // All below is used on serial() only.
  private Device device;

  /** The storage that is this export's to write; empty while nobody holds it. */
  private Optional<UUID> claimed = Optional.empty();

  DiskExport(Export export, GenerationStore generations, ServerParts parts, Writers writers) {
    super(export, generations, parts);
    this.export = export;
    this.generations = generations;
    this.parts = parts;
    this.whereabouts = new Whereabouts(export.name(), generations, parts.clock());
    this.writers = writers;
    if (!export.readOnly() && !generations.held().isEmpty()) {
      serial().execute(this::claimAgain);
    }
  }

  // ---- clients

  @Override
  Optional<String> refusal(GenerationStore.Entry known, Attach attach) {
    return whereabouts.refusal(known, attach);
  }

  @Override
  Optional<OutOfDate> outOfDate(Attach attach) {
    return whereabouts.from(attach);
  }

  @Override
  DiskSession newSession(String client) {
    return new DiskSession(
        client,
        device,
        export.readOnly(),
        new Attached.Window(parts.limits().slots(), parts.limits().windowBytes()),
        parts.buffers(),
        new StorageNote(client));
  }

  @Override
  Attached.Body told(Connection connection, Attach attach, Session<?> session) {
    return new AttachedDisk(
        parts.storage(),
        generations.get(attach.client()).orElseThrow().storage(),
        geometry(connection, attach.readOnly()));
  }

  @Override
  Attached.Body toldOnProbe(Connection connection, Attach attach) throws DeviceException {
    openDevice(attach);
    return new AttachedDisk(
        parts.storage(),
        connection.hasStorage() ? identity().orElse(AttachedDisk.UNTOLD) : parts.storage(),
        geometry(connection, attach.readOnly()));
  }

  private AttachedDisk.Geometry geometry(Connection to, boolean readOnly) {
    DeviceGeometry found = device.geometry();
    boolean writes = !readOnly && !found.readOnly();
    return new AttachedDisk.Geometry(
        found.sizeBytes(),
        found.logicalBlockBytes(),
        found.physicalBlockBytes(),
        !writes,
        found.canFlush(),
        writes && found.canDiscard(),
        writes ? found.discardGranularityBytes() : 0,
        writes && found.canZero() && to.hasZero());
  }

  /**
   * Keeps in mind on which storage a client has lost nothing: the one of its last flush. Not that
   * of its last ATTACHED, which may never have arrived; and a client that knows of lost writes may
   * be killed before its guest does. While that is another storage, who comes again in its name is
   * told so, and fails its flushes too.
   */
  private final class StorageNote implements DiskSession.Flushes {
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
        serial().execute(task);
      } catch (RejectedExecutionException e) {
        // The server has ended without this device's answer: nothing is noted, nobody is told.
        log.debug("export {}: flushed too late", export.name());
      }
    }

    private boolean note(UUID storage) {
      Optional<GenerationStore.Entry> entry =
          generations.get(client).filter(GenerationStore.Entry::held);
      if (isRemoved() || entry.isEmpty() || entry.get().storage().equals(storage)) {
        return !isRemoved() && entry.isPresent();
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

  /**
   * The client says where its disk is from now on, and is told when that is durable. What comes
   * over a connection that is not the client's any more is dropped: it says it again over the next
   * one.
   *
   * @param to empty when it has arrived here
   */
  @Override
  void note(Connection connection, Session<?> session, long number, Optional<Moved> to) {
    serial()
        .execute(
            () -> {
              if (!isCurrent(session, connection)) {
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
                  to.map(moved -> moved.to() + " from now on, and this is out of date")
                      .orElse("here"));
              connection.noted(number);
            });
  }

  /**
   * A client asks or tells which legs of its disk are up to date: also one that is not attached.
   */
  @Override
  void record(Connection connection, LegRecord asked, Optional<MirrorRecord> told) {
    Optional<String> denied = denied(connection);
    if (denied.isPresent()) {
      connection.refuse(Refusal.DENIED, denied.get(), 0);
      return;
    }
    serial()
        .execute(
            () -> {
              Optional<String> why = Optional.empty();
              try {
                if (isRemoved()) {
                  why = Optional.of("export %s is not there any more".formatted(export.name()));
                } else if (asked.tells()) {
                  why =
                      whereabouts.record(
                          asked.client(), asked.generation(), told, isInUse(asked.client()));
                } else {
                  generations
                      .renew(); // who acts upon it must not find another one after a power cut
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

  // ---- the device

  @Override
  String place() throws DeviceException {
    return parts.devices().place(export.source());
  }

  @Override
  boolean isOpen() {
    return device != null;
  }

  @Override
  void closeDevice() {
    device.close();
    device = null;
  }

  @Override
  void unheld() {
    release();
  }

  @Override
  void openDevice(Attach attach) throws DeviceException {
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

  // ---- administration

  @Override
  ImmutableList<ExportStatus.Elsewhere> elsewhere() {
    return whereabouts.status();
  }

  /** What it is to a client. */
  CompletableFuture<ExportUse> use(String client) {
    return CompletableFuture.supplyAsync(() -> whereabouts.use(client), serial());
  }

  CompletableFuture<Optional<ExportLeft>> left() {
    return CompletableFuture.supplyAsync(whereabouts::left, serial());
  }

  /**
   * Ends it while nobody needs it, as was seen before.
   *
   * @return completes exceptionally with {@link ExportException} when that does not hold any more
   */
  CompletableFuture<Void> removeIfLeft(ExportLeft seen) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    serial()
        .execute(
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

  /**
   * A person says that it is a client's disk as it is, although that was switched to elsewhere.
   *
   * @return completes exceptionally with {@link ExportException} when there is nothing of that kind
   *     to forget, when the client holds it, or when that cannot be stored
   */
  CompletableFuture<Void> forgetMoved(String client) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    serial()
        .execute(
            () -> {
              if (isRemoved()) {
                result.completeExceptionally(
                    new ExportException(
                        "export %s is not there any more".formatted(export.name())));
                return;
              }
              try {
                whereabouts.forget(client);
                log.warn(
                    "export {}: may be used as the disk of {} as it is", export.name(), client);
                result.complete(null);
              } catch (ExportException e) {
                result.completeExceptionally(e);
              }
            });
    return result;
  }
}
