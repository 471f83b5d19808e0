package io.netchannel.coordinator;

import com.google.protobuf.ByteString;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * What the coordinator asks of the devices on its own host; implemented over the mid-points. May be
 * called from any thread, under a lock too: what storage may keep waiting is a future. A device is
 * named by its domain's UUID and its target, because the domid changes with the host.
 */
public interface LocalDevices {

  /** What a device is to its guest. */
  enum Kind {
    DISK("disk", "requests"),
    USB_PORT("USB port", "URBs");

    private final String words;
    private final String requests;

    Kind(String words, String requests) {
      this.words = words;
      this.requests = requests;
    }

    /** What its guest asks of it, for people. */
    public String requests() {
      return requests;
    }

    /** "2 disks", for people. */
    String count(long number) {
      return number == 1 ? "1 " + words : number + " " + words + "s";
    }

    @Override
    public String toString() {
      return words;
    }
  }

  /**
   * One device of a domain.
   *
   * @param target "xvdb", "usb1"; among all devices of the domain it is the only one
   * @param source where its mid-point sends requests, without "inherit": that is resolved
   * @param readOnly of a disk
   * @param sizeBytes of a disk; 0 while its device cannot be opened, and of others
   * @param generation the generation its mid-point was started with
   */
  record GuestDevice(
      Kind kind,
      UUID domain,
      String target,
      String source,
      boolean readOnly,
      long sizeBytes,
      long generation) {

    /** A disk. */
    public static GuestDevice disk(
        UUID domain,
        String target,
        String source,
        boolean readOnly,
        long sizeBytes,
        long generation) {
      return new GuestDevice(Kind.DISK, domain, target, source, readOnly, sizeBytes, generation);
    }

    /** A USB port, with what is plugged there. */
    public static GuestDevice usbPort(UUID domain, String target, String source, long generation) {
      return new GuestDevice(Kind.USB_PORT, domain, target, source, false, 0, generation);
    }

    /** The same with another source. */
    GuestDevice at(String other) {
      return new GuestDevice(kind, domain, target, other, readOnly, sizeBytes, generation);
    }

    /** The same with another generation. */
    GuestDevice with(long other) {
      return new GuestDevice(kind, domain, target, source, readOnly, sizeBytes, other);
    }

    /** "disk xvdb", "USB port usb1"; for people. */
    String name() {
      return kind + " " + target;
    }
  }

  /**
   * A sealed device.
   *
   * @param manifest the encoded pending set, see {@code midpoint.Manifest}
   * @param manifestCrc32c CRC32C of it, computed when it was made
   * @param pending requests in it the guest has not seen answered
   * @param incomplete those of them whose outcome was not known when the seal began
   */
  record Sealed(
      GuestDevice device, ByteString manifest, int manifestCrc32c, int pending, int incomplete) {}

  /**
   * A disk that another backend than ours serves.
   *
   * @param target "xvda"
   * @param backend its type in xenstore: "vbd" is the kernel's blkback, "qdisk" QEMU's; of a driver
   *     domain's backend also that it is one: nobody but that domain sees what it has not answered
   */
  record StockDisk(String target, String backend) {}

  /**
   * A stock disk whose backend has answered all that its suspended guest had asked for.
   *
   * @param unanswered requests on its rings without an answer when the wait began
   * @param waited until there was none
   */
  record Drained(StockDisk disk, int unanswered, Duration waited) {}

  /** Memory of this host that is kept free for the manifests of a migration that comes. */
  interface ManifestRoom extends AutoCloseable {
    /** For the data of all that is pending; 0 when there is none to be had. */
    long bytes();

    /** Gives it back. Again does nothing more. */
    @Override
    void close();
  }

  /** UUIDs of the running domains with this name that have devices here, ours or not (0 or 1). */
  List<UUID> domainsNamed(String name);

  /**
   * Why a domain that runs here cannot leave just now, and what to do: the words that follow its
   * name. Empty when it can.
   */
  default Optional<String> obstacle(UUID domain) {
    return Optional.empty();
  }

  /** The devices of a domain that have a mid-point here, in order of target. */
  List<GuestDevice> devicesOf(UUID domain);

  /** The disks of a domain that other backends serve here, in order of target. */
  List<StockDisk> stockDisksOf(UUID domain);

  /**
   * Whether this host could serve the device: opens and closes it. Exceptionally when not, or when
   * the size of a disk is not {@code sizeBytes}. Never completes while its storage hangs.
   */
  CompletableFuture<Void> probe(GuestDevice device);

  /**
   * Makes what a device here has reachable for the hosts that its guest may go to, until {@link
   * #keeps} or for good. May wait for storage of this host. Again gives the same.
   *
   * @return the device's source there
   * @throws MigrationRefusedException when no other host can reach it, with what to do
   */
  default String reachable(GuestDevice device) throws MigrationRefusedException {
    return device.source();
  }

