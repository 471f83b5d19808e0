package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.file.FileStat;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportLeft;
import io.netchannel.server.ExportStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The monotonic clock goes when the test says so; {@link VolumePoolsTest} has a real server. */
final class MovedVolumesTest {
  private static final Duration DAY = Duration.ofHours(24);

  /** Of a disk that goes after its file was written last, whenever that is. */
  private static final Instant LATER = Instant.parse("2100-01-01T00:00:00Z");

  @TempDir private Path directory;
  private final Server server = new Server();
  private long nanos = -5; // a monotonic clock begins anywhere
  private Optional<String> user = Optional.empty();
  private MovedVolumes volumes;
  private Path file;

  private static final class Server implements MovedVolumes.Exports {
    final List<MovedVolumes.Volume> volumes = new ArrayList<>();
    Optional<ExportLeft> left = Optional.empty();
    Runnable whenRemoved = () -> {};
    boolean refuses;
    boolean isKilled;

    @Override
    public List<MovedVolumes.Volume> volumes() {
      return List.copyOf(volumes);
    }

    @Override
    public Optional<ExportLeft> left(String name) {
      return left;
    }

    @Override
    public void deleteVolume(
        MovedVolumes.Volume volume, ExportLeft seen, MovedVolumes.Deletion deletion)
        throws ExportException, IOException {
      if (refuses) {
        throw new ExportException("export web1 has come into use");
      }
      whenRemoved.run();
      deletion.run();
      if (isKilled) {
        throw new IllegalStateException("killed");
      }
      volumes.clear();
    }
  }

  @BeforeEach
  void make() throws IOException {
    Files.createDirectories(directory.resolve("pool"));
    Files.createDirectories(directory.resolve("state"));
    file = Files.createFile(directory.resolve("pool").resolve("web1"));
    open(Optional.of(DAY));
    is(ExportStatus.unused(export("file:" + file)));
    left(LATER);
  }

  private void open(Optional<Duration> after) {
    volumes =
        new MovedVolumes(
            ImmutableMap.of("fast", new VolumePool(directory.resolve("pool"), after)),
            server,
            directory.resolve("state"),
            () -> asked -> user,
            () -> nanos);
  }

  private static Export export(String source) {
    return new Export("web1", source, false, ImmutableSet.of("hosta"));
  }

  private void left(Instant free) {
    server.left = Optional.of(new ExportLeft("guest/xvdb", Instant.ofEpochMilli(1_000), free));
  }

  private void is(ExportStatus status) throws IOException {
    FileStat.Birth birth =
        server.volumes.isEmpty()
            ? FileStat.of(file).orElseThrow().birth().orElseThrow()
            : server.volumes.get(0).birth();
    server.volumes.clear();
    server.volumes.add(new MovedVolumes.Volume(status, birth));
  }

  private void pass(Duration time) {
    for (Duration left = time; !left.isZero(); left = left.minus(MovedVolumes.LOOK)) {
      nanos += MovedVolumes.LOOK.toNanos();
      volumes.look();
    }
  }

  private Duration rest() {
    return volumes.fate("web1").orElseThrow().rest();
  }

  private void stays() {
    volumes.look();
    pass(DAY.multipliedBy(3));
    assertThat(file).exists();
    assertThat(server.volumes).isNotEmpty();
    assertThat(volumes.fate("web1")).isEmpty();
  }

