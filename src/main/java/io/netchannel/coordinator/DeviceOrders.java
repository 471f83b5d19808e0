package io.netchannel.coordinator;

import io.netchannel.coordinator.Migration.MovedDevice;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the source's devices have to do when their migration is over: go on here, or end. Each is
 * told until it has done so: a frozen device would keep its guest waiting for ever.
 *
 * <pre>
 *   given --told--> TOLD --done--> (forgotten)
 *                   |  ^
 *            failed |  | tick: 1 s, 2 s, 4 s ... 30 s
 *                   v  |
 *                  FAILED --its domain or its order is over--> (forgotten)
 * </pre>
 *
 * In memory only. A daemon that starts reads the same from the journal: the migration is over, and
 * the generation says whose the device is. What could make an order a wrong one forgets it first: a
 * domain that starts here, or comes back. No new migration of a domain begins while it has one.
 */
final class DeviceOrders {
  private static final Logger log = LoggerFactory.getLogger(DeviceOrders.class);

  /** What a device has to do. */
  private enum Order {
    GO_ON("goes on"),
    END("ends");

    private final String words;

    Order(String words) {
      this.words = words;
    }
  }

  private record Key(UUID domain, String target) implements Comparable<Key> {
    @Override
    public int compareTo(Key other) {
      int domains = domain.compareTo(other.domain);
      return domains != 0 ? domains : target.compareTo(other.target);
    }
  }

  /** Its monitor keeps it from being told once more when it is forgotten. */
  private static final class Given {
    private final Migration migration;
    private final MovedDevice device;
    private final Order order;
    private final long generation;
    private boolean forgotten;
    private volatile CompletableFuture<Void> told = new CompletableFuture<>();
    private volatile String problem = "";

    private Given(Migration migration, MovedDevice device, Order order, long generation) {
      this.migration = migration;
      this.device = device;
      this.order = order;
      this.generation = generation;
    }

    private String words() {
      return "%s: %s%s; not yet: %s"
          .formatted(
              device.device().name(),
              order.words,
              order == Order.GO_ON ? " with generation " + generation : "",
              problem.isEmpty() ? "its mid-point has not answered" : problem);
    }
  }

  private final LocalDevices devices;
  private final Backoffs backoff;
  private final Map<Key, Given> open = new ConcurrentSkipListMap<>();

  DeviceOrders(Context context) {
    this.devices = context.devices();
    this.backoff = context.backoff();
  }

  /** A sealed device, or one that is being sealed, is its guest's again. */
  void goOn(Migration over, MovedDevice device, long generation) {
    give(device, new Given(over, device, Order.GO_ON, generation));
  }

  /** A device that is another host's now: nothing of it is lost while this fails, it is sealed. */
  void end(Migration over, MovedDevice device) {
    give(device, new Given(over, device, Order.END, device.device().generation()));
  }

  private void give(MovedDevice device, Given given) {
    Key key = new Key(device.device().domain(), device.target());
    open.put(key, given);
    tell(key, given);
  }

  private void tell(Key key, Given given) {
    CompletableFuture<Void> told;
    synchronized (given) {
      if (given.forgotten) {
        return;
      }
      told = told(key, given);
      given.told = told;
    }
    CompletableFuture<Void> unused =
        told.whenComplete(
            (done, failure) -> {
              if (failure == null) {
                open.remove(key, given);
              } else {
                given.problem = Deadline.words(SideBySide.cause(failure));
                log.warn("{}: {}; tried again", given.migration.label(), given.words());
              }
            });
  }

  private CompletableFuture<Void> told(Key key, Given given) {
    try {
      return switch (given.order) {
        case GO_ON -> devices.unseal(key.domain, key.target, given.generation);
        case END -> devices.retire(key.domain, key.target);
      };
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  /** Tells those again that have failed. */
  void tick() {
    Map<UUID, Boolean> due = new HashMap<>();
    open.forEach(
        (key, given) -> {
          if (!devices.domainExists(key.domain)) {
            log.info(
                "{}: {}: its domain has ended", given.migration.label(), given.device.target());
            forget(key, given);
          } else if (given.told.isCompletedExceptionally()
              && due.computeIfAbsent(given.migration.id(), backoff::isDue)) {
            tell(key, given);
          }
        });
  }

  /** Of a domain that comes back: from now on a device of that name is another one. */
  void forget(UUID domain) {
    open.forEach(
        (key, given) -> {
          if (key.domain.equals(domain)) {
            forget(key, given);
          }
        });
  }

  /** Likewise of one device, which is about to be served here with a generation of its own. */
  void forget(UUID domain, String target) {
    Key key = new Key(domain, target);
    Given given = open.get(key);
    if (given != null) {
      forget(key, given);
    }
  }

  private void forget(Key key, Given given) {
    synchronized (given) {
      given.forgotten = true;
    }
    open.remove(key, given);
  }

  /** What the devices of a domain have not done yet, for people; empty when there is nothing. */
  Optional<String> openOf(UUID domain) {
    return words(given -> given.migration.domain().equals(domain));
  }

  /** Likewise of one migration. */
  Optional<String> openOf(Migration migration) {
    return words(given -> given.migration.id().equals(migration.id()));
  }

  private Optional<String> words(Predicate<Given> which) {
    String words =
        open.values().stream().filter(which).map(Given::words).collect(Collectors.joining("; "));
    return Optional.of(words).filter(found -> !found.isEmpty());
  }
}
