package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.JournalException;
import io.netchannel.files.MountedStorage;
import io.netchannel.libvirt.HookReply;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Real file systems that are full or read-only, where a daemon keeps what it must not forget. */
@Timeout(120)
final class FullStorageTest {
  /** More than the requests in flight of one disk take. */
  private static final int SIZE_BYTES = 8 << 20;

  private static final String GUEST = "g1";

  @TempDir private Path directory;
  private Path image;
  private EmulatedHost host;

  @BeforeEach
  void makeHost() throws Exception {
    image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    host = new EmulatedHost("hosta", directory, ImmutableMap.of());
  }

  @AfterEach
  void close() {
    host.close();
  }

  private String status(String what) {
    try {
      ControlEndpoint.Handler control = host.daemon().control();
      return Json.write(Json.object(control.handle(Map.of("command", "status"))).get(what));
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  /** A start from its first hook to its last, which waits for the disks. */
  private HookReply startGuest() {
    UUID uuid = UUID.randomUUID();
    host.hookOk(GUEST, "prepare", "begin", xml(uuid, null));
    host.hookOk(GUEST, "start", "begin", xml(uuid, null));
    EmbeddedDomain domain = host.createDomain(GUEST, uuid);
    HookReply reply = host.hook(GUEST, "started", "begin", xml(uuid, domain));
    domain.destroy();
    host.hookOk(GUEST, "stopped", "end", xml(uuid, domain));
    host.hookOk(GUEST, "release", "end", xml(uuid, null));
    return reply;
  }

  private String xml(UUID uuid, EmbeddedDomain domain) {
    return EmulatedHost.xml(
        GUEST, uuid, domain, "<n:disk target='xvdb' source='file:" + image + "'/>");
  }

  @Test
  void aFullStateDirectoryKeepsDisksFromStartingAndStatusSaysSo() throws Exception {
    try (MountedStorage state =
        MountedStorage.tmpfs(directory.resolve("hosta/state"), SIZE_BYTES)) {
      state.fill();
      host.startDaemon();
      assertThat(status("problems"))
          .contains("journal: ", "No space left on device", "no migration can begin", "free some");
      HookReply refused = startGuest();
      assertThat(refused.exitCode()).isEqualTo(1);
      assertThat(refused.message()).contains("No space left on device");

      state.makeRoom();
      host.stopDaemon();
      host.startDaemon();
      assertThat(status("problems")).isEqualTo("[]");
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
  void aFullRunDirectoryRefusesAStartUntilThereIsRoom() throws Exception {
    try (MountedStorage run = MountedStorage.tmpfs(directory.resolve("hosta/run"), SIZE_BYTES)) {
      host.startDaemon();
      run.fill();
      HookReply refused = startGuest();
      assertThat(refused.exitCode()).isEqualTo(1);
      assertThat(refused.message()).contains("No space left on device", "make room");
      run.makeRoom();
      HookReply started = startGuest();
      assertThat(started.exitCode()).as(started.message()).isZero();
    }
  }
}
