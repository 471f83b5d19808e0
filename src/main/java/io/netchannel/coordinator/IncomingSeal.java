package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * SEAL at the destination: gets the manifests, early when it can, else in hook "started".
 *
 * <p>From hook "start" on a call of Seal is parked at the source. Its answer comes when the source
 * has sealed by itself, while the last of the memory is still on its way: each manifest is staged
 * at its mid-point as it arrives, and all are journalled when the answer is complete. Whatever goes
 * wrong with that call, the hook asks again.
 */
final class IncomingSeal {
  private static final Logger log = LoggerFactory.getLogger(IncomingSeal.class);

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final Map<UUID, CompletableFuture<List<SealedDevice>>> parked = new ConcurrentHashMap<>();

  /**
   * Manifests in HAND_OVER and TAKE_OVER, as they arrived: each is the one copy that this host
   * holds, beside the durable one, which is for the daemon after this one.
   */
  private final Map<UUID, ImmutableList<ByteString>> manifests = new ConcurrentHashMap<>();

  /** Migrations of guests without stock disks: their seal waits for nobody else's backend. */
  private final Set<UUID> oursOnly = ConcurrentHashMap.newKeySet();

  /** From PREPARE to the end of a migration. */
  private final Map<UUID, LocalDevices.ManifestRoom> rooms = new ConcurrentHashMap<>();

