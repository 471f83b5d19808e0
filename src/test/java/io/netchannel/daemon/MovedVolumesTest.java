package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportStatus;
import io.netchannel.server.ExportUse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The clock goes when the test says so; {@link VolumePoolsTest} has a real server. */
final class MovedVolumesTest {
  private static final Duration DAY = Duration.ofHours(24);

  @TempDir private Path directory;
  private final Server server = new Server();
  private long nanos = -5; // a monotonic clock begins anywhere
  private Optional<String> user = Optional.empty();
  private MovedVolumes volumes;
  private Path file;

  private static final class Server implements MovedVolumes.Exports {
    final List<ExportStatus> volumes = new ArrayList<>();
    final List<Path> deleted = new ArrayList<>();
    ExportUse use = ExportUse.LEFT;
    boolean refuses;

    @Override
    public List<ExportStatus> volumes() {
      return List.copyOf(volumes);
    }

    @Override
    public ExportUse use(String name, String client) {
      return use;
    }

    @Override
    public void deleteVolume(String name, Path file) throws ExportException {
      if (refuses) {
        throw new ExportException("export %s is in use by web1/xvdb".formatted(name));
      }
      deleted.add(file);
      volumes.clear();
    }
  }

  @BeforeEach
  void make() throws IOException {
    Files.createDirectories(directory.resolve("pool"));
    Files.createDirectories(directory.resolve("state"));
    file = Files.createFile(directory.resolve("pool").resolve("web1"));
    open(Optional.of(DAY));
    server.volumes.add(moved("file:" + file, 1_000));
  }

  private void open(Optional<Duration> after) {
    volumes =
        new MovedVolumes(
            ImmutableMap.of("fast", new VolumePool(directory.resolve("pool"), after)),
            server,
            directory.resolve("state"),
            asked -> user,
            () -> nanos);
  }

  private static Export export(String source) {
    return new Export("web1", source, false, ImmutableSet.of("hosta"));
  }

  private static ExportStatus moved(String source, long atMillis) {
    return status(source, atMillis, false);
  }

  private static ExportStatus status(String source, long atMillis, boolean partial) {
    return new ExportStatus(
        export(source),
        true,
        ImmutableList.of(),
        ImmutableList.of(
            new ExportStatus.Elsewhere(
                "guest/xvdb",
                Optional.of("netchannel://hostb/web1"),
                Instant.ofEpochMilli(atMillis),
                partial)));
  }

  private void is(ExportStatus status) {
    server.volumes.clear();
    server.volumes.add(status);
  }

  private void pass(Duration time) {
    for (Duration left = time; !left.isZero(); left = left.minus(MovedVolumes.LOOK)) {
      nanos += MovedVolumes.LOOK.toNanos();
      volumes.look();
    }
  }

  private void stays() {
    volumes.look();
    pass(DAY.multipliedBy(3));
    assertThat(server.deleted).isEmpty();
    assertThat(volumes.fate("web1")).isEmpty();
  }

  @Test
  void whatADiskHasLeftGoesWhenItsTimeHasCome() {
    volumes.look();
    assertThat(volumes.fate("web1").orElseThrow().rest()).isEqualTo(DAY);
    pass(DAY.minus(MovedVolumes.LOOK));
    assertThat(server.deleted).isEmpty();
    assertThat(volumes.fate("web1").orElseThrow().rest()).isEqualTo(MovedVolumes.LOOK);
    pass(MovedVolumes.LOOK);
    assertThat(server.deleted).containsExactly(file);
    assertThat(volumes.fate("web1")).isEmpty();
    assertThat(directory.resolve("state")).isEmptyDirectory();
  }

  /** No time without a daemon counts, whatever the clock on the wall says. */
  @Test
  void aRestartGoesOnCounting() {
    volumes.look();
    pass(DAY.dividedBy(2));
    nanos = 77;
    open(Optional.of(DAY));
    volumes.look();
    assertThat(volumes.fate("web1").orElseThrow().rest()).isEqualTo(DAY.dividedBy(2));
    pass(DAY.dividedBy(2).minus(MovedVolumes.LOOK));
    assertThat(server.deleted).isEmpty();
    pass(MovedVolumes.LOOK);
    assertThat(server.deleted).containsExactly(file);
  }

  @Test
  void aDiskThatComesBackAndLeavesAgainBeginsAnew() {
    volumes.look();
    pass(DAY.dividedBy(2));
    is(moved("file:" + file, 2_000));
    volumes.look();
    assertThat(volumes.fate("web1").orElseThrow().rest()).isEqualTo(DAY);
    pass(DAY.dividedBy(2));
    is(status("file:" + file, 3_000, true));
    stays();
    is(moved("file:" + file, 4_000));
    volumes.look();
    assertThat(volumes.fate("web1").orElseThrow().rest()).isEqualTo(DAY);
  }

  @Test
  void whatIsNotAskedForStays() {
    open(Optional.empty());
    assertThat(volumes.isAsked()).isFalse();
    stays();
  }

  @Test
  void whatIsNotThePoolsStays() {
    is(moved("file:/dev/vg0/web1", 1_000));
    stays();
    is(moved("trace:/x!file:" + file, 1_000));
    stays();
  }

  @Test
  void whatIsADiskStays() {
    server.use = ExportUse.ANOTHERS;
    stays();
    server.use = ExportUse.ITS_DISK;
    stays();
    server.use = ExportUse.LEFT;
    is(ExportStatus.unused(export("file:" + file)));
    stays();
    is(
        new ExportStatus(
            export("file:" + file),
            true,
            ImmutableList.of(
                new ExportStatus.Client("guest/xvdb", 3, Instant.EPOCH, Optional.empty(), 0)),
            moved("file:" + file, 1_000).moved()));
    stays();
    is(status("file:" + file, 1_000, true));
    stays();
  }

  @Test
  void whatDoesNotAnswerIsLookedAtLater() {
    volumes.look();
    is(new ExportStatus(export("file:" + file), false, ImmutableList.of(), ImmutableList.of()));
    pass(DAY.multipliedBy(2));
    assertThat(server.deleted).isEmpty();
    is(moved("file:" + file, 1_000));
    volumes.look();
    assertThat(volumes.fate("web1").orElseThrow().rest())
        .as("what was not seen does not count")
        .isBetween(DAY.minus(MovedVolumes.LOOK), DAY);
  }

  @Test
  void whatSomebodyHasOpenGoesWhenHeHasClosedIt() {
    user = Optional.of("process 7");
    volumes.look();
    pass(DAY.multipliedBy(2));
    assertThat(server.deleted).isEmpty();
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("in use by process 7");
    user = Optional.empty();
    server.refuses = true;
    pass(MovedVolumes.LOOK);
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("in use by web1/xvdb");
    server.refuses = false;
    pass(MovedVolumes.LOOK);
    assertThat(server.deleted).containsExactly(file);
  }

  @Test
  void whatAPersonHasPutInItsPlaceStays() throws IOException {
    Path precious = Files.createFile(directory.resolve("precious"));
    Files.delete(file);
    Files.createSymbolicLink(file, precious);
    volumes.look();
    pass(DAY.multipliedBy(2));
    assertThat(server.deleted).isEmpty();
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("expected a regular file");
  }
}
