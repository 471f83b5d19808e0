package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import com.google.protobuf.InvalidProtocolBufferException;
import io.netchannel.coordinator.journal.v1.Record;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** Records of the journal (journal.proto) as bytes. */
final class JournalCodec {

  /**
   * @param migration absent in a record of generations only
   */
  record Decoded(Optional<Migration> migration, ImmutableMap<DiskKey, Generation> generations) {}

  private JournalCodec() {}

  static byte[] encode(Optional<Migration> migration, Map<DiskKey, Generation> generations) {
    Record.Builder record = Record.newBuilder();
    migration.ifPresent(m -> record.setMigration(toProto(m)));
    generations.forEach(
        (key, generation) ->
            record.addGenerations(
                io.netchannel.coordinator.journal.v1.Generation.newBuilder()
                    .setDomain(key.domain().toString())
                    .setTarget(key.target())
                    .setNumber(generation.number())
                    .setHolder(generation.holder())));
    return record.build().toByteArray();
  }

  /**
   * @throws JournalException when it is no record this version knows
   */
  static Decoded decode(byte[] bytes) throws JournalException {
    try {
      Record record = Record.parseFrom(bytes);
      ImmutableMap.Builder<DiskKey, Generation> generations = ImmutableMap.builder();
      record
          .getGenerationsList()
          .forEach(
              g ->
                  generations.put(
                      new DiskKey(UUID.fromString(g.getDomain()), g.getTarget()),
                      new Generation(g.getNumber(), g.getHolder())));
      Optional<Migration> migration =
          record.hasMigration() ? Optional.of(fromProto(record.getMigration())) : Optional.empty();
      return new Decoded(migration, generations.buildKeepingLast());
    } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
      throw new JournalException(
          "a record of the journal is intact but not understood ("
              + e.getMessage()
              + "); was it written by a newer netchanneld? Start that one",
          e);
    }
  }

  private static io.netchannel.coordinator.journal.v1.Migration toProto(Migration m) {
    var proto =
        io.netchannel.coordinator.journal.v1.Migration.newBuilder()
            .setId(m.id().toString())
            .setDirection(m.direction().name())
            .setDomainName(m.domainName())
            .setDomain(m.domain().toString())
            .setPeer(m.peer())
            .setPhase(m.phase().name());
    for (Migration.MovedDisk moved : m.disks()) {
      LocalDevices.Disk disk = moved.disk();
      proto.addDisks(
          io.netchannel.coordinator.journal.v1.Disk.newBuilder()
              .setTarget(disk.target())
              .setSource(disk.source())
              .setReadOnly(disk.readOnly())
              .setSizeBytes(disk.sizeBytes())
              .setGeneration(disk.generation())
              .setPending(moved.pending())
              .setIncomplete(moved.incomplete())
              .setManifestCrc32C(moved.manifestCrc32c()));
    }
    for (Migration.Step step : m.steps()) {
      proto.addSteps(
          io.netchannel.coordinator.journal.v1.Step.newBuilder()
              .setPhase(step.phase().name())
              .setAtEpochMicros(ChronoUnit.MICROS.between(Instant.EPOCH, step.at()))
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
        m.getDisksList().stream()
            .map(
                d ->
                    new Migration.MovedDisk(
                        new LocalDevices.Disk(
                            domain,
                            d.getTarget(),
                            d.getSource(),
                            d.getReadOnly(),
                            d.getSizeBytes(),
                            d.getGeneration()),
                        d.getPending(),
                        d.getIncomplete(),
                        d.getManifestCrc32C()))
            .toList(),
        m.getStepsList().stream()
            .map(
                s ->
                    new Migration.Step(
                        Phase.valueOf(s.getPhase()),
                        Instant.EPOCH.plus(s.getAtEpochMicros(), ChronoUnit.MICROS),
                        s.getDetail()))
            .toList());
  }
}