  IncomingSeal(Context context) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
  }

  /** A migration of a guest that has no stock disks at its source. */
  void hasOurDisksOnly(UUID id) {
    oursOnly.add(id);
  }

  /**
   * Keeps memory free for a migration's manifests, until it is forgotten or over.
   *
   * @return how much, of the data of what is pending
   */
  long makeRoom(UUID id, List<LocalDevices.GuestDevice> coming) {
    LocalDevices.ManifestRoom room = devices.manifestRoom(coming);
    rooms.put(id, room);
    return room.bytes();
  }

  /** Lets the source answer as soon as it has sealed; one call at a time for a migration. */
  void park(Migration migration) {
    UUID id = migration.id();
    if (parked.containsKey(id)) {
      return;
    }
    CompletableFuture<List<SealedDevice>> call;
    try {
      call =
          context
              .peer(migration.peer())
              .sealWhenSuspended(id, context.timeouts().prepared(), disk -> stage(migration, disk));
    } catch (PeerException e) {
      log.debug("{}: no early seal: {}", migration.label(), e.getMessage());
      return;
    }
    parked.put(id, call);
    store.note(id, "waits at " + migration.peer() + " for the seal");
    CompletableFuture<List<SealedDevice>> done =
        call.whenCompleteAsync(
            (disks, failure) -> {
              parked.remove(id, call);
              if (failure == null) {
                arrived(id, disks);
              } else {
                log.debug("{}: no early seal: {}", migration.label(), Deadline.words(failure));
              }
            },
            context.executor());
    log.debug("{}: answered already: {}", migration.label(), done.isDone());
  }

  /** Nobody waits for its early seal, or needs its manifests, any more. */
  void forget(UUID id) {
    oursOnly.remove(id);
    manifests.remove(id);
    unpark(id);
    closeRoom(id);
  }

  private void unpark(UUID id) {
    CompletableFuture<List<SealedDevice>> call = parked.remove(id);
    if (call != null) {
      call.cancel(false);
    }
  }

  private void closeRoom(UUID id) {
    LocalDevices.ManifestRoom room = rooms.remove(id);
    if (room != null) {
      room.close();
    }
  }

  /** Holds nothing of migrations that ended in whatever way. */
  void forgetOver() {
    manifests.keySet().removeIf(id -> store.find(id).filter(Migration::isActive).isEmpty());
    // One that is being prepared is not in the store yet.
    List.copyOf(rooms.keySet()).stream()
        .filter(id -> store.find(id).filter(known -> !known.isActive()).isPresent())
        .forEach(this::closeRoom);
  }

  /**
   * What is pending of device number {@code index}: the very bytes that were staged; after a
   * restart those from the journal.
   *
   * @throws JournalException when they cannot be read, or are not those that were kept
   */
  ByteString manifest(Migration migration, int index) throws JournalException {
    ImmutableList<ByteString> held = manifests.get(migration.id());
    if (held != null) {
      return held.get(index);
    }
    MovedDevice moved = migration.devices().get(index);
    ByteString kept = store.journal().manifest(migration.id(), index);
    if (SealedDevice.checksum(kept) != moved.manifestCrc32c()) {
      throw new JournalException(
          "the manifest of %s in the journal is damaged: its checksum is not %08x; the source still has it"
              .formatted(moved.target(), moved.manifestCrc32c()));
    }
    return kept;
  }

  /**
   * The manifests are here before hook "started" is.
   *
   * @param known in the order in which they became known
   */
  private void arrived(UUID id, List<SealedDevice> known) {
    try (MigrationLocks.Held held =
        context.locks().lock(store.get(id), context.timeouts().tell())) {
      Migration migration = held.migration();
      if (migration.phase() != Phase.PRECOPY) {
        return; // the hook has asked by itself, or it is over
      }
      List<SealedDevice> sealed = inOrder(migration, known);
      check(migration, sealed);
      store.note(id, "manifests arrived, " + bytes(sealed) + " bytes");
      keep(
          store.apply(migration, Event.SUSPENDED, "sealed by the source, guest suspended"), sealed);
    } catch (MigrationRefusedException | JournalException | RuntimeException e) {
      log.warn("migration {}: hook \"started\" will ask for the seal: {}", id, Deadline.words(e));
    }
  }

  /** Only saves time: the take-over gets the same manifest. */
  private void stage(Migration migration, SealedDevice disk) {
    CompletableFuture<Void> staged;
    try {
      staged = devices.stage(migration.domain(), disk.target(), disk.manifest());
    } catch (RuntimeException e) {
      staged = CompletableFuture.failedFuture(e);
    }
    CompletableFuture<Void> noted =
        staged.whenComplete(
            (done, failure) ->
                store.note(
                    migration.id(),
                    disk.target()
                        + (failure == null
                            ? " staged"
                            : " not staged: " + Deadline.words(failure))));
    log.debug("{}: {} staged: {}", migration.label(), disk.target(), noted.isDone());
  }

  /** SEAL and HAND OVER inside the hook: all manifests are here and durable when it returns. */
  void seal(UUID id, Peer source, Deadline deadline)
      throws PeerException, JournalException, MigrationRefusedException {
    Migration prepared = store.get(id);
    if (prepared.phase() != Phase.PRECOPY && prepared.phase() != Phase.SEAL) {
      return; // sealed early, or before a restart of this daemon
    }
    Timeouts timeouts = context.timeouts();
    // How long the source may drain stock disks is its own policy.
    Deadline answered =
        oursOnly.contains(id)
            ? deadline.within(timeouts.seal().plus(timeouts.handOver()))
            : deadline;
    unpark(id);
    Migration migration =
        prepared.phase() == Phase.SEAL
            ? prepared
            : store.apply(prepared, Event.SUSPENDED, "domain restored and paused");
    List<SealedDevice> sealed = answered.ask(bound -> source.seal(id, bound));
    check(migration, sealed);
    Migration sealing = migration;
    store.note(id, "manifests arrived, " + bytes(sealed) + " bytes");
    sealed.forEach(disk -> stage(sealing, disk));
    keep(migration, sealed);
  }

  private static List<SealedDevice> inOrder(Migration migration, List<SealedDevice> known) {
    List<String> order = migration.devices().stream().map(MovedDevice::target).toList();
    return known.stream()
        .sorted(Comparator.comparingInt(disk -> order.indexOf(disk.target())))
        .toList();
  }

  private void check(Migration migration, List<SealedDevice> sealed)
      throws MigrationRefusedException {
    List<String> expected = migration.devices().stream().map(MovedDevice::target).toList();
    List<String> found = sealed.stream().map(SealedDevice::target).toList();
    if (!expected.equals(found)) {
      throw context.refused(migration, "expected " + expected + " sealed, found " + found);
    }
  }

  /** Makes them durable: N+1 may be asked for. */
  private void keep(Migration migration, List<SealedDevice> sealed) throws JournalException {
    ImmutableList.Builder<MovedDevice> counted = ImmutableList.builder();
    for (int i = 0; i < sealed.size(); i++) {
      SealedDevice device = sealed.get(i);
      store.journal().putManifest(migration.id(), i, device.manifest());
      counted.add(migration.devices().get(i).sealed(device));
    }
    Migration handedOver = migration.withDevices(counted.build());
    manifests.put(
        migration.id(),
        sealed.stream().map(SealedDevice::manifest).collect(ImmutableList.toImmutableList()));
    store.apply(
        handedOver,
        Event.SEALED,
        handedOver.pending() + ", " + bytes(sealed) + " bytes handed over");
  }

  private static long bytes(List<SealedDevice> sealed) {
    return sealed.stream().mapToLong(disk -> disk.manifest().size()).sum();
  }
}
