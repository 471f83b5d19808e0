package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskKey;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the server of an old device is told, by a timer that the test turns. */
final class SwitchNotesTest {
  private static final DiskKey DISK = new DiskKey(new UUID(1, 2), "xvdb");

  @TempDir private Path directory;
  private final AwayServer server = new AwayServer();
  private final DeviceOpener devices =
      new DeviceOpener(true, ImmutableMap.of("netchannel", server));
  private final ArrayDeque<Runnable> later = new ArrayDeque<>();
  private final SwitchNotes notes =
      new SwitchNotes(devices, Runnable::run, (delay, action) -> later.add(action));
  private String path;

  @BeforeEach
  void start() throws IOException {
    path = directory.resolve("old").toString();
    Files.write(Path.of(path), new byte[1 << 20]);
    server.goesAway(path);
  }

  @AfterEach
  void close() {
    devices.close();
  }

  private void left() {
    DiskJob job =
        DiskJob.begin(
            new UUID(3, 4),
            DISK,
            "web1",
            "netchannel:" + path,
            "file:/new",
            new DiskJob.Origin(false, false),
            new DiskJob.Settings(true, true, false, 0),
            Instant.EPOCH);
    OpenOptions.User user =
        OpenOptions.User.disk(DISK.domain(), DISK.target(), 1, Optional.empty());
    notes.left(job, Optional.empty(), user, () -> true);
  }

  @Test
  void aServerThatIsAwayIsToldWhenItIsBack() {
    left();
    for (int i = 0; i < 100; i++) {
      later.remove().run();
    }
    assertThat(server.told).isEmpty();
    server.isBack(path);
    later.remove().run();

    assertThat(server.told).containsExactly(path + " moved to file:/new");
    assertThat(server.held).as("given free").isEmpty();
    assertThat(later).isEmpty();
  }

  /** It is about to become the disk, and whoever copies has the place of who would tell. */
  @Test
  void whatIsCopiedToAgainIsNotCalledLeft() throws Exception {
    left();
    server.isBack(path);
    notes.becomesCopy(new DiskKey(DISK.domain(), "xvdc"), "netchannel:" + path);
    assertThat(later).as("another disk's").hasSize(1);
    notes.becomesCopy(DISK, "netchannel:" + path);
    later.remove().run();

    assertThat(server.told).isEmpty();
    assertThat(later).isEmpty();
  }
}
