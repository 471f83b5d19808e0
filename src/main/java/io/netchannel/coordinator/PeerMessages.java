package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import java.util.List;
import java.util.UUID;

/** What coordinators say to each other, see peer.proto. */
public final class PeerMessages {

  /**
   * A domain and those of its disks that the answering host may write.
   *
   * @param disks in order of target, not empty
   */
  public record ServedDomain(String name, UUID domain, List<LocalDevices.Disk> disks) {
    public ServedDomain {
      disks = ImmutableList.copyOf(disks);
    }
  }

  /**
   * Registers a migration at its source.
   *
   * @param migration chosen by the destination, which is the caller
   * @param disks as the source described them
   */
  public record Prepare(
      UUID migration, String domainName, UUID domain, List<LocalDevices.Disk> disks) {
    public Prepare {
      disks = ImmutableList.copyOf(disks);
    }
  }

  /**
   * One sealed disk.
   *
   * @param manifest the encoded pending set, see {@link LocalDevices.Sealed}
   */
  public record SealedDisk(String target, int pending, int incomplete, ByteString manifest) {}

  /**
   * Asks for generation N+1 of a disk.
   *
   * @param manifestCrc32c proves that the manifest has arrived
   */
  public record Claim(String target, long generation, int manifestCrc32c) {}

  /** The phase a migration has at the answering host, and why. */
  public record PhaseReport(Phase phase, String detail) {}

  private PeerMessages() {}
}
