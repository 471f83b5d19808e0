package io.netchannel.demo;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.netchannel.coordinator.Migration;
import io.netchannel.demo.report.ConsoleReport;
import io.netchannel.demo.report.MigrationReport;
import io.netchannel.demo.report.Units;
import io.netchannel.demo.report.Verdict;
import io.netchannel.device.Devices;
import io.netchannel.rehearsal.Await;
import io.netchannel.rehearsal.guest.DiskModel;
import io.netchannel.rehearsal.guest.LinuxGuest;
import io.netchannel.rehearsal.guest.Workload;
import io.netchannel.rehearsal.host.DomainDefinition;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.rehearsal.host.Virsh;
import io.netchannel.rehearsal.host.Virsh.RefusedException;
import io.netchannel.vdevice.block.DiskName;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * What the demo plays, one scene after the other, with the guest's I/O going on all the time:
 *
 * <pre>
 *   1 start      at A, its disk named in the metadata
 *   2 move       A -> B with requests in flight
 *   3 abort      B -> A, where the destination fails after the seal: it goes on at B
 *   4 move back  B -> A
 *   5 end        the guest stops, the whole disk is compared, nothing is left behind
 * </pre>
 */
final class Scenes implements AutoCloseable {
  private static final String TARGET = "xvdb";

  /** Requests take a tenth of a second; a loaded machine gets much more. */
  private static final Duration PROGRESS_BOUND = Duration.ofSeconds(60);

  /** Coordinators look after what is unfinished every second. */
  private static final Duration OVER_BOUND = Duration.ofSeconds(20);

  private final Cluster cluster;
  private final Load load;
  private final Path disk;
  private final DomainDefinition definition;
  private final Virsh virsh;
  private final DiskModel model;
  private final PrintWriter out;
  private final LinuxGuest guest = new LinuxGuest();
  private final List<MigrationReport> migrations = new ArrayList<>();
  private final List<Verdict> verdicts = new ArrayList<>();
  private Workload workload;

  private Scenes(
      Cluster cluster,
      Load load,
      Path disk,
      DomainDefinition definition,
      Clock clock,
      PrintWriter out) {
    this.cluster = cluster;
    this.load = load;
    this.disk = disk;
    this.definition = definition;
    this.out = out;
    virsh = new Virsh(definition, clock);
    model = new DiskModel(load.diskBytes());
  }