  private void stays(String why) {
    volumes.look();
    pass(DAY.multipliedBy(3));
    assertThat(server.volumes).as("the export").isNotEmpty();
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow()).contains(why);
  }

  private void goes() {
    pass(DAY.minus(MovedVolumes.LOOK));
    assertThat(file).exists();
    pass(MovedVolumes.LOOK);
    assertThat(file).doesNotExist();
    assertThat(server.volumes).isEmpty();
  }

  @Test
  void whatADiskHasLeftGoesWhenItsTimeHasCome() {
    volumes.look();
    assertThat(rest()).isEqualTo(DAY);
    goes();
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
    assertThat(rest()).isEqualTo(DAY.dividedBy(2));
    pass(DAY.dividedBy(2).minus(MovedVolumes.LOOK));
    assertThat(file).exists();
    pass(MovedVolumes.LOOK);
    assertThat(file).doesNotExist();
  }

  /** Guests of a daemon that begins have not opened their disks yet. */
  @Test
  void whatIsDueWhenADaemonBeginsIsLookedAtOnceMore() {
    volumes.look();
    pass(DAY.dividedBy(2));
    open(Optional.of(DAY.dividedBy(4)));
    volumes.look();
    assertThat(rest()).isZero();
    assertThat(file).exists();
    pass(MovedVolumes.LOOK);
    assertThat(file).doesNotExist();
  }

  @Test
  void aDiskThatComesBackAndLeavesAgainBeginsAnew() {
    volumes.look();
    pass(DAY.dividedBy(2));
    left(LATER.plusSeconds(1));
    volumes.look();
    assertThat(rest()).isEqualTo(DAY);
    pass(DAY.dividedBy(2));
    server.left = Optional.empty();
    stays();
    left(LATER.plusSeconds(1));
    volumes.look();
    assertThat(rest()).isEqualTo(DAY);
  }

  @Test
  void whatIsNotAskedForStays() {
    open(Optional.empty());
    assertThat(volumes.isAsked()).isFalse();
    stays();
  }

  @Test
  void whatIsNotThePoolsStays() throws IOException {
    is(ExportStatus.unused(export("file:/dev/vg0/web1")));
    stays();
    is(ExportStatus.unused(export("trace:/x!file:" + file)));
    stays();
  }

  @Test
  void whatIsNotThePoolsAnyMoreIsForgotten() {
    volumes.look();
    server.volumes.clear();
    volumes.look();
    assertThat(volumes.fate("web1")).isEmpty();
    assertThat(directory.resolve("state")).isEmptyDirectory();
  }

  @Test
  void whatDoesNotAnswerIsLookedAtLater() throws IOException {
    volumes.look();
    is(new ExportStatus(export("file:" + file), false, ImmutableList.of(), ImmutableList.of()));
    pass(DAY.multipliedBy(2));
    assertThat(file).exists();
    is(ExportStatus.unused(export("file:" + file)));
    volumes.look();
    assertThat(rest())
        .as("what was not seen does not count")
        .isBetween(DAY.minus(MovedVolumes.LOOK), DAY);
  }

  @Test
  void whatSomebodyHasOpenBeginsAnewWhenHeHasClosedIt() {
    volumes.look();
    pass(DAY.minus(MovedVolumes.LOOK));
    user = Optional.of("process 7");
    stays("in use by process 7");
    open(Optional.of(DAY));
    user = Optional.empty();
    volumes.look();
    assertThat(rest()).as("also after a restart").isEqualTo(DAY);
    goes();
  }

  @Test
  void whatComesIntoUseAtTheLastMomentStays() {
    volumes.look();
    server.refuses = true;
    pass(DAY);
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("come into use");
    server.refuses = false;
    server.whenRemoved = () -> user = Optional.of("process 7");
    pass(DAY.plus(MovedVolumes.LOOK));
    assertThat(file).exists();
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("in use by process 7");
  }

  /** The one of a guest that is shut down, or of what the kernel serves: nobody has it open. */
  @Test
  void whatWasWrittenAfterItsDiskHadLeftStays() throws IOException {
    left(Instant.now().minusSeconds(3600));
    stays("after its disk had left");
  }

  @Test
  void whatIsChangedWhateverTheClockSaysStays() throws IOException {
    volumes.look();
    pass(DAY.dividedBy(2));
    Files.writeString(file, "precious");
    Files.setLastModifiedTime(file, FileTime.fromMillis(0));
    open(Optional.of(DAY));
    stays("after its disk had left");
    assertThat(file).hasContent("precious");
  }

  @Test
  void whatAPersonHasPutInItsPlaceStays() throws IOException {
    Path precious = Files.writeString(directory.resolve("precious"), "precious");
    Files.delete(file);
    Files.createSymbolicLink(file, precious);
    stays("found another one");
    Files.delete(file);
    Files.move(precious, file);
    stays("found another one");
    assertThat(file).hasContent("precious");
  }

  @Test
  void whatHasAnotherNameStays() throws IOException {
    Path link = Files.createLink(directory.resolve("link"), file);
    stays("it has 2 names");
    assertThat(link).exists();
    assertThat(file).exists();
  }

  /** Its blocks would stay for ever, and nobody would know whose they are. */
  @Test
  void theExportOfAFileThatIsNotThereStays() throws IOException {
    Path pool = directory.resolve("pool");
    Path elsewhere = directory.resolve("not mounted");
    Files.move(pool, elsewhere);
    Files.createDirectory(pool);
    volumes.look();
    pass(DAY.multipliedBy(3));
    assertThat(server.volumes).isNotEmpty();
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("it is not there");
    Files.delete(pool);
    Files.move(elsewhere, pool);
    pass(MovedVolumes.LOOK);
    assertThat(rest()).as("it was not there since the look before").isEqualTo(DAY);
    goes();
  }

  private void killedWhileItIsDeleted() {
    volumes.look();
    server.isKilled = true;
    assertThatThrownBy(() -> pass(DAY)).hasMessage("killed");
    server.isKilled = false;
    assertThat(file).doesNotExist();
    assertThat(server.volumes).isNotEmpty();
    open(Optional.of(DAY));
  }

  @Test
  void aDeletionThatWasCutOffIsFinished() {
    killedWhileItIsDeleted();
    volumes.look();
    pass(MovedVolumes.LOOK);
    assertThat(server.volumes).isEmpty();
    assertThat(directory.resolve("state")).isEmptyDirectory();
  }

  /** The file may be there still, where its file system is. */
  @Test
  void aDeletionThatWasCutOffIsNotFinishedElsewhere() throws IOException {
    killedWhileItIsDeleted();
    Path pool = directory.resolve("pool");
    Files.move(pool, directory.resolve("not mounted"));
    Files.createDirectory(pool);
    stays("it is not there");
  }
}
