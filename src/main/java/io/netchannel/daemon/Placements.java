package io.netchannel.daemon;

import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.SideBySide;
import io.netchannel.libvirt.DomainDevices;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a domain that is being made here gets: nodes for each device of its XML, and what their
 * requests go to, or the wait for a take-over. {@link DomainLifecycle} knows when.
 */
final class Placements {
  private static final Logger log = LoggerFactory.getLogger(Placements.class);

  /** Corrects the XML of a domain whose device is somewhere else than it says. */
  @FunctionalInterface
  interface SourceNames {
    /** Must not block. */
    void name(DeviceKey device, String oldSource, String newSource);
  }

  private final MidPoints midPoints;
  private final UsbPorts ports;
  private final InheritedDisks inherited;
  private final GenerationClaim generations;
  private final Duration ready;
  private final SourceNames names;

  /**
   * For one host.
   *
   * @param ready how long to wait for the devices of a domain
   */
  Placements(
      MidPoints midPoints,
      UsbPorts ports,
      InheritedDisks inherited,
      GenerationClaim generations,
      Duration ready,
      SourceNames names) {
    this.midPoints = midPoints;
    this.ports = ports;
    this.inherited = inherited;
    this.generations = generations;
    this.ready = ready;
    this.names = names;
  }

  /** Storage that cannot be opened, or does not answer, is told before the domain is made. */
  void probe(DomainDevices found) throws MigrationRefusedException {
    SideBySide probes = new SideBySide();
    for (DomainDevices.Disk disk : found.disks()) {
      if (!disk.source().equals(DomainDevices.Disk.INHERIT)) {
        probes.add(
            "disk %s cannot be served".formatted(disk.target()),
            midPoints.probe(disk.source(), disk.readOnly()));
      }
    }
    for (DomainDevices.Usb usb : found.usb()) {
      probes.add(unserved(usb), ports.probe(usb.source()));
    }
    probes.await(ready);
  }

  /** Nothing of a domain that comes has failed so far. */
  void verifyPlaced(Arrival arrival) throws MigrationRefusedException {
    SideBySide failed = new SideBySide();
    for (DomainDevices.Disk disk : arrival.devices().disks()) {
      CompletableFuture<Void> ready = readyOf(arrival, disk.target());
      if (ready.isCompletedExceptionally()) {
        failed.add("disk %s cannot be served".formatted(disk.target()), ready);
      }
    }
    failed.await(ready);
  }

  /** All is served, or taken over. */
  void verifyReady(Arrival arrival, Guest guest) throws MigrationRefusedException {
    SideBySide all = new SideBySide();
    for (DomainDevices.Disk disk : arrival.devices().disks()) {
      all.add("disk %s cannot be served".formatted(disk.target()), readyOf(arrival, disk.target()));
    }
    for (DomainDevices.Usb usb : arrival.devices().usb()) {
      all.add(unserved(usb), readyOf(arrival, PortDetails.target(usb.port())));
    }
    all.await(ready);
    if (!arrival.incoming()) {
      return;
    }
    for (DomainDevices.Disk disk : arrival.devices().disks()) {
      if (!midPoints.isServing(guest.domid(), disk.target())) {
        throw notHandedOver("disk " + disk.target(), guest);
      }
    }
    for (DomainDevices.Usb usb : arrival.devices().usb()) {
      if (!ports.isServing(guest.domid(), PortDetails.target(usb.port()))) {
        throw notHandedOver("USB port " + usb.port(), guest);
      }
    }
  }

  private static MigrationRefusedException notHandedOver(String what, Guest guest) {
    return new MigrationRefusedException(
        "%s of %s was not handed over by the source: it must have the same <metadata> there"
            .formatted(what, guest));
  }

  /** Where a device has stayed at its host, the domain's XML is to say so from now on. */
  void nameSources(Arrival arrival, Guest guest) {
    for (DomainDevices.Usb usb : arrival.devices().usb()) {
      ports
          .find(guest.domid(), PortDetails.target(usb.port()))
          .flatMap(port -> port.details().source())
          .filter(source -> !source.equals(usb.source()))
          .ifPresent(source -> names.name(key(guest, usb), usb.source(), source));
    }
  }

  private static String unserved(DomainDevices.Usb usb) {
    return "USB port %d cannot be served".formatted(usb.port());
  }

  private static CompletableFuture<Void> readyOf(Arrival arrival, String target)
      throws MigrationRefusedException {
    synchronized (arrival) {
      return arrival
          .ready(target)
          .orElseThrow(
              () ->
                  new MigrationRefusedException(
                      "disk %s is to be inherited, but libxl has made no disk %s: give it a <disk> too"
                          .formatted(target, target)));
    }
  }

  /** Publishes the nodes of all devices that have none, and opens those of a plain start. */
  void place(Arrival arrival, Guest guest) {
    synchronized (arrival) {
      for (DomainDevices.Disk disk : arrival.devices().disks()) {
        place(arrival, guest, disk.target(), () -> place(arrival, guest, disk));
      }
      for (DomainDevices.Usb usb : arrival.devices().usb()) {
        String target = PortDetails.target(usb.port());
        place(arrival, guest, target, () -> arrival.place(target, plug(arrival, guest, usb)));
      }
    }
  }

  private void place(Arrival arrival, Guest guest, String target, Runnable placing) {
    if (arrival.isPlaced(target)) {
      return;
    }
    try {
      placing.run();
    } catch (RuntimeException | Error e) {
      if (Thread.currentThread().isInterrupted()) { // the daemon ends: the next one places it
        log.debug("{} {}: not placed: {}", guest, target, e.getMessage());
      } else {
        log.error("{} {}: {}", guest, target, e.getMessage(), e);
      }
      arrival.place(target, CompletableFuture.failedFuture(e));
    }
  }

  private CompletableFuture<Void> plug(Arrival arrival, Guest guest, DomainDevices.Usb usb) {
    ServedPort port = ports.publish(PortDetails.expecting(guest, usb.port(), usb.replugs()));
    return arrival.incoming()
        ? CompletableFuture.completedFuture(null)
        : ports.serve(port, usb.source(), generations);
  }

  private void place(Arrival arrival, Guest guest, DomainDevices.Disk disk) {
    ServedDisk served;
    String source = disk.source();
    if (source.equals(DomainDevices.Disk.INHERIT)) {
      InheritedDisks.Take take = inherited.take(guest, disk.target());
      switch (take.outcome()) {
        case NOT_YET -> {
          return;
        }
        case TOO_LATE -> {
          String why =
              "%s: disk %s stays with the kernel's backend: %s"
                  .formatted(guest, disk.target(), take.detail());
          log.warn("{}", why);
          arrival.place(
              disk.target(),
              arrival.incoming()
                  ? CompletableFuture.failedFuture(new IllegalStateException(why))
                  : CompletableFuture.completedFuture(null));
          return;
        }
        case TAKEN -> log.info("{} {}: inherited {}", guest, disk.target(), take.detail());
      }
      source = take.detail();
      served =
          midPoints.adopt(
              DiskDetails.expecting(guest, disk.target(), take.readOnly() || disk.readOnly())
                  .asInherited());
    } else {
      served = midPoints.publish(guest, disk.target(), disk.readOnly());
    }
    if (arrival.incoming()) {
      arrival.place(disk.target(), CompletableFuture.completedFuture(null));
    } else {
      arrival.place(disk.target(), midPoints.serve(served, source, generations));
    }
  }

  private static DeviceKey key(Guest guest, DomainDevices.Usb usb) {
    return new DeviceKey(guest.uuid(), PortDetails.target(usb.port()));
  }
}