  /**
   * A domain that was to leave has not, and goes on here: what was made {@link #reachable} for
   * another host need not be. Must not block. After a restart nobody says so again.
   */
  default void keeps(UUID domain) {}

  /** Keeps memory free for what a guest with such devices will hand over to this host. */
  ManifestRoom manifestRoom(List<GuestDevice> devices);

  /**
   * Stops taking requests, waits for those at the device, flushes the device, and gives what is
   * pending. The guest must be suspended. Fails when the bound passes; the disk then goes on
   * serving.
   *
   * @param dataBytes how much of data what is given may have; the rest is there without its data
   * @param known told what the future will give as soon as nothing is at the device any more: it
   *     may travel while the device is flushed. Must neither block nor throw; not told when the
   *     disk is sealed, or being sealed, already
   */
  CompletableFuture<Sealed> seal(
      UUID domain, String target, Duration bound, long dataBytes, Consumer<Sealed> known);

  /**
   * Waits until the backends of a suspended domain's stock disks have answered every request on its
   * rings. Nothing stays mapped when the future is complete. Exceptionally with a {@link
   * java.util.concurrent.TimeoutException} when the bound passes with requests unanswered, with an
   * {@link IllegalStateException} when the rings cannot be read; its words are for the user.
   *
   * @return of every stock disk, in order of target; empty when there is none
   */
  CompletableFuture<List<Drained>> drain(UUID domain, Duration bound);

  /**
   * Completes, on a thread that may block, when the hypervisor says that the domain has suspended;
   * at once when it is so. Never where the hypervisor cannot tell. Cancelled when the domain has
   * ended; to be cancelled when nobody waits for it any more.
   */
  CompletableFuture<Void> whenSuspended(UUID domain);

  /**
   * Whether the domain is suspended; empty when the hypervisor cannot tell, or when it has ended.
   */
  Optional<Boolean> isSuspended(UUID domain);

  /**
   * What a disk is being copied to.
   *
   * @param why the copy has not, durably, all that the disk's guest has been told is written; empty
   *     when it has: of a sealed disk that stays so until it is unsealed
   * @param canStay whether other hosts reach the disk where it is
   */
  record Copy(String why, boolean canStay) {}

  /** Of a disk that a job is about, or was. Waits for nothing. */
  Copy copyOf(UUID domain, String target);

  /**
   * Undoes a seal, also one that is going on: answers and issues what is pending and goes on, with
   * {@code generation}. Exceptionally when the disk has gone or cannot go on. Again does nothing
   * more.
   */
  CompletableFuture<Void> unseal(UUID domain, String target, long generation);

  /**
   * Ends a disk, sealed or taken over or being taken over: nothing is issued any more after the
   * future completes. A device that is still being opened for it is not waited for: it is closed as
   * soon as it is open, and never used. Its nodes go when the domain goes. Nothing to do when the
   * disk has gone. Again does nothing more.
   */
  CompletableFuture<Void> retire(UUID domain, String target);

  /**
   * Brings what is pending to the mid-point of an incoming disk before its take-over, which has
   * less to do then. Completes when the mid-point has it, or when there is no such mid-point yet:
   * {@link #takeOver} gets the same manifest anyway.
   *
   * @param manifest its checksum was verified since it came over the network
   */
  CompletableFuture<Void> stage(UUID domain, String target, ByteString manifest);

  /**
   * Gives a disk of an incoming domain (already restored, not yet running, its nodes published) its
   * device: opens it, finishes what is pending, keeps the replay map and lets the frontend connect.
   * Never completes while its storage hangs; {@link #retire} ends it nevertheless.
   *
   * @param domid the domain's id on this host
   * @param isCopy whether its source has become the disk by this migration, and nobody has said so
   *     to its authority yet
   * @param manifest the very bytes of {@link #stage}, where they were staged: they are not looked
   *     at again
   */
  CompletableFuture<Void> takeOver(
      int domid, GuestDevice device, boolean isCopy, ByteString manifest);

  /**
   * A domain that came by a migration is here for good, and so are the jobs that came with it. Must
   * not block. After a restart nobody says so again: it is in the journal.
   */
  void stays(UUID domain);

  /** Whether libvirt has a domain with this UUID on this host, running or paused. */
  boolean domainExists(UUID domain);

  /**
   * Whether the guest has run on this host since {@link #takeOver}: a frontend of one of its disks
   * has connected and made a request. True means that the source must never resume it. False when
   * not known, as after a restart of the daemon before the frontend connected.
   */
  boolean guestHasRun(UUID domain);
}
