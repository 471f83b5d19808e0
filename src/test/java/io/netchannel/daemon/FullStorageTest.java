package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.JournalException;
import io.netchannel.files.MountedStorage;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Real file systems that are full or read-only, where a daemon keeps what it must not forget. */
@Timeout(120)
final class FullStorageTest {
  private static final Duration BOUND = Duration.ofSeconds(30);
  private static final int SIZE_BYTES = 2 << 20;
  private static final String GUEST = "g1";

  @TempDir private Path directory;
  private final UUID uuid = UUID.fromString("11111111-2222-3333-4444-555555555555");
  private EmulatedHost host;
  private String xml;

  @BeforeEach
  void makeHost() throws Exception {
    Path image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    xml =
        EmulatedHost.xml(GUEST, uuid, null, "<n:disk target='xvdb' source='file:" + image + "'/>");
    host = new EmulatedHost("hosta", directory, ImmutableMap.of());
  }

  @AfterEach
  void close() {
    host.close();
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + BOUND.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waiting for: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  private String status(String what) {
    try {
      ControlEndpoint.Handler control = host.daemon().control();
      return Json.write(Json.object(control.handle(Map.of("command", "status"))).get(what));
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private EmbeddedDomain startGuest() {
    host.hookOk(GUEST, "prepare", "begin", xml);
    host.hookOk(GUEST, "start", "begin", xml);
    return host.createDomain(GUEST, uuid);
  }

  private boolean isOffered(EmbeddedDomain domain) {
    return host.store()
        .read(
            "/local/domain/%d/device/vbd/%d/backend"
                .formatted(domain.domid(), DiskName.devid("xvdb")))
        .orElse("")
        .contains("/netchannel/");
  }

  @Test
  void aFullStateDirectoryKeepsDisksFromStartingAndStatusSaysSo() throws Exception {
    try (MountedStorage state =
        MountedStorage.tmpfs(directory.resolve("hosta/state"), SIZE_BYTES)) {
      state.fill();
      host.startDaemon();
      assertThat(status("problems"))
          .contains("journal: ", "No space left on device", "no migration can begin", "free some");
      EmbeddedDomain domain = startGuest();
      await("why the disk waits", () -> status("waiting").contains("No space left on device"));
      assertThat(host.daemon().midPoints().all())
          .noneMatch(disk -> disk.details().generation() > 0);

      state.makeRoom();
      host.stopDaemon();
      host.startDaemon();
      assertThat(status("problems")).isEqualTo("[]");
      assertThat(domain).isNotNull();
    }
  }

  @Test
  void aReadOnlyStateDirectoryIsSaidAtTheStart() throws Exception {
    try (MountedStorage state =
        MountedStorage.tmpfs(directory.resolve("hosta/state"), SIZE_BYTES)) {
      host.startDaemon();
      host.stopDaemon();
      state.makeReadOnly();
      assertThatThrownBy(host::startDaemon)
          .isInstanceOf(JournalException.class)
          .hasMessageContaining(directory.resolve("hosta/state/journal").toString())
          .hasMessageContaining("Read-only file system");
      state.makeWritable();
      host.startDaemon();
      assertThat(status("problems")).isEqualTo("[]");
    }
  }

  @Test
  void aFullRunDirectoryKeepsADiskWaitingUntilThereIsRoom() throws Exception {
    try (MountedStorage run = MountedStorage.tmpfs(directory.resolve("hosta/run"), SIZE_BYTES)) {
      host.startDaemon();
      run.fill();
      EmbeddedDomain domain = startGuest();
      await("why the disk waits", () -> status("waiting").contains("make room"));
      assertThat(Files.list(directory.resolve("hosta/run/inflight"))).isEmpty();
      run.makeRoom();
      await("the disk", () -> isOffered(domain));
    }
  }
}