  /**
   * Sets the stage: a shared disk of zeros, two hosts that know each other.
   *
   * @param scratch for sockets, journals, certificates and the disk
   * @param output for the traces of the mid-points
   */
  static Scenes set(
      Path scratch,
      Path output,
      Load load,
      UnaryOperator<Devices> wrapDevices,
      Clock clock,
      PrintWriter out)
      throws IOException {
    for (String host : List.of(Cluster.A, Cluster.B)) {
      Path traces = output.resolve(host);
      if (Files.exists(traces)) {
        MoreFiles.deleteRecursively(traces, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    }
    Path disk = scratch.resolve("shared.raw");
    try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
      file.setLength(load.diskBytes());
    }
    DomainDefinition definition =
        new DomainDefinition(
            "demo",
            new UUID(new Random(load.seed()).nextLong(), 0x8000_0000_0000_0000L | load.seed()),
            TARGET,
            load.filters() + "file:" + disk);
    Cluster cluster = Cluster.start(scratch, output, wrapDevices, clock);
    out.printf(
        "Two hosts, %s and %s, share a disk of %s; the guest keeps %d requests outstanding; seed"
            + " %d%n",
        Cluster.A, Cluster.B, Units.bytes(load.diskBytes()), load.outstanding(), load.seed());
    out.flush();
    return new Scenes(cluster, load, disk, definition, clock, out);
  }

  /** Before the first scene: what the first migration gains by it is in its figures. */
  void rehearse() throws IOException {
    out.println(cluster.rehearse());
    out.flush();
  }

  void play() throws IOException, RefusedException {
    ModelHost a = cluster.a();
    ModelHost b = cluster.b();
    start(a);
    move("1. From hosta to hostb", a, b);
    cluster.restart(a, "\"destination.sealed\" = \"fail\"");
    abort("2. From hostb to hosta, which fails after the seal", b, a);
    cluster.restart(a, "");
    move("3. From hostb back to hosta", b, a);
    end(a, b);
  }

  private void start(ModelHost host) throws IOException, RefusedException {
    var domain = virsh.start(host);
    var block = guest.boot(domain, DiskName.devid(TARGET));
    verdict(
        "the guest finds its disk from <metadata>, in its full size",
        block.sizeBytes() == load.diskBytes(),
        "%s at %s, %s".formatted(TARGET, host.name(), Units.bytes(block.sizeBytes())));
    workload =
        new Workload(block, model, load.outstanding(), new Random(load.seed()), System::nanoTime);
    guest.run(workload::start);
    progress(load.requestsPerScene());
  }

  private void move(String title, ModelHost source, ModelHost destination)
      throws IOException, RefusedException {
    MigrationReport report = migrate(title, source, destination);
    String which = source.name() + " to " + destination.name();
    verdict(which + ": the guest has moved", report.moved(), report.message());
    verdict(
        which + ": all that the guest waited for was handed over, and it was not nothing",
        report.pending() > 0 && report.pending() == report.onRings(),
        "%d of %d, %d of them at the device when the seal began"
            .formatted(report.pending(), report.onRings(), report.incomplete()));
  }

  private void abort(String title, ModelHost source, ModelHost destination)
      throws IOException, RefusedException {
    MigrationReport report = migrate(title, source, destination);
    verdict(
        "abort: the destination fails after the seal and the guest goes on at " + source.name(),
        !report.moved() && report.pending() > 0,
        report.message());
    verdict(
        "abort: no backend is left at " + destination.name(),
        destination.backends().isEmpty() && destination.zombies().isEmpty(),
        "none in xenstore, no zombie domain");
  }

  private MigrationReport migrate(String title, ModelHost source, ModelHost destination)
      throws IOException, RefusedException {
    guest.run(workload::resetPause);
    Virsh.Outcome outcome =
        virsh.migrate(
            source, destination, guest, workload, () -> progress(load.requestsPerScene() / 2));
    progress(load.requestsPerScene());
    Await.until(
        "the end of the migration at both hosts",
        OVER_BOUND,
        () -> isOver(source.lastMigration()) && isOver(destination.lastMigration()));
    MigrationReport report =
        new MigrationObserver(title, source, destination, definition)
            .report(outcome, workload.progress().longestPauseNanos());
    migrations.add(report);
    new ConsoleReport(out).migration(report);
    return report;
  }

  private static boolean isOver(Optional<Migration> migration) {
    return migration.isPresent() && !migration.get().isActive();
  }

  private void end(ModelHost a, ModelHost b) throws IOException {
    guest.run(workload::stop);
    Await.until(
        "the last requests to be answered",
        PROGRESS_BOUND,
        () -> {
          guest.check();
          return workload.progress().outstanding() == 0;
        });
    String driverFailure = guest.driverFailure();
    verdict(
        "the guest's driver has nothing to complain about", driverFailure.isEmpty(), driverFailure);
    virsh.destroy(a, guest.domain());
    boolean clean =
        Await.within(
            OVER_BOUND,
            () ->
                Stream.of(a, b)
                    .allMatch(host -> host.backends().isEmpty() && host.zombies().isEmpty()));
    verdict(
        "nothing is left behind: no backend in xenstore, no zombie domain",
        clean,
        clean
            ? "at both hosts"
            : "backends of domains %s and %s, zombies %s and %s"
                .formatted(a.backends(), b.backends(), a.zombies(), b.zombies()));
    // Ends the traces, too.
    a.stopDaemon();
    b.stopDaemon();
    FinalChecks checks = new FinalChecks(workload.progress(), model);
    verdicts.add(checks.guest());
    verdicts.add(checks.disk(disk));
    verdicts.add(
        checks.exactlyOnce(
            List.of(
                MigrationObserver.trace(a, definition), MigrationObserver.trace(b, definition))));
  }

  /** Lets the guest complete so many more requests. */
  private void progress(int requests) {
    long goal = workload.progress().completed() + requests;
    Await.until(
        requests + " requests of the guest",
        PROGRESS_BOUND,
        () -> {
          guest.check();
          return workload.progress().completed() >= goal;
        });
  }

  private void verdict(String name, boolean holds, String detail) {
    verdicts.add(new Verdict(name, holds, detail));
  }

  List<Verdict> verdicts() {
    List<Verdict> all = new ArrayList<>(verdicts);
    // Where a scene broke off, what the guest has found is the most telling of all.
    if (workload != null && !workload.progress().violations().isEmpty()) {
      all.removeIf(verdict -> verdict.name().equals(FinalChecks.GUEST));
      all.add(new FinalChecks(workload.progress(), model).guest());
    }
    return all;
  }

  List<MigrationReport> migrations() {
    return List.copyOf(migrations);
  }

  Map<String, String> figures() {
    Map<String, String> figures = new LinkedHashMap<>();
    if (workload != null) {
      Workload.Progress progress = workload.progress();
      figures.put("requests of the guest", Units.count(progress.completed()));
      figures.put("read and verified", Units.bytes(progress.bytesVerified()));
      figures.put("written", Units.bytes(progress.bytesWritten()));
      figures.put(
          "handed over in flight",
          Units.count(
              migrations.stream()
                  .filter(MigrationReport::moved)
                  .mapToInt(MigrationReport::pending)
                  .sum()));
      figures.put(
          "longest standstill",
          Units.millis(
              migrations.stream().mapToLong(MigrationReport::downtimeMicros).max().orElse(0)));
      figures.put("disk compared", Units.bytes(load.diskBytes()));
    }
    return figures;
  }

  @Override
  public void close() throws IOException {
    try {
      guest.close();
    } finally {
      cluster.close();
    }
  }
}
