package io.netchannel.daemon;

import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.Moved;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.libvirt.OtherSourceException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Sees to it that the definitions of domains name the disks that theirs were switched to. */
final class JobMetadata implements AutoCloseable {
  /** Disks of which it is known how their definitions were left. */
  private static final int KEPT = 100;

  private final DiskDefinitions definitions;
  private final Timer timer;
  private final OutOfDate outOfDate;

  /** Guarded by itself; who was told to write last comes last. */
  private final Map<DeviceKey, MetadataWriter> writers = new LinkedHashMap<>();

  /** Knows the sources that disks were switched away from. */
  @FunctionalInterface
  interface OutOfDate {
    boolean was(DeviceKey disk, String source);
  }

  JobMetadata(DiskDefinitions definitions, Timer timer, OutOfDate outOfDate) {
    this.definitions = definitions;
    this.timer = timer;
    this.outOfDate = outOfDate;
  }

  /**
   * Makes both definitions name the new source, for as long as that takes.
   *
   * @param whenNamed called when nothing is asked for any more by itself; maybe again
   */
  void name(DiskJob switched, Runnable whenNamed) {
    name(switched.disk(), switched.oldSource(), switched.newSource(), whenNamed);
  }

  /** Once more, of a disk that was switched some time ago: an old XML may have come back. */
  void name(Moved moved) {
    MetadataWriter made = writer(moved.disk(), moved.oldSource(), moved.newSource(), () -> {});
    Optional<MetadataWriter> present;
    synchronized (writers) {
      present =
          Optional.ofNullable(writers.get(moved.disk()))
              .filter(writer -> writer.isTo(moved.newSource()));
      if (present.isEmpty()) {
        put(moved.disk(), made);
      }
    }
    present.ifPresentOrElse(MetadataWriter::anew, made::begin); // a job may wait for it
  }

  /** Likewise of a disk that has got a leg, or has one less. */
  void name(DeviceKey disk, String oldSource, String newSource, Runnable whenNamed) {
    MetadataWriter writer = writer(disk, oldSource, newSource, whenNamed);
    synchronized (writers) {
      put(disk, writer);
    }
    writer.begin();
  }

  private MetadataWriter writer(
      DeviceKey disk, String oldSource, String newSource, Runnable whenNamed) {
    MetadataWriter[] made = new MetadataWriter[1];
    MetadataWriter writer =
        new MetadataWriter(
            (definition, target, from, to) -> changeSource(disk, definition, from, to),
            timer,
            disk.target(),
            oldSource,
            newSource,
            () -> {
              if (made[0].status().settled()) {
                whenNamed.run();
              }
            });
    made[0] = writer;
    return writer;
  }

  /** In the place of the one before. With the lock. */
  private void put(DeviceKey disk, MetadataWriter writer) {
    Optional.ofNullable(writers.remove(disk)).ifPresent(MetadataWriter::close);
    writers.put(disk, writer);
    if (writers.size() > KEPT) {
      List.copyOf(writers.keySet()).stream()
          .filter(each -> writers.get(each).status().settled())
          .findFirst()
          .ifPresent(writers::remove);
    }
  }

  /** An XML that is older names what the disk was before. */
  private boolean changeSource(DeviceKey disk, Definition definition, String from, String to)
      throws MetadataException {
    try {
      return definitions.changeSource(disk.domain(), definition, disk.target(), from, to);
    } catch (OtherSourceException e) {
      if (!outOfDate.was(disk, e.found())) {
        throw e;
      }
      return definitions.changeSource(disk.domain(), definition, disk.target(), e.found(), to);
    }
  }

  /** libvirt is back. */
  void again() {
    synchronized (writers) {
      writers.values().forEach(MetadataWriter::again);
    }
  }

  /** Adds to a job's JSON how far that is; nothing is to be written before the switch. */
  void describe(DiskJob job, Map<String, Object> json) {
    Optional<MetadataWriter.Status> status;
    synchronized (writers) {
      status =
          Optional.ofNullable(writers.get(job.disk()))
              .filter(writer -> job.switched().isPresent())
              .map(MetadataWriter::status);
    }
    json.put(
        "metadata",
        Map.of(
            "live", status.map(known -> word(known.live())).orElse("none"),
            "config", status.map(known -> word(known.config())).orElse("none")));
    json.put("metadataProblem", status.flatMap(MetadataWriter.Status::problem).orElse(null));
  }

  private static String word(MetadataWriter.Outcome outcome) {
    return MigrationJson.lowerCase(outcome.state());
  }

  @Override
  public void close() {
    synchronized (writers) {
      writers.values().forEach(MetadataWriter::close);
    }
  }
}
