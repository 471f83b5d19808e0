package io.netchannel.daemon;

import io.netchannel.coordinator.MigrationHooks;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.libvirt.DomainDevices;
import io.netchannel.libvirt.DomainXmlException;
import io.netchannel.libvirt.DomainXmlParser;
import io.netchannel.libvirt.HookCall;
import io.netchannel.libvirt.HookHandler;
import io.netchannel.libvirt.HookReply;
import io.netchannel.time.Backoff;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows domains by libvirt's hooks and a xenstore watch, and sees that their disks and USB ports
 * are there before they run and gone after they end.
 *
 * <pre>
 *   hook start begin --> ARMED --watch: /local/domain/N has a name--> nodes published
 *                                                                        |
 *          plain start, restore: device opened, served at once  <--------+--> incoming: EXPECTING
 *                       |                                                            |
 *   hook started begin: verified, or an error               hook started begin: taken over, or refused
 *
 *   hook stopped/release end, or the domain's directory goes --> ended and cleaned up (idempotent)
 * </pre>
 *
 * Looks at xenstore are repeatable: each reads what is there and does what is missing, so it does
 * not matter which event or hook comes first. One that fails is repeated until it does not.
 */
public final class DomainLifecycle implements HookHandler, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(DomainLifecycle.class);

  /** What a look depends on: a domain's directory, its name or UUID, its block frontends. */
  private static final Pattern RELEVANT =
      Pattern.compile("/local/domain/([1-9]\\d{0,4})(?:|/name|/vm|/device|/device/vbd(?:/.*)?)");

  /** libxl's backends: their hotplug scripts are done when an inherited disk may be taken. */
  private static final Pattern LIBXL_BACKEND =
      Pattern.compile("/local/domain/0/backend/vbd/([1-9]\\d{0,4})/.*");

  /** A look that failed is repeated: a guest may wait for its disks. */
  static final Duration FIRST_PAUSE = Duration.ofMillis(100);

  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  private final XenStore store;
  private final GuestDevices devices;
  private final Placements placements;
  private final MigrationHooks hooks;
  private final Duration armed;
  private final LongSupplier nanoTime;
  private final Timer timer;
  private final Consumer<UUID> runs;
  private final Map<UUID, Arrival> arrivals = new ConcurrentHashMap<>();
  private final Set<Integer> dirty = ConcurrentHashMap.newKeySet();

  /** By domid: those whose last look failed, with the pauses before the next ones. */
  private final Map<Integer, Backoff> failing = new ConcurrentHashMap<>();

  private final ExecutorService looks = new PatientPool("domains-%d");
  private final XenStore.Watch domains;

  /**
   * Starts to watch.
   *
   * @param devices those of all kinds together
   * @param armed how long it waits from "start begin" to the domain's directory in xenstore
   * @param timer looks again where a look has failed
   * @param runs told of each domain that was started here; must not block
   */
  DomainLifecycle(
      XenStore store,
      GuestDevices devices,
      Placements placements,
      MigrationHooks hooks,
      Duration armed,
      LongSupplier nanoTime,
      Timer timer,
      Consumer<UUID> runs) {
    this.store = store;
    this.devices = devices;
    this.placements = placements;
    this.hooks = hooks;
    this.armed = armed;
    this.nanoTime = nanoTime;
    this.timer = timer;
    this.runs = runs;
    this.domains = store.watch(Guest.DOMAINS, this::changed);
  }

  @Override
  public void close() {
    domains.close();
    looks.shutdownNow();
  }

  @Override
  public HookReply handle(HookCall call) {
    String what = call.operation() + " " + call.subOperation();
    log.info("{}: hook {}", call.domain(), what);
    try {
      return switch (what) {
        case "migrate begin" -> announced(call);
        case "prepare begin" -> prepared(call);
        case "start begin" -> arm(call);
        case "started begin" -> started(call);
        case "stopped end", "release end" -> ended(call);
        // "reconnect" and what later versions of libvirt add must not stop a domain.
        default -> HookReply.OK;
      };
    } catch (MigrationRefusedException | DomainXmlException e) {
      return refused(call, e.getMessage());
    } catch (RuntimeException e) {
      log.error("{}: hook {}", call.domain(), what, e);
      return refused(call, String.valueOf(e.getMessage()));
    }
  }

  /** Domains between "start begin" and "started begin". */
  public int armedDomains() {
    forgetStale();
    return arrivals.size();
  }

  /** Whether a domain is being made here, by a migration or not, and does not run yet. */
  boolean isArriving(UUID domain) {
    return arrivals.containsKey(domain);
  }

  /** Looks at every domain with devices of ours: something says that one may have ended. */
  public void lookAtAll() {
    devices.domids().stream().filter(dirty::add).forEach(this::lookSoon);
  }

  private HookReply announced(HookCall call) throws MigrationRefusedException {
    hooks.incomingAnnounced(call.domain());
    return HookReply.OK;
  }

  /** Metadata that cannot be understood is refused before anything is made for the domain. */
  private HookReply prepared(HookCall call) throws DomainXmlException {
    for (DomainDevices.Disk disk : DomainXmlParser.parse(call.xml()).disks()) {
      log.debug("{}: {} is vbd {}", call.domain(), disk, DiskName.devid(disk.target()));
    }
    return HookReply.OK;
  }

  private HookReply arm(HookCall call) throws MigrationRefusedException, DomainXmlException {
    forgetStale();
    DomainDevices found = DomainXmlParser.parse(call.xml());
    boolean incoming =
        hooks.incomingStarts(
            found.name(), found.uuid(), found.hasAny(), hasStockDisks(call, found));
    if (!found.hasAny() && !incoming) {
      return HookReply.OK;
    }
    if (!incoming) {
      placements.probe(found);
    }
    arrivals.put(found.uuid(), arrival(found, incoming));
    log.info(
        "{}: armed for {} disks and {} USB ports{}",
        found.name(),
        found.disks().size(),
        found.usb().size(),
        incoming ? ", coming by a migration" : "");
    return HookReply.OK;
  }

  /** Whether other backends serve disks of it; an empty drive has no backend that could write. */
  private static boolean hasStockDisks(HookCall call, DomainDevices found)
      throws DomainXmlException {
    Set<String> ours = new HashSet<>();
    found.disks().forEach(disk -> ours.add(disk.target()));
    return DomainXmlParser.stockDisks(call.xml()).stream()
        .anyMatch(
            disk ->
                !ours.contains(disk.target())
                    && !disk.readOnly()
                    && !(disk.source().isEmpty()
                        && (disk.type().equals("block") || disk.type().equals("file"))));
  }

  private HookReply started(HookCall call) throws MigrationRefusedException, DomainXmlException {
    DomainDevices found = DomainXmlParser.parse(call.xml());
    Arrival arrival = arrivals.get(found.uuid());
    if (arrival == null && !found.hasAny() && !hooks.isIncoming(found.uuid())) {
      return HookReply.OK;
    }
    if (arrival == null) {
      // The daemon was restarted since "start begin", or was not there: the journal and the peers
      // know.
      boolean incoming =
          !found.hasAny()
              || hooks.incomingStarts(found.name(), found.uuid(), true, hasStockDisks(call, found));
      arrival = new Arrival(found, incoming, Set.of(), nanoTime.getAsLong());
    }
    Optional<Guest> guest = guestOf(found);
    if (guest.isEmpty()) {
      return refused(call, "xenstore has no running domain with UUID " + found.uuid());
    }
    Arrival waiting = arrival;
    placements.place(arrival, guest.get());
    if (arrival.incoming()) {
      hooks.incomingRestored(
          found.uuid(),
          guest.get().domid(),
          new MigrationHooks.Arrived() {
            @Override
            public void checkPlaced() throws MigrationRefusedException {
              placements.verifyPlaced(waiting);
            }

            @Override
            public void checkReady() throws MigrationRefusedException {
              placements.verifyReady(waiting, guest.get());
            }
          });
    } else {
      placements.verifyReady(arrival, guest.get());
      runs.accept(found.uuid());
    }
    arrivals.remove(found.uuid(), arrival);
    if (arrival.incoming()) {
      placements.nameSources(arrival, guest.get());
    }
    log.info("{}: runs with its devices", guest.get());
    return HookReply.OK;
  }

  private HookReply ended(HookCall call) {
    try {
      DomainDevices found = DomainXmlParser.parse(call.xml());
      arrivals.remove(found.uuid());
      hooks.domainEnded(found.uuid());
      found.domid().ifPresent(devices::endDomain);
      devices.domidsOf(found.uuid()).stream()
          .filter(domid -> !store.exists(Guest.path(domid)))
          .forEach(devices::endDomain);
    } catch (DomainXmlException | RuntimeException e) {
      // The domain has ended whatever we say; the watch cleans up what is left.
      log.warn("{}: hook {}: {}", call.domain(), call.operation(), e.toString());
    }
    return HookReply.OK;
  }

  /**
   * A xenstore event; on the watch thread: it only notes which domain to look at. What changes
   * inside a domain matters while one arrives; otherwise only that it goes.
   */
  private void changed(String path) {
    domidOf(path)
        .filter(domid -> !arrivals.isEmpty() || path.equals(Guest.path(domid)))
        .filter(dirty::add)
        .ifPresent(this::lookSoon);
  }

  private void lookSoon(int domid) {
    try {
      looks.execute(
          () -> {
            dirty.remove(domid);
            look(domid);
          });
    } catch (RejectedExecutionException e) {
      log.debug("domid {}: not looked at, shutting down", domid);
    }
  }

  private void look(int domid) {
    try {
      lookNow(domid);
      failing.remove(domid);
    } catch (RuntimeException | Error e) {
      failed("domid " + domid, e);
      lookAgain(domid);
    }
  }

  private void lookNow(int domid) {
    if (!store.exists(Guest.path(domid))) {
      vanished(domid);
      return;
    }
    Optional<Guest> guest = Guest.byId(store, domid);
    Arrival arrival = guest.map(found -> arrivals.get(found.uuid())).orElse(null);
    if (arrival != null && !arrival.isEarlier(domid)) {
      placements.place(arrival, guest.get());
    }
  }

  /** What xenstore had to say has been said: no other event may come that makes us look. */
  private void lookAgain(int domid) {
    Backoff pauses =
        failing.computeIfAbsent(domid, first -> new Backoff(FIRST_PAUSE, LONGEST_PAUSE));
    Duration pause;
    synchronized (pauses) {
      pause = pauses.next();
    }
    timer.after(
        pause,
        () -> {
          if (dirty.add(domid)) {
            lookSoon(domid);
          }
        });
  }

  /** The daemon's end interrupts looks; the next daemon looks again. */
  private void failed(String what, Throwable e) {
    if (looks.isShutdown()) {
      log.debug("{}: not looked at, shutting down: {}", what, e.getMessage());
    } else {
      log.error("{}: {}", what, e.getMessage(), e);
    }
  }

  /** A domain's directory has gone, perhaps without libvirt: xl destroy, a crash. */
  private void vanished(int domid) {
    devices
        .guestOf(domid)
        .ifPresent(
            guest -> {
              log.info("{}: has gone", guest);
              hooks.domainEnded(guest.uuid());
              devices.endDomain(domid);
            });
  }

  private Optional<Guest> guestOf(DomainDevices found) {
    return found.domid().isPresent()
        ? Guest.byId(store, found.domid().getAsInt())
        : Guest.all(store).stream().filter(guest -> guest.uuid().equals(found.uuid())).findFirst();
  }

  private Arrival arrival(DomainDevices found, boolean incoming) {
    Set<Integer> earlier = new HashSet<>();
    for (Guest guest : Guest.all(store)) {
      if (guest.uuid().equals(found.uuid())) {
        earlier.add(guest.domid());
      }
    }
    return new Arrival(found, incoming, earlier, nanoTime.getAsLong());
  }

  private void forgetStale() {
    long now = nanoTime.getAsLong();
    arrivals.values().removeIf(arrival -> now - arrival.armedAtNanos() > armed.toNanos());
  }

  private static HookReply refused(HookCall call, String why) {
    String message = "netchannel: " + call.domain() + ": " + why;
    log.warn("refused {} {}: {}", call.operation(), call.subOperation(), message);
    return HookReply.refuse(message);
  }

  private static Optional<Integer> domidOf(String path) {
    Matcher domain = RELEVANT.matcher(path);
    if (domain.matches()) {
      return Optional.of(Integer.valueOf(domain.group(1)));
    }
    Matcher backend = LIBXL_BACKEND.matcher(path);
    return backend.matches() ? Optional.of(Integer.valueOf(backend.group(1))) : Optional.empty();
  }
}
