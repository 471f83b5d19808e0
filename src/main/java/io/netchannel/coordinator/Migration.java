package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.List;
import java.util.UUID;

/**
 * One migration as this host knows it; immutable, {@link MigrationStore} holds the newest.
 *
 * @param id chosen by the destination
 * @param peer name of the other host
 * @param disks every Netchannel disk of the domain, in order of target; none when it has only stock
 *     disks
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
    List<MovedDisk> disks,
    List<DiskJob> jobs,
    List<Step> steps,
    boolean untold) {

  /**
   * A disk that moves.
   *
   * @param disk with generation N, the source's; the destination gets N+1
   * @param pending requests in the manifest; 0 before the seal
   * @param manifestCrc32c of the encoded manifest; 0 before the seal
   * @param copy source of the device that is the disk from TAKE_OVER on; empty when that is the
   *     disk's own
   * @param onlyCopy whether the destination, whose record this is, reaches a copy of it alone
   */
  public record MovedDisk(
      LocalDevices.Disk disk,
      int pending,
      int incomplete,
      int manifestCrc32c,
      String copy,
      boolean onlyCopy) {
    static MovedDisk of(LocalDevices.Disk disk) {
      return new MovedDisk(disk, 0, 0, 0, "", false);
    }

    MovedDisk sealed(PeerMessages.SealedDisk sealed) {
      return new MovedDisk(
          disk, sealed.pending(), sealed.incomplete(), sealed.manifestCrc32c(), copy, onlyCopy);
    }

    MovedDisk as(String copySource) {
      return new MovedDisk(disk, pending, incomplete, manifestCrc32c, copySource, onlyCopy);
    }

    /** The same of a destination that does not reach it where it is. */
    MovedDisk onlyAsCopy() {
      return new MovedDisk(disk, pending, incomplete, manifestCrc32c, copy, true);
    }

    /** Whether it is its copy from TAKE_OVER on. */
    boolean isCopy() {
      return !copy.isEmpty();
    }

    /** As the destination takes it over. */
    LocalDevices.Disk taken() {
      LocalDevices.Disk next =
          new LocalDevices.Disk(
              disk.domain(),
              disk.target(),
              disk.source(),
              disk.readOnly(),
              disk.sizeBytes(),
              nextGeneration());
      return isCopy() ? next.at(copy) : next;
    }

    DiskKey key() {
      return DiskKey.of(disk);
    }

    String target() {
      return disk.target();
    }

    long nextGeneration() {
      return disk.generation() + 1;
    }
  }

  /**
   * A phase was entered, or, when the step before has the same phase, something happened in it: a
   * note.
   */
  public record Step(Phase phase, Instant at, String detail) {}

  /** Notes that one migration keeps: some for each of a guest's disks, and no flood. */
  static final int MAX_NOTES = 200;

  public Migration {
    disks = ImmutableList.copyOf(disks);
    jobs = ImmutableList.copyOf(jobs);
    steps = ImmutableList.copyOf(steps);
  }

  /** Whether a disk is its copy from TAKE_OVER on. */
  boolean hasCopies() {
    return disks.stream().anyMatch(MovedDisk::isCopy);
  }

  /** A migration that is in no phase anybody else knows of yet. */
  static Migration begin(
      UUID id,
      Direction direction,
      String domainName,
      UUID domain,
      String peer,
      List<LocalDevices.Disk> disks,
      Instant at) {
    return new Migration(
        id,
        direction,
        domainName,
        domain,
        peer,
        Phase.PREPARE,
        disks.stream().map(MovedDisk::of).collect(ImmutableList.toImmutableList()),
        List.of(),
        List.of(new Step(Phase.PREPARE, at, "")),
        false);
  }

  Migration moved(Phase to, Instant at, String detail) {
    List<Step> more =
        ImmutableList.<Step>builder().addAll(steps).add(new Step(to, at, detail)).build();
    return new Migration(id, direction, domainName, domain, peer, to, disks, jobs, more, untold);
  }

  /** With a note; unchanged when it has too many. */
  Migration noted(Instant at, String text) {
    return steps.size() >= MAX_NOTES + Phase.values().length ? this : moved(phase, at, text);
  }

  Migration withDisks(List<MovedDisk> changed) {
    return with(changed, jobs);
  }

  Migration with(List<MovedDisk> changed, List<DiskJob> come) {
    return new Migration(
        id, direction, domainName, domain, peer, phase, changed, come, steps, untold);
  }

  /** The same, of which its source is to be told, or not any more. */
  Migration untold(boolean isToBeTold) {
    return new Migration(
        id, direction, domainName, domain, peer, phase, disks, jobs, steps, isToBeTold);
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

  /** "2 disks", "no Netchannel disks, 1 stock disk", for people. */
  static String count(int disks, int stockDisks) {
    String ours = disks == 1 ? "1 disk" : disks + " disks";
    String stock = stockDisks == 1 ? "1 stock disk" : stockDisks + " stock disks";
    if (disks == 0) {
      return "no Netchannel disks, " + stock;
    }
    return stockDisks == 0 ? ours : ours + ", " + stock;
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
