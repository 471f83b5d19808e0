package io.netchannel.rehearsal;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.netchannel.coordinator.Migration;
import io.netchannel.rehearsal.guest.DiskModel;
import io.netchannel.rehearsal.guest.LinuxGuest;
import io.netchannel.rehearsal.guest.Workload;
import io.netchannel.rehearsal.host.DomainDefinition;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.rehearsal.host.Virsh;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * Migrates a model guest there and back between two model hosts of this process, so that the first
 * real migration finds its code loaded, linked and partly compiled. All that it has is its own, in
 * a directory of its own; it is silent in the log.
 */
public final class Rehearsal {
  /** In the name of everything that a rehearsal has. */
  static final String MARK = "netchannel-rehearsal";

  private static final String TARGET = "xvdb";
  private static final long DISK_BYTES = 4 << 20;

  /** Some are at the device whenever the guest stops, and it costs little. */
  private static final int OUTSTANDING = 8;

  /** The process belongs to the real daemon. */
  private static final String MEMORY = "[memory]\nbuffers = \"8M\"";

  /** Slow enough that requests are under way at a suspend, some done and not seen. */
  private static final String FILTERS = "delay:read=4ms,write=8ms,flush=2ms,jitter=15ms,seed=1!";

  private static final int REQUESTS_BEFORE_EACH = 50;

  /** Any; choices that never change are as good as others. */
  private static final long SEED = 2008;

  /** Requests take hundredths of a second; an emulated host with cold code gets much more. */
  private static final Duration STEP_BOUND = Duration.ofSeconds(60);

  /** After so many little more is gained. */
  public static final int MIGRATIONS = 8;

  /**
   * What came of it.
   *
   * @param standstills how long the guest of each migration stood still
   */
  public record Outcome(List<Duration> standstills, Duration took) {
    @Override
    public String toString() {
      return standstills.isEmpty()
          ? "rehearsed nothing"
          : "rehearsed %d migrations in %.1f s: first %d ms, last %d ms"
              .formatted(
                  standstills.size(),
                  took.toMillis() / 1000.0,
                  standstills.get(0).toMillis(),
                  standstills.get(standstills.size() - 1).toMillis());
    }
  }

  /** Who else needs the processor. */
  public interface Pace {
    /**
     * Between two steps of a rehearsal: returns when the next one may begin.
     *
     * @return false to end
     */
    boolean next();
  }

  private final Path directory;
  private final HostPair.Member a;
  private final HostPair.Member b;
  private final DomainDefinition definition;
  private final Virsh virsh;

  /**
   * A rehearsal.
   *
   * @param parent for a directory of its own: with a short path, on a tmpfs where possible
   * @param identity certificates of this host, which both sides show, and a name they prove
   */
  public Rehearsal(Path parent, HostPair.Member identity) {
    directory = parent.resolve(MARK);
    a = new HostPair.Member(MARK + "-a", identity.known(), identity.tls());
    b = new HostPair.Member(MARK + "-b", identity.known(), identity.tls());
    definition =
        new DomainDefinition(
            MARK, new UUID(SEED, SEED), TARGET, FILTERS + "file:" + directory.resolve("disk"));
    virsh = new Virsh(definition, Clock.systemUTC());
  }

  /**
   * Performs it, for as long as the pace lets it; leaves nothing behind.
   *
   * @throws IOException when it cannot go on
   * @throws IllegalStateException when the thread is interrupted, or what it has rehearsed is wrong
   */
  public Outcome perform(int migrations, Pace pace) throws IOException {
    remove(directory);
    QuietLog quiet = QuietLog.of(MARK);
    boolean interrupted = false;
    try {
      Files.createDirectory(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      try (HostPair pair = HostPair.of(directory, a, b, UnaryOperator.identity());
          LinuxGuest guest = new LinuxGuest()) {
        try {
          return perform(pair, guest, migrations, pace);
        } finally {
          // An interrupt ends the play; the stage is cleared all the same.
          interrupted = Thread.interrupted();
        }
      } catch (Virsh.RefusedException e) {
        throw new IOException(e.getMessage(), e);
      } finally {
        remove(directory);
      }
    } finally {
      quiet.close();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Hands pending requests over between two connected ends, without a migration around it, for as
   * long as the pace lets it; see {@link HandOverDrill}.
   *
   * @return how many times
   */
  public int drill(Pace pace) throws IOException {
    QuietLog quiet = QuietLog.of(MARK);
    try {
      return HandOverDrill.perform(a, b, pace);
    } finally {
      quiet.close();
    }
  }

  private Outcome perform(HostPair pair, LinuxGuest guest, int migrations, Pace pace)
      throws IOException, Virsh.RefusedException {
    long begun = System.nanoTime();
    List<Duration> standstills = new ArrayList<>();
    try (RandomAccessFile disk = new RandomAccessFile(directory.resolve("disk").toFile(), "rw")) {
      disk.setLength(DISK_BYTES);
    }
    pair.start(pair.a(), MEMORY);
    pair.start(pair.b(), MEMORY);
    EmbeddedDomain domain = virsh.start(pair.a());
    Workload workload =
        new Workload(
            guest.boot(domain, DiskName.devid(TARGET)),
            new DiskModel(DISK_BYTES),
            OUTSTANDING,
            new Random(SEED),
            System::nanoTime);
    guest.run(workload::start);
    ModelHost source = pair.a();
    ModelHost destination = pair.b();
    while (standstills.size() < migrations && pace.next()) {
      progress(guest, workload);
      Virsh.Outcome outcome = virsh.migrate(source, destination, guest, workload, () -> {});
      check(outcome.moved(), outcome.message());
      standstills.add(Duration.ofNanos((outcome.runsMicros() - outcome.stoppedMicros()) * 1000));
      progress(guest, workload);
      ModelHost left = source;
      source = destination;
      destination = left;
      Await.until(
          "the end of the migration at both hosts",
          STEP_BOUND,
          () -> isOver(pair.a().lastMigration()) && isOver(pair.b().lastMigration()));
    }
    guest.run(workload::stop);
    check(workload.progress().violations().isEmpty(), workload.progress().violations().toString());
    virsh.destroy(source, guest.domain());
    return new Outcome(List.copyOf(standstills), Duration.ofNanos(System.nanoTime() - begun));
  }

  private static void progress(LinuxGuest guest, Workload workload) {
    long goal = workload.progress().completed() + REQUESTS_BEFORE_EACH;
    Await.until(
        "the guest's requests",
        STEP_BOUND,
        () -> {
          guest.check();
          return workload.progress().completed() >= goal;
        });
  }

  private static boolean isOver(Optional<Migration> migration) {
    return migration.isPresent() && !migration.get().isActive();
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }

  private static void remove(Path directory) throws IOException {
    if (Files.exists(directory)) {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }
}
