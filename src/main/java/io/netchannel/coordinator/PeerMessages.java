package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.protobuf.ByteString;
import io.netchannel.files.Crc32c;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** What coordinators say to each other, see peer.proto. */
public final class PeerMessages {

  /**
   * A domain and its devices on the answering host.
   *
   * @param devices those of ours that this host may write, in order of target
   * @param stock those of other backends, in order of target; none where nobody looks at them. Not
   *     both are empty.
   * @param copies of those disks of ours that are to go with their guest
   */
  public record ServedDomain(
      String name,
      UUID domain,
      List<LocalDevices.GuestDevice> devices,
      List<LocalDevices.StockDisk> stock,
      List<Copy> copies) {
    public ServedDomain {
      devices = ImmutableList.copyOf(devices);
      stock = ImmutableList.copyOf(stock);
      copies = ImmutableList.copyOf(copies);
    }

    /**
     * The source of a disk's copy, for the host that takes over with it; empty when there is none.
     */
    Optional<String> copy(String target, String host) {
      return copies.stream()
          .filter(copy -> copy.target().equals(target) && copy.host().equals(host))
          .map(Copy::source)
          .findFirst();
    }
  }

  /**
   * A disk that is becoming another device, with which a host takes over when the guest goes there.
   *
   * @param source of that device, the same on every host
   */
  public record Copy(String target, String source, String host) {}

  /**
   * Registers a migration at its source.
   *
   * @param migration chosen by the destination, which is the caller
   * @param devices as the source described them
   * @param manifestDataBytes what the destination has kept free for the data of what is pending;
   *     what does not fit travels without its data
   */
  public record Prepare(
      UUID migration,
      String domainName,
      UUID domain,
      List<LocalDevices.GuestDevice> devices,
      long manifestDataBytes) {
    public Prepare {
      devices = ImmutableList.copyOf(devices);
    }
  }

  /**
   * What the source answers when it has registered a migration.
   *
   * @param jobs that go where the guest goes
   * @param sources by target, of devices that the destination reaches by another source than their
   *     own
   */
  public record Prepared(List<CarriedJob> jobs, Map<String, String> sources) {
    public Prepared {
      jobs = ImmutableList.copyOf(jobs);
      sources = ImmutableMap.copyOf(sources);
    }
  }

  /**
   * A job that goes where its guest goes.
   *
   * @param anywhere whether its new source is the same disk on every host
   * @param takesOver whether the destination may take over with the new source alone
   */
  public record CarriedJob(
      String target,
      String newSource,
      boolean anywhere,
      DiskJob.Settings settings,
      boolean takesOver) {}

  /**
   * A volume that a host is asked for.
   *
   * @param domain whose disk comes there
   * @param name of the export, and of the file
   * @param pool empty for the only one
   * @param allow the names in certificates that get in, beside the caller's
   */
  public record WantedVolume(
      UUID domain, String target, String name, String pool, long sizeBytes, List<String> allow) {
    public WantedVolume {
      allow = ImmutableList.copyOf(allow);
    }
  }

  /**
   * A volume of the answering host.
   *
   * @param source by which all hosts reach it
   * @param isZero whether all of it is known to read as zeros
   */
  public record Volume(String source, boolean isZero) {}

  /**
   * An export, as the host that has it tells.
   *
   * @param allow the names in certificates that get in
   */
  public record Exported(boolean readOnly, List<String> allow) {
    public Exported {
      allow = ImmutableList.copyOf(allow);
    }
  }

  /**
   * One sealed device.
   *
   * @param manifest the encoded pending set, see {@link LocalDevices.Sealed}
   * @param manifestCrc32c its checksum, computed at the source when the manifest was made, and
   *     compared with the bytes at the destination when they arrived
   */
  public record SealedDevice(
      String target, int pending, int incomplete, ByteString manifest, int manifestCrc32c) {
    public static SealedDevice of(String target, int pending, int incomplete, ByteString manifest) {
      return new SealedDevice(target, pending, incomplete, manifest, checksum(manifest));
    }

    /** CRC32C of a manifest. */
    public static int checksum(ByteString manifest) {
      Crc32c crc = new Crc32c();
      manifest.asReadOnlyByteBufferList().forEach(crc::add);
      return crc.value();
    }
  }

  /**
   * Asks for generation N+1 of a device.
   *
   * @param manifestCrc32c proves that the manifest has arrived
   * @param copy source of the copy that the caller can take over with; empty for none
   * @param onlyCopy whether the caller does not reach the disk where it is
   */
  public record Claim(
      String target, long generation, int manifestCrc32c, String copy, boolean onlyCopy) {
    /** Of a disk without a copy. */
    public Claim(String target, long generation, int manifestCrc32c) {
      this(target, generation, manifestCrc32c, "", false);
    }

    Claim withoutCopy() {
      return new Claim(target, generation, manifestCrc32c);
    }
  }

  /**
   * One step of a migration, see {@link Migration.Step}.
   *
   * @param at as the clock of the answering host says
   */
  public record TimelineStep(Phase phase, Instant at, String detail) {}

  /**
   * What happened to a migration at the answering host.
   *
   * @param now of its clock, by which clocks can be compared
   */
  public record Timeline(Instant now, List<TimelineStep> steps) {}

  /**
   * The phase a migration has at the answering host, and why.
   *
   * @param domainEnded of a source in TAKE_OVER: whether its domain has gone, so that it never goes
   *     on there by itself
   */
  public record PhaseReport(Phase phase, String detail, boolean domainEnded) {
    public PhaseReport(Phase phase, String detail) {
      this(phase, detail, false);
    }
  }

  private PeerMessages() {}
}
