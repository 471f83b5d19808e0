package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * One migration as this host knows it; immutable, {@link MigrationStore} holds the newest.
 *
 * @param id chosen by the destination
 * @param peer name of the other host
 * @param devices every Netchannel device of the domain, in order of target; none when it has only
 *     stock disks
 * @param jobs of a destination: those that come along, and are its own once it is COMMIT; of a
 *     source those that it has told of in PREPARE, as they were then
 * @param steps what happened, oldest first; never empty
 * @param untold of a destination where it is over: whether the source is still to be told how
 */
public record Migration(
    UUID id,
    Direction direction,
    String domainName,
    UUID domain,
    String peer,
    Phase phase,
    List<MovedDevice> devices,
    List<DiskJob> jobs,
    List<Step> steps,
    boolean untold) {

  /**
   * A device that moves.
   *
   * @param device with generation N, the source's; the destination gets N+1
   * @param pending requests in the manifest; 0 before the seal
   * @param manifestCrc32c of the encoded manifest; 0 before the seal
   * @param copy source of the device that is the disk from TAKE_OVER on; empty when that is the
   *     disk's own
   * @param onlyCopy whether the destination, whose record this is, reaches a copy of it alone
   */
  public record MovedDevice(
      LocalDevices.GuestDevice device,
      int pending,
      int incomplete,
      int manifestCrc32c,
      String copy,
      boolean onlyCopy) {
    static MovedDevice of(LocalDevices.GuestDevice device) {
      return new MovedDevice(device, 0, 0, 0, "", false);
    }

    MovedDevice sealed(PeerMessages.SealedDevice sealed) {
      return new MovedDevice(
          device, sealed.pending(), sealed.incomplete(), sealed.manifestCrc32c(), copy, onlyCopy);
    }

    /** The same where the destination reaches it elsewhere than its host does. */
    MovedDevice at(String source) {
      return new MovedDevice(
          device.at(source), pending, incomplete, manifestCrc32c, copy, onlyCopy);
    }

    MovedDevice as(String copySource) {
      return new MovedDevice(device, pending, incomplete, manifestCrc32c, copySource, onlyCopy);
    }

    /** The same of a destination that does not reach it where it is. */
    MovedDevice onlyAsCopy() {
      return new MovedDevice(device, pending, incomplete, manifestCrc32c, copy, true);
    }

    /** Whether it is its copy from TAKE_OVER on. */
    boolean isCopy() {
      return !copy.isEmpty();
    }

    /** As the destination takes it over. */
    LocalDevices.GuestDevice taken() {
      LocalDevices.GuestDevice next = device.with(nextGeneration());
      return isCopy() ? next.at(copy) : next;
    }

    DeviceKey key() {
      return DeviceKey.of(device);
    }

    String target() {
      return device.target();
    }

    long nextGeneration() {
      return device.generation() + 1;
    }
  }

  /**
   * A phase was entered, or, when the step before has the same phase, something happened in it: a
   * note.
   */
  public record Step(Phase phase, Instant at, String detail) {}

  /** Notes that one migration keeps: some for each of a guest's devices, and no flood. */
  static final int MAX_NOTES = 200;

  public Migration {
    devices = ImmutableList.copyOf(devices);
    jobs = ImmutableList.copyOf(jobs);
    steps = ImmutableList.copyOf(steps);
  }

  /** Whether a disk is its copy from TAKE_OVER on. */
  boolean hasCopies() {
    return devices.stream().anyMatch(MovedDevice::isCopy);
  }

  /** A migration that is in no phase anybody else knows of yet. */
  static Migration begin(
      UUID id,
      Direction direction,
      String domainName,
      UUID domain,
      String peer,
      List<LocalDevices.GuestDevice> devices,
      Instant at) {
    return new Migration(
        id,
        direction,
        domainName,
        domain,
        peer,
        Phase.PREPARE,
        devices.stream().map(MovedDevice::of).collect(ImmutableList.toImmutableList()),
        List.of(),
        List.of(new Step(Phase.PREPARE, at, "")),
        false);
  }

  Migration moved(Phase to, Instant at, String detail) {
    List<Step> more =
        ImmutableList.<Step>builder().addAll(steps).add(new Step(to, at, detail)).build();
    return new Migration(id, direction, domainName, domain, peer, to, devices, jobs, more, untold);
  }

  /** With a note; unchanged when it has too many. */
  Migration noted(Instant at, String text) {
    return steps.size() >= MAX_NOTES + Phase.values().length ? this : moved(phase, at, text);
  }

  Migration withDevices(List<MovedDevice> changed) {
    return with(changed, jobs);
  }

  Migration with(List<MovedDevice> changed, List<DiskJob> come) {
    return new Migration(
        id, direction, domainName, domain, peer, phase, changed, come, steps, untold);
  }

  /** The same, of which its source is to be told, or not any more. */
  Migration untold(boolean isToBeTold) {
    return new Migration(
        id, direction, domainName, domain, peer, phase, devices, jobs, steps, isToBeTold);
  }

  /** "2 disks, 1 USB port". */
  String count() {
    return count(devices.stream().map(MovedDevice::device).toList(), 0);
  }

  /** "3 pending requests, 1 pending URBs", for people. */
  String pending() {
    return Arrays.stream(LocalDevices.Kind.values())
        .filter(kind -> kind == LocalDevices.Kind.DISK || hasAny(kind))
        .map(kind -> pending(kind) + " pending " + kind.requests())
        .collect(Collectors.joining(", "));
  }

  private boolean hasAny(LocalDevices.Kind kind) {
    return devices.stream().anyMatch(moved -> moved.device().kind() == kind);
  }

  /** Of its devices of a kind, in their manifests. */
  public int pending(LocalDevices.Kind kind) {
    return devices.stream()
        .filter(moved -> moved.device().kind() == kind)
        .mapToInt(MovedDevice::pending)
        .sum();
  }

  /** When the phase it is in was entered. */
  public Instant since() {
    return entered().at();
  }

  /** Why it is in its phase. */
  public String detail() {
    return entered().detail();
  }

  private Step entered() {
    // No phase is entered twice.
    return steps.stream().filter(step -> step.phase() == phase).findFirst().orElseThrow();
  }

  public boolean isActive() {
    return !phase.isOver();
  }

  /** "2 disks, 1 USB port", "no Netchannel devices, 1 stock disk", for people. */
  static String count(List<LocalDevices.GuestDevice> devices, int stockDisks) {
    List<String> counts = new ArrayList<>();
    for (LocalDevices.Kind kind : LocalDevices.Kind.values()) {
      long number = devices.stream().filter(device -> device.kind() == kind).count();
      if (number > 0) {
        counts.add(kind.count(number));
      }
    }
    if (counts.isEmpty()) {
      counts.add("no Netchannel devices");
    }
    if (stockDisks > 0 || devices.isEmpty()) {
      counts.add(stockDisks == 1 ? "1 stock disk" : stockDisks + " stock disks");
    }
    return String.join(", ", counts);
  }

  /** "migration 1b9d… of db from hosta". */
  String label() {
    return "migration "
        + id
        + " of "
        + domainName
        + (direction == Direction.OUTGOING ? " to " : " from ")
        + peer;
  }
}
