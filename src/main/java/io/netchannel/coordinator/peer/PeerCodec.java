package io.netchannel.coordinator.peer;

import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.Phase;
import io.netchannel.coordinator.peer.v1.DescribeReply;
import io.netchannel.coordinator.peer.v1.Disk;
import io.netchannel.coordinator.peer.v1.PhaseReply;
import java.util.UUID;

/** Messages of peer.proto from and to the coordinator's; bad input is IllegalArgumentException. */
final class PeerCodec {
  private PeerCodec() {}

  static Disk toProto(LocalDevices.Disk disk) {
    return Disk.newBuilder()
        .setTarget(disk.target())
        .setSource(disk.source())
        .setReadOnly(disk.readOnly())
        .setSizeBytes(disk.sizeBytes())
        .setGeneration(disk.generation())
        .build();
  }

  static LocalDevices.Disk fromProto(UUID domain, Disk disk) {
    return new LocalDevices.Disk(
        domain,
        disk.getTarget(),
        disk.getSource(),
        disk.getReadOnly(),
        disk.getSizeBytes(),
        disk.getGeneration());
  }

  static DescribeReply.Domain toProto(ServedDomain served) {
    return DescribeReply.Domain.newBuilder()
        .setName(served.name())
        .setDomain(served.domain().toString())
        .addAllDisks(served.disks().stream().map(PeerCodec::toProto).toList())
        .build();
  }

  static ServedDomain fromProto(DescribeReply.Domain served) {
    UUID domain = UUID.fromString(served.getDomain());
    return new ServedDomain(
        served.getName(),
        domain,
        served.getDisksList().stream().map(disk -> fromProto(domain, disk)).toList());
  }

  static PhaseReply toProto(PhaseReport report) {
    return PhaseReply.newBuilder()
        .setPhase(report.phase().name())
        .setDetail(report.detail())
        .build();
  }

  static PhaseReport fromProto(PhaseReply reply) {
    return new PhaseReport(Phase.valueOf(reply.getPhase()), reply.getDetail());
  }
}
