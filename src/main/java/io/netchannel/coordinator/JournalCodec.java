package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.protobuf.InvalidProtocolBufferException;
import io.netchannel.coordinator.journal.v1.Record;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.UUID;

/** Records of the journal (journal.proto) as bytes. */
final class JournalCodec {

  private JournalCodec() {}

  static byte[] encode(JournalRecord record) {
    Record.Builder proto = Record.newBuilder();
    record.migration().ifPresent(m -> proto.setMigration(toProto(m)));
    record
        .generations()
        .forEach(
            (key, generation) ->
                proto.addGenerations(
                    io.netchannel.coordinator.journal.v1.Generation.newBuilder()
                        .setDomain(key.domain().toString())
                        .setTarget(key.target())
                        .setNumber(generation.number())
                        .setHolder(generation.holder())));
    record.jobs().forEach(job -> proto.addJobs(toProto(job)));
    record.moved().forEach(moved -> proto.addMoved(toProto(moved)));
    record
        .forgotten()
        .ifPresent(
            disk ->
                proto.addMoved(
                    io.netchannel.coordinator.journal.v1.Moved.newBuilder()
                        .setDomain(disk.domain().toString())
                        .setTarget(disk.target())));
    return proto.build().toByteArray();
  }

  /**
   * @throws JournalException when it is no record this version knows
   */
  static JournalRecord decode(byte[] bytes) throws JournalException {
    try {
      Record record = Record.parseFrom(bytes);
      ImmutableMap.Builder<DeviceKey, Generation> generations = ImmutableMap.builder();
      record
          .getGenerationsList()
          .forEach(
              g ->
                  generations.put(
                      key(g.getDomain(), g.getTarget()),
                      new Generation(g.getNumber(), g.getHolder())));
      Optional<DeviceKey> forgotten =
          record.getMovedList().stream()
              .filter(moved -> moved.getAtEpochMicros() == 0)
              .map(moved -> key(moved.getDomain(), moved.getTarget()))
              .findFirst();
      return new JournalRecord(
          record.hasMigration() ? Optional.of(fromProto(record.getMigration())) : Optional.empty(),
          generations.buildKeepingLast(),
          record.getJobsList().stream()
              .map(JournalCodec::fromProto)
              .collect(ImmutableList.toImmutableList()),
          record.getMovedList().stream()
              .filter(moved -> moved.getAtEpochMicros() != 0)
              .map(JournalCodec::fromProto)
              .collect(ImmutableList.toImmutableList()),
          forgotten);
    } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
      throw new JournalException(
          "a record of the journal is intact but not understood ("
              + e.getMessage()
              + "); was it written by a newer netchanneld? Start that one",
          e);
    }
  }

  private static DeviceKey key(String domain, String target) {
    return new DeviceKey(UUID.fromString(domain), target);
  }

  private static long micros(Instant at) {
    return ChronoUnit.MICROS.between(Instant.EPOCH, at);
  }

  private static Instant instant(long epochMicros) {
    return Instant.EPOCH.plus(epochMicros, ChronoUnit.MICROS);
  }

  private static Optional<Instant> known(long epochMicros) {
    return epochMicros == 0 ? Optional.empty() : Optional.of(instant(epochMicros));
  }

  private static io.netchannel.coordinator.journal.v1.Job toProto(DiskJob job) {
    DiskJob.Settings settings = job.settings();
    io.netchannel.coordinator.journal.v1.Job.Builder proto =
        io.netchannel.coordinator.journal.v1.Job.newBuilder()
            .setId(job.id().toString())
            .setDomain(job.disk().domain().toString())
            .setTarget(job.disk().target())
            .setDomainName(job.domainName())
            .setOldSource(job.oldSource())
            .setNewSource(job.newSource())
            .setPhase(ofAllVersions(job.phase()).name())
            .setFailed(job.phase() == JobPhase.FAILED)
            .setTakenOver(job.phase() == JobPhase.TAKEN_OVER)
            .setReason(job.reason())
            .setSwitches(settings.switches())
            .setMayThrottle(settings.mayThrottle())
            .setPaused(settings.paused())
            .setVerifies(settings.verifies())
            .setBytesPerSecond(settings.bytesPerSecond())
            .setFollows(job.origin().follows())
            .setAnywhere(job.origin().anywhere())
            .setFrom(job.origin().from())
            .setGoesTo(job.origin().goesTo())
            .setBegunEpochMicros(micros(job.begun()))
            .setSwitchedEpochMicros(job.switched().map(JournalCodec::micros).orElse(0L))
            .setEndedEpochMicros(job.ended().map(JournalCodec::micros).orElse(0L));
    job.untold()
        .ifPresent(
            untold ->
                proto.setUntold(
                    io.netchannel.coordinator.journal.v1.Untold.newBuilder()
                        .setGeneration(untold.generation())
                        .setForgotten(untold.forgotten())));
    return proto.build();
  }

  /** What an older version takes it for, which knows no more of them. */
  private static JobPhase ofAllVersions(JobPhase phase) {
    return switch (phase) {
      case FAILED -> JobPhase.ABORTED;
      case TAKEN_OVER -> JobPhase.DONE;
      case COPYING, SWITCHED, DONE, ABORTED -> phase;
    };
  }

  private static JobPhase phase(io.netchannel.coordinator.journal.v1.Job job) {
    if (job.getFailed()) {
      return JobPhase.FAILED;
    }
    return job.getTakenOver() ? JobPhase.TAKEN_OVER : JobPhase.valueOf(job.getPhase());
  }

  private static DiskJob fromProto(io.netchannel.coordinator.journal.v1.Job job) {
    return new DiskJob(
        UUID.fromString(job.getId()),
        key(job.getDomain(), job.getTarget()),
        job.getDomainName(),
        job.getOldSource(),
        job.getNewSource(),
        phase(job),
        job.getReason(),
        new DiskJob.Origin(job.getFollows(), job.getAnywhere(), job.getFrom(), job.getGoesTo()),
        new DiskJob.Settings(
            job.getSwitches(),
            job.getMayThrottle(),
            job.getVerifies(),
            job.getPaused(),
            job.getBytesPerSecond()),
        instant(job.getBegunEpochMicros()),
        known(job.getSwitchedEpochMicros()),
        known(job.getEndedEpochMicros()),
        job.hasUntold()
            ? Optional.of(
                new DiskJob.Untold(job.getUntold().getGeneration(), job.getUntold().getForgotten()))
            : Optional.empty());
  }

  private static io.netchannel.coordinator.journal.v1.Moved toProto(Moved moved) {
    return io.netchannel.coordinator.journal.v1.Moved.newBuilder()
        .setDomain(moved.disk().domain().toString())
        .setTarget(moved.disk().target())
        .setDomainName(moved.domainName())
        .setOldSource(moved.oldSource())
        .setNewSource(moved.newSource())
        .setAtEpochMicros(micros(moved.at()))
        .setOldStorage(moved.oldStorage().map(UUID::toString).orElse(""))
        .setNewStorage(moved.newStorage().map(UUID::toString).orElse(""))
        .build();
  }

  private static Optional<UUID> storage(String text) {
    return text.isEmpty() ? Optional.empty() : Optional.of(UUID.fromString(text));
  }

  private static Moved fromProto(io.netchannel.coordinator.journal.v1.Moved moved) {
    return new Moved(
        key(moved.getDomain(), moved.getTarget()),
        moved.getDomainName(),
        moved.getOldSource(),
        moved.getNewSource(),
        instant(moved.getAtEpochMicros()),
        storage(moved.getOldStorage()),
        storage(moved.getNewStorage()));
  }

  private static io.netchannel.coordinator.journal.v1.Kind toProto(LocalDevices.Kind kind) {
    return switch (kind) {
      case DISK -> io.netchannel.coordinator.journal.v1.Kind.DISK;
      case USB_PORT -> io.netchannel.coordinator.journal.v1.Kind.USB_PORT;
    };
  }

  private static LocalDevices.Kind fromProto(io.netchannel.coordinator.journal.v1.Kind kind) {
    return switch (kind) {
      case DISK -> LocalDevices.Kind.DISK;
      case USB_PORT -> LocalDevices.Kind.USB_PORT;
      case UNRECOGNIZED -> throw new IllegalArgumentException("a device of an unknown kind");
    };
  }

  private static io.netchannel.coordinator.journal.v1.Migration toProto(Migration m) {
    var proto =
        io.netchannel.coordinator.journal.v1.Migration.newBuilder()
            .setId(m.id().toString())
            .setDirection(m.direction().name())
            .setDomainName(m.domainName())
            .setDomain(m.domain().toString())
            .setPeer(m.peer())
            .setPhase(m.phase().name())
            .setUntold(m.untold());
    for (Migration.MovedDevice moved : m.devices()) {
      LocalDevices.GuestDevice device = moved.device();
      proto.addDevices(
          io.netchannel.coordinator.journal.v1.Device.newBuilder()
              .setKind(toProto(device.kind()))
              .setTarget(device.target())
              .setSource(device.source())
              .setReadOnly(device.readOnly())
              .setSizeBytes(device.sizeBytes())
              .setGeneration(device.generation())
              .setPending(moved.pending())
              .setIncomplete(moved.incomplete())
              .setManifestCrc32C(moved.manifestCrc32c())
              .setCopy(moved.copy())
              .setOnlyCopy(moved.onlyCopy()));
    }
    m.jobs().forEach(job -> proto.addJobs(toProto(job)));
    for (Migration.Step step : m.steps()) {
      proto.addSteps(
          io.netchannel.coordinator.journal.v1.Step.newBuilder()
              .setPhase(step.phase().name())
              .setAtEpochMicros(micros(step.at()))
              .setDetail(step.detail()));
    }
    return proto.build();
  }

  private static Migration fromProto(io.netchannel.coordinator.journal.v1.Migration m) {
    UUID domain = UUID.fromString(m.getDomain());
    return new Migration(
        UUID.fromString(m.getId()),
        Direction.valueOf(m.getDirection()),
        m.getDomainName(),
        domain,
        m.getPeer(),
        Phase.valueOf(m.getPhase()),
        m.getDevicesList().stream()
            .map(
                d ->
                    new Migration.MovedDevice(
                        new LocalDevices.GuestDevice(
                            fromProto(d.getKind()),
                            domain,
                            d.getTarget(),
                            d.getSource(),
                            d.getReadOnly(),
                            d.getSizeBytes(),
                            d.getGeneration()),
                        d.getPending(),
                        d.getIncomplete(),
                        d.getManifestCrc32C(),
                        d.getCopy(),
                        d.getOnlyCopy()))
            .toList(),
        m.getJobsList().stream().map(JournalCodec::fromProto).toList(),
        m.getStepsList().stream()
            .map(
                s ->
                    new Migration.Step(
                        Phase.valueOf(s.getPhase()), instant(s.getAtEpochMicros()), s.getDetail()))
            .toList(),
        m.getUntold());
  }
}
