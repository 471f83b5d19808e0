package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.PeerMessages.CarriedJob;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerMessages.Timeline;
import io.netchannel.coordinator.PeerMessages.TimelineStep;
import io.netchannel.coordinator.Phase;
import io.netchannel.coordinator.peer.v1.Copy;
import io.netchannel.coordinator.peer.v1.DescribeReply;
import io.netchannel.coordinator.peer.v1.Device;
import io.netchannel.coordinator.peer.v1.ExportReply;
import io.netchannel.coordinator.peer.v1.Job;
import io.netchannel.coordinator.peer.v1.Kind;
import io.netchannel.coordinator.peer.v1.PhaseReply;
import io.netchannel.coordinator.peer.v1.PrepareReply;
import io.netchannel.coordinator.peer.v1.Source;
import io.netchannel.coordinator.peer.v1.StockDisk;
import io.netchannel.coordinator.peer.v1.TimelineReply;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.UUID;

/** Messages of peer.proto from and to the coordinator's; bad input is IllegalArgumentException. */
final class PeerCodec {
  private PeerCodec() {}

  static Device toProto(LocalDevices.GuestDevice device) {
    return Device.newBuilder()
        .setKind(toProto(device.kind()))
        .setTarget(device.target())
        .setSource(device.source())
        .setReadOnly(device.readOnly())
        .setSizeBytes(device.sizeBytes())
        .setGeneration(device.generation())
        .build();
  }

  static LocalDevices.GuestDevice fromProto(UUID domain, Device device) {
    return new LocalDevices.GuestDevice(
        fromProto(device.getKind()),
        domain,
        device.getTarget(),
        device.getSource(),
        device.getReadOnly(),
        device.getSizeBytes(),
        device.getGeneration());
  }

  private static Kind toProto(LocalDevices.Kind kind) {
    return switch (kind) {
      case DISK -> Kind.DISK;
      case USB_PORT -> Kind.USB_PORT;
    };
  }

  private static LocalDevices.Kind fromProto(Kind kind) {
    return switch (kind) {
      case DISK -> LocalDevices.Kind.DISK;
      case USB_PORT -> LocalDevices.Kind.USB_PORT;
      case UNRECOGNIZED -> throw new IllegalArgumentException("a device of an unknown kind");
    };
  }

  /** As {@link #toProto(CarriedJob, boolean)} has its jobs. */
  static PrepareReply toProto(Prepared prepared, boolean knowsVerifies) {
    PrepareReply.Builder reply = PrepareReply.newBuilder();
    prepared.jobs().forEach(job -> reply.addJobs(toProto(job, knowsVerifies)));
    prepared
        .sources()
        .forEach(
            (target, source) ->
                reply.addSources(Source.newBuilder().setTarget(target).setSource(source)));
    return reply.build();
  }

  static Prepared fromProto(PrepareReply reply) {
    return new Prepared(
        reply.getJobsList().stream().map(PeerCodec::fromProto).toList(),
        reply.getSourcesList().stream()
            .collect(ImmutableMap.toImmutableMap(Source::getTarget, Source::getSource)));
  }

  /**
   * One that verifies waits for a person at a destination that would switch it unverified.
   *
   * @param knowsVerifies whether the destination verifies
   */
  static Job toProto(CarriedJob job, boolean knowsVerifies) {
    DiskJob.Settings settings = job.settings();
    return Job.newBuilder()
        .setTarget(job.target())
        .setNewSource(job.newSource())
        .setAnywhere(job.anywhere())
        .setSwitches(settings.switches())
        .setMayThrottle(settings.mayThrottle())
        .setPaused(settings.paused() || (settings.verifies() && !knowsVerifies))
        .setVerifies(settings.verifies())
        .setBytesPerSecond(settings.bytesPerSecond())
        .setTakesOver(job.takesOver())
        .build();
  }

  static CarriedJob fromProto(Job job) {
    return new CarriedJob(
        job.getTarget(),
        job.getNewSource(),
        job.getAnywhere(),
        new DiskJob.Settings(
            job.getSwitches(),
            job.getMayThrottle(),
            job.getVerifies(),
            job.getPaused(),
            job.getBytesPerSecond()),
        job.getTakesOver());
  }

  static ExportReply toProto(Optional<Exported> found) {
    ExportReply.Builder reply = ExportReply.newBuilder().setFound(found.isPresent());
    found.ifPresent(export -> reply.setReadOnly(export.readOnly()).addAllAllow(export.allow()));
    return reply.build();
  }

  static Optional<Exported> fromProto(ExportReply reply) {
    return reply.getFound()
        ? Optional.of(new Exported(reply.getReadOnly(), reply.getAllowList()))
        : Optional.empty();
  }

  static DescribeReply.Domain toProto(ServedDomain served) {
    return DescribeReply.Domain.newBuilder()
        .setName(served.name())
        .setDomain(served.domain().toString())
        .addAllDevices(served.devices().stream().map(PeerCodec::toProto).toList())
        .addAllStock(
            served.stock().stream()
                .map(
                    disk ->
                        StockDisk.newBuilder()
                            .setTarget(disk.target())
                            .setBackend(disk.backend())
                            .build())
                .toList())
        .addAllCopies(served.copies().stream().map(PeerCodec::toProto).toList())
        .build();
  }

  static ServedDomain fromProto(DescribeReply.Domain served) {
    UUID domain = UUID.fromString(served.getDomain());
    return new ServedDomain(
        served.getName(),
        domain,
        served.getDevicesList().stream().map(device -> fromProto(domain, device)).toList(),
        served.getStockList().stream()
            .map(disk -> new LocalDevices.StockDisk(disk.getTarget(), disk.getBackend()))
            .toList(),
        served.getCopiesList().stream()
            .map(copy -> new PeerMessages.Copy(copy.getTarget(), copy.getSource(), copy.getHost()))
            .toList());
  }

  private static Copy toProto(PeerMessages.Copy copy) {
    return Copy.newBuilder()
        .setTarget(copy.target())
        .setSource(copy.source())
        .setHost(copy.host())
        .build();
  }

  static TimelineReply toProto(Timeline timeline) {
    TimelineReply.Builder reply =
        TimelineReply.newBuilder().setNowEpochMicros(micros(timeline.now()));
    for (TimelineStep step : timeline.steps()) {
      reply.addSteps(
          TimelineReply.Step.newBuilder()
              .setPhase(step.phase().name())
              .setAtEpochMicros(micros(step.at()))
              .setDetail(step.detail()));
    }
    return reply.build();
  }

  static Timeline fromProto(TimelineReply reply) {
    return new Timeline(
        instant(reply.getNowEpochMicros()),
        reply.getStepsList().stream()
            .map(
                step ->
                    new TimelineStep(
                        Phase.valueOf(step.getPhase()),
                        instant(step.getAtEpochMicros()),
                        step.getDetail()))
            .toList());
  }

  private static long micros(Instant instant) {
    return ChronoUnit.MICROS.between(Instant.EPOCH, instant);
  }

  private static Instant instant(long epochMicros) {
    return Instant.EPOCH.plus(epochMicros, ChronoUnit.MICROS);
  }

  static PhaseReply toProto(PhaseReport report) {
    return PhaseReply.newBuilder()
        .setPhase(report.phase().name())
        .setDetail(report.detail())
        .setDomainEnded(report.domainEnded())
        .build();
  }

  static PhaseReport fromProto(PhaseReply reply) {
    return new PhaseReport(
        Phase.valueOf(reply.getPhase()), reply.getDetail(), reply.getDomainEnded());
  }
}
