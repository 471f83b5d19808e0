package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskKey;
import io.netchannel.coordinator.Moved;
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

  /** Guarded by itself; who was told to write last comes last. */
  private final Map<DiskKey, MetadataWriter> writers = new LinkedHashMap<>();

  JobMetadata(DiskDefinitions definitions, Timer timer) {
    this.definitions = definitions;
    this.timer = timer;
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
    Optional<MetadataWriter> present;
    synchronized (writers) {
      present =
          Optional.ofNullable(writers.get(moved.disk()))
              .filter(writer -> writer.isTo(moved.newSource()));
    }
    present.ifPresentOrElse(
        MetadataWriter::anew, // a job may wait for it
        () -> name(moved.disk(), moved.oldSource(), moved.newSource(), () -> {}));
  }

  private void name(DiskKey disk, String oldSource, String newSource, Runnable whenNamed) {
    MetadataWriter[] made = new MetadataWriter[1];
    MetadataWriter writer =
        new MetadataWriter(
            (definition, target, from, to) ->
                definitions.changeSource(disk.domain(), definition, target, from, to),
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
    synchronized (writers) {
      Optional.ofNullable(writers.remove(disk)).ifPresent(MetadataWriter::close);
      writers.put(disk, writer);
      if (writers.size() > KEPT) {
        List.copyOf(writers.keySet()).stream()
            .filter(each -> writers.get(each).status().settled())
            .findFirst()
            .ifPresent(writers::remove);
      }
    }
    writer.begin();
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
