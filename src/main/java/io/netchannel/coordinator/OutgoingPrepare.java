package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.Striped;
import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.PeerMessages.Prepared;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** PREPARE at the source: whether a guest may go, and the migration that it goes by. */
final class OutgoingPrepare {
  private static final Logger log = LoggerFactory.getLogger(OutgoingPrepare.class);

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final DeviceOrders orders;
  private final OutgoingEnds ends;
  private final SourceSeal sealing;

  /** By domain. */
  private final Striped<Lock> preparing = Striped.lazyWeakLock(Integer.MAX_VALUE);

  OutgoingPrepare(Context context, DeviceOrders orders, OutgoingEnds ends, SourceSeal sealing) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
    this.orders = orders;
    this.ends = ends;
    this.sealing = sealing;
  }

  /** PREPARE: the destination has chosen us; we check that it sees what we have. */
  Prepared prepare(String caller, PeerMessages.Prepare request) throws MigrationRefusedException {
    // One at a time for a domain: what it replaces may be waited for, and no other guest with it.
    Lock lock = preparing.get(request.domain());
    lock.lock();
    try {
      // Its jobs rest from now on, and then for as long as it migrates.
      store.hold(request.domain());
      Map<String, String> sources = prepareAlone(caller, request);
      return new Prepared(
          store.get(request.migration()).jobs().stream().map(DiskJob::carried).toList(), sources);
    } finally {
      store.release(request.domain());
      lock.unlock();
    }
  }

  /** Returns where the destination finds devices that it does not reach by their sources. */
  private Map<String, String> prepareAlone(String caller, PeerMessages.Prepare request)
      throws MigrationRefusedException {
    if (store.find(request.migration()).isPresent()) {
      Migration known = Outgoing.known(context, caller, request.migration());
      if (known.phase() == Phase.PRECOPY) {
        return reachable(request);
      }
      throw context.refused(
          known, "cannot be prepared in phase " + known.phase() + " " + known.detail());
    }
    Optional<String> obstacle = devices.obstacle(request.domain());
    if (obstacle.isPresent()) {
      throw new MigrationRefusedException(request.domainName() + obstacle.get());
    }
    Migration other = newest(request.domain()).orElse(null);
    if (other != null) {
      // Also of one that is over: who ended it may not have told its disks yet.
      try (MigrationLocks.Held held = context.locks().lock(other, context.timeouts().prepare())) {
        replace(held.migration(), caller);
      }
    }
    Optional<String> unfinished = orders.openOf(request.domain());
    if (unfinished.isPresent()) {
      throw new MigrationRefusedException(
          "the migration of %s before this one is not quite over on %s: %s; try again"
              .formatted(request.domainName(), context.host(), unfinished.get()));
    }
    if (store.active(Direction.INCOMING, request.domain()).isPresent()) {
      throw new MigrationRefusedException(
          request.domainName()
              + " has come to "
              + context.host()
              + " by a migration that its source has not finished; look at `netchannel migrations`"
              + " on both hosts and try again");
    }
    awaitSwitches(request);
    List<LocalDevices.GuestDevice> found = devices.devicesOf(request.domain());
    if (!found.equals(request.devices())) {
      throw new MigrationRefusedException(
          "the devices of "
              + request.domainName()
              + " on "
              + context.host()
              + " have changed since they were described: expected "
              + request.devices()
              + ", found "
              + found
              + "; try again");
    }
    Map<String, String> sources = reachable(request);
    int stock = devices.stockDisksOf(request.domain()).size();
    Migration migration =
        Migration.begin(
            request.migration(),
            Direction.OUTGOING,
            request.domainName(),
            request.domain(),
            caller,
            found,
            context.clock().instant());
    try {
      store.journal().makeRoom();
      migration = store.begin(migration, context.jobs(), Migration.count(found, stock));
      sealing.hasRoom(migration.id(), request.manifestDataBytes());
    } catch (JournalException e) {
      devices.keeps(request.domain());
      throw context.refused(
          migration, "the journal on " + context.host() + ": " + e.getMessage(), e);
    }
    try {
      context.faults().at(Point.SOURCE_PREPARED);
    } catch (FaultException e) {
      throw ends.goOn(migration, e.getMessage());
    }
    sealing.sealWhenSuspended(migration);
    return sources;
  }

  /** By target, of the devices that another host reaches by another source than their own. */
  private Map<String, String> reachable(PeerMessages.Prepare request)
      throws MigrationRefusedException {
    ImmutableMap.Builder<String, String> sources = ImmutableMap.builder();
    for (LocalDevices.GuestDevice device : request.devices()) {
      String source;
      try {
        source = devices.reachable(device);
      } catch (MigrationRefusedException e) {
        devices.keeps(request.domain());
        throw new MigrationRefusedException(
            "%s of %s: %s".formatted(device.name(), request.domainName(), e.getMessage()), e);
      }
      if (!source.equals(device.source())) {
        sources.put(device.target(), source);
      }
    }
    return sources.buildOrThrow();
  }

  /** A disk that was just switched is not refused at once: a moment later its XML is right. */
  private void awaitSwitches(PeerMessages.Prepare request) throws MigrationRefusedException {
    long bound = context.timeouts().prepare().dividedBy(2).toMillis(); // the caller's is the whole
    try {
      context.jobs().settled(request.domain()).get(bound, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      log.debug("{}: a switch is not over after {} ms", request.domainName(), bound);
    } catch (ExecutionException e) {
      throw new AssertionError("the end of a job never fails", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MigrationRefusedException(context.host() + " is shutting down", e);
    }
  }

  private Optional<Migration> newest(UUID domain) {
    return store.all().stream()
        .filter(m -> m.direction() == Direction.OUTGOING && m.domain().equals(domain))
        .reduce((earlier, later) -> later);
  }

  private void replace(Migration other, String caller) throws MigrationRefusedException {
    if (other.phase() == Phase.PRECOPY) {
      ends.abort(other, "replaced by a new migration to " + caller);
    } else if (other.phase() == Phase.TAKE_OVER && !devices.domainExists(other.domain())) {
      ends.ended(other);
    }
    if (store.get(other.id()).isActive()) {
      throw context.refused(other, "is in phase " + other.phase() + "; wait until it is over");
    }
  }
}
