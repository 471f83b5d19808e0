package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.device.Device;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.server.ExportLeft;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Volumes of a host with a real device server, without a network. */
@Timeout(60)
final class VolumePoolsTest {
  private static final long SIZE = 1 << 20;
  private static final String CLIENT = "guest/xvdb";
  private static final ImmutableSet<String> ALLOW = ImmutableSet.of("hosta", "hostb");

  @TempDir private Path directory;
  private DaemonConfiguration configuration;
  private HostStorage storage;
  private VolumePools pools;

  @BeforeEach
  void start() throws Exception {
    Files.createDirectory(directory.resolve("pool"));
    configuration =
        DaemonConfiguration.parse(
            "test.toml",
            """
            [daemon]
            name = "hostb"
            run-directory = "%1$s"
            state-directory = "%1$s"
            [[pool]]
            name = "fast"
            directory = "%1$s/pool"
            delete-moved = "24h"
            """
                .formatted(directory));
    open();
  }

  private void open() {
    storage = HostStorage.open(configuration, Optional.empty());
    pools = storage.volumes();
  }

  @AfterEach
  void stop() {
    storage.close();
  }

  private Path file(String name) {
    return directory.resolve("pool").resolve(name);
  }

  private static VolumePools.Wanted wanted(String name, String client) {
    return new VolumePools.Wanted("fast", name, client, SIZE, ALLOW);
  }

  private VolumePools.Volume provide(String name) throws VolumeException {
    return pools.provide(wanted(name, CLIENT));
  }

  private static PeerMessages.WantedVolume asked(String pool, String name, long sizeBytes) {
    return new PeerMessages.WantedVolume(
        new UUID(1, 2), "xvdb", name, pool, sizeBytes, List.of("hosta"));
  }

  @Test
  void aPeerGetsAVolumeInTheOnlyPoolAndMayUseIt() throws Exception {
    PeerMessages.Volume volume = pools.volume("hostc", asked("", "web1-xvdb", SIZE));
    assertThat(volume.source()).endsWith("/web1-xvdb");
    assertThat(volume.isZero()).isTrue();
    assertThat(file("web1-xvdb")).hasSize(SIZE);
    assertThat(pools.export("web1-xvdb").orElseThrow().allow()).containsExactly("hosta", "hostc");
  }

  @Test
  void aPeerIsToldWhyThereIsNone() {
    assertThatThrownBy(() -> pools.volume("hostc", asked("slow", "web1-xvdb", SIZE)))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("this host has no pool slow: it has fast");
    assertThatThrownBy(() -> pools.volume("hostc", asked("", "../web1", SIZE)))
        .hasMessageContaining("expected the name of an export and a size, found \"../web1\"");
    assertThatThrownBy(() -> pools.volume("hostc", asked("", "web1", 0)))
        .hasMessageContaining("found \"web1\" and 0 bytes");
    assertThatThrownBy(() -> pools.volume("hostc", asked("", "web1", 1L << 60)))
        .hasMessageContaining("no space in pool");
    assertThat(file("web1")).doesNotExist();
  }

  private Device use(String name, String client, long generation) throws Exception {
    return storage
        .devices()
        .open(
            "netchannel://hostb/" + name,
            OpenOptions.anew(new OpenOptions.User(client, generation)));
  }

  private Map<String, Object> export(String name) throws ControlException {
    Object all = storage.control(other -> "").handle(ImmutableMap.of("command", "exports"));
    return Json.objects(all).stream()
        .filter(each -> each.get("name").equals(name))
        .findFirst()
        .orElse(Map.of());
  }

  @Test
  void aVolumeIsASparseFileThatTheNamedHostsMayUse() throws Exception {
    assertThat(provide("web1")).isEqualTo(new VolumePools.Volume("netchannel://hostb/web1", true));
    assertThat(Files.size(file("web1"))).isEqualTo(SIZE);
    assertThat(export("web1"))
        .containsEntry("source", "file:" + file("web1"))
        .containsEntry("mode", "rw")
        .containsEntry("allow", ALLOW.asList());
    storage.close();
    open();
    assertThat(export("web1")).as("after a restart").containsEntry("allow", ALLOW.asList());
    assertThat(provide("web1").isZero()).as("nobody has used it").isTrue();
  }

  @Test
  void oneThatItsDiskHasLeftServesAgainAndAnothersDoesNot() throws Exception {
    provide("web1");
    try (Device device = use("web1", CLIENT, 1)) {
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(provide("web1")).as("a copy that was begun").isNotNull();
      device.arrived().get(20, TimeUnit.SECONDS);
      assertThatThrownBy(() -> provide("web1")).hasMessageContaining("it is that disk");
      device.moved("netchannel://hosta/web1").get(20, TimeUnit.SECONDS);
    }
    assertThat(provide("web1")).isEqualTo(new VolumePools.Volume("netchannel://hostb/web1", false));
    assertThatThrownBy(() -> pools.provide(wanted("web1", "other/xvdb")))
        .hasMessageContaining("somebody else uses it, or has used it last");
    use("web1", "other/xvdb", 1).close();
    assertThatThrownBy(() -> provide("web1")).hasMessageContaining("somebody else");
    assertThat(Files.size(file("web1"))).isEqualTo(SIZE);
  }

  private MovedVolumes movedVolumes(AtomicLong nanos) throws IOException {
    return new MovedVolumes(
        configuration.pools(),
        storage.exports(),
        directory.resolve("exports"),
        OpenFiles.SYSTEM,
        nanos::get);
  }

  @Test
  void oneThatItsDiskHasLeftIsDeletedAndMayComeAgain() throws Exception {
    provide("web1");
    AtomicLong nanos = new AtomicLong();
    MovedVolumes volumes = movedVolumes(nanos);
    try (Device device = use("web1", CLIENT, 1)) {
      device.arrived().get(20, TimeUnit.SECONDS);
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      device.moved("netchannel://hosta/web1").get(20, TimeUnit.SECONDS);
      volumes.look();
      assertThat(volumes.fate("web1")).as("it is still open there").isEmpty();
    }
    storage.close();
    open();
    volumes = movedVolumes(nanos);
    volumes.look();
    assertThat(volumes.fate("web1")).as("known after a restart").isPresent();
    nanos.addAndGet(Duration.ofHours(25).toNanos());
    volumes.look();
    assertThat(file("web1")).doesNotExist();
    assertThat(export("web1")).isEmpty();
    storage.close();
    open();
    assertThat(export("web1")).isEmpty();
    assertThat(provide("web1").isZero()).isTrue();
    use("web1", CLIENT, 2).close();
  }

  /** As an admin may who has forgotten that it is exported; his guest is shut down since. */
  @Test
  void whatWasWrittenPastTheServerStays() throws Exception {
    leave("web1");
    AtomicLong nanos = new AtomicLong();
    MovedVolumes volumes = movedVolumes(nanos);
    volumes.look();
    assertThat(volumes.fate("web1").orElseThrow().problem()).isEmpty();
    Files.write(file("web1"), new byte[(int) SIZE]);
    nanos.addAndGet(Duration.ofHours(25).toNanos());
    volumes.look();
    assertThat(file("web1")).exists();
    assertThat(volumes.fate("web1").orElseThrow().problem().orElseThrow())
        .contains("after its disk had left");
  }

  /** A disk was there, and has gone. */
  private void leave(String name) throws Exception {
    provide(name);
    try (Device device = use(name, CLIENT, 1)) {
      device.arrived().get(20, TimeUnit.SECONDS);
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      device.moved("netchannel://hosta/" + name).get(20, TimeUnit.SECONDS);
    }
  }

  private MovedVolumes.Volume volume() throws IOException {
    return storage.exports().volumes().get(0);
  }

  private void deleteSeen(MovedVolumes.Volume volume, ExportLeft left) throws Exception {
    storage.exports().deleteVolume(volume, left, () -> Files.delete(file("web1")));
  }

  @Test
  void whatAPersonLetsBeUsedAfterTheLookStays() throws Exception {
    leave("web1");
    ExportLeft left = storage.exports().left("web1").orElseThrow();
    storage
        .control(other -> "")
        .handle(
            Map.of("command", "release-export", "name", "web1", "client", CLIENT, "moved", true));
    assertThat(storage.exports().left("web1")).isEmpty();
    assertThatThrownBy(() -> deleteSeen(volume(), left)).hasMessageContaining("just now");
    assertThat(file("web1")).exists();
    use("web1", CLIENT, 2).close();
  }

  /** It is left, as before; but since another time. */
  @Test
  void whatItsDiskHasUsedAgainAfterTheLookStays() throws Exception {
    leave("web1");
    ExportLeft left = storage.exports().left("web1").orElseThrow();
    use("web1", CLIENT, 2).close();
    assertThat(storage.exports().left("web1")).as("a copy was begun").isEmpty();
    try (Device device = use("web1", CLIENT, 3)) {
      device.arrived().get(20, TimeUnit.SECONDS);
      device.moved("netchannel://hosta/web1").get(20, TimeUnit.SECONDS);
    }
    assertThatThrownBy(() -> deleteSeen(volume(), left)).hasMessageContaining("just now");
    assertThat(file("web1")).exists();
    deleteSeen(volume(), storage.exports().left("web1").orElseThrow());
    assertThat(file("web1")).doesNotExist();
  }

  @Test
  void whatAPersonHasExportedAnewAfterTheLookStays() throws Exception {
    leave("web1");
    ExportLeft left = storage.exports().left("web1").orElseThrow();
    MovedVolumes.Volume seen = volume();
    ControlEndpoint.Handler control = storage.control(other -> "");
    control.handle(Map.of("command", "unexport", "name", "web1"));
    control.handle(Map.of("command", "export", "name", "web1", "source", "file:" + file("web1")));
    assertThatThrownBy(() -> deleteSeen(seen, left)).hasMessageContaining("not the pool's");
    assertThat(file("web1")).exists();
    assertThat(export("web1")).isNotEmpty();
  }

  @Test
  void anExportThatIsBeingDeletedCannotBeMadeAnew() throws Exception {
    leave("web1");
    ControlEndpoint.Handler control = storage.control(other -> "");
    storage
        .exports()
        .deleteVolume(
            volume(),
            storage.exports().left("web1").orElseThrow(),
            () ->
                assertThatThrownBy(
                        () ->
                            control.handle(
                                Map.of(
                                    "command",
                                    "export",
                                    "name",
                                    "web1",
                                    "source",
                                    "file:" + file("web1"))))
                    .hasMessageContaining("being made or ended just now"));
    assertThat(export("web1")).isEmpty();
  }

  @Test
  void whatADiskUsesByItsPathIsNotThePoolsAnyMore() throws Exception {
    leave("web1");
    leave("web2");
    Path link = Files.createSymbolicLink(directory.resolve("link"), file("web1"));
    storage.devices().usedByPath(storage.devices().storage("file:" + link));
    assertThat(storage.exports().volumes())
        .extracting(volume -> volume.status().export().name())
        .containsExactly("web2");
    assertThat(export("web1")).as("still exported").isNotEmpty();
    storage.close();
    open();
    assertThat(storage.exports().volumes())
        .as("after a restart")
        .extracting(volume -> volume.status().export().name())
        .containsExactly("web2");
  }

  /** It may be anything that somebody keeps there. */
  @Test
  void whatAPersonHasExportedIsNeverDeleted() throws Exception {
    Files.write(file("web1"), new byte[(int) SIZE]);
    storage
        .control(other -> "")
        .handle(Map.of("command", "export", "name", "web1", "source", "file:" + file("web1")));
    try (Device device = use("web1", CLIENT, 1)) {
      device.arrived().get(20, TimeUnit.SECONDS);
      device.moved("netchannel://hosta/web1").get(20, TimeUnit.SECONDS);
    }
    AtomicLong nanos = new AtomicLong();
    MovedVolumes volumes = movedVolumes(nanos);
    volumes.look();
    nanos.addAndGet(Duration.ofHours(25).toNanos());
    volumes.look();
    assertThat(file("web1")).exists();
  }

  @Test
  void whatIsThereAlreadyIsNotTouched() throws Exception {
    byte[] precious = new byte[(int) SIZE];
    Arrays.fill(precious, (byte) 7);
    Files.write(file("web1"), precious);
    assertThatThrownBy(() -> provide("web1")).hasMessageContaining("it may be somebody's");
    assertThat(file("web1")).hasBinaryContent(precious);
    assertThat(export("web1")).isEmpty();
    storage
        .control(other -> "")
        .handle(Map.of("command", "export", "name", "web1", "source", "file:" + file("web1")));
    assertThatThrownBy(() -> provide("web1")).hasMessageContaining("has data on it");
    Path other = Files.write(directory.resolve("other"), new byte[(int) SIZE]);
    storage
        .control(none -> "")
        .handle(Map.of("command", "export", "name", "web2", "source", "file:" + other));
    assertThatThrownBy(() -> provide("web2")).hasMessageContaining("was made for something else");
    assertThat(file("web1")).hasBinaryContent(precious);
  }

  /** Killed between the export and its file. */
  @Test
  void anExportWithoutItsFileGetsIt() throws Exception {
    provide("web1");
    Files.delete(file("web1"));
    assertThat(provide("web1").isZero()).isTrue();
    assertThat(Files.size(file("web1"))).isEqualTo(SIZE);
  }

  @Test
  void withoutAPoolOrRoomInItNothingIsMade() throws Exception {
    assertThatThrownBy(
            () -> pools.provide(new VolumePools.Wanted("slow", "web1", CLIENT, SIZE, ALLOW)))
        .hasMessageContaining("has no pool slow: it has fast")
        .matches(e -> ((VolumeException) e).isLasting());
    VolumePools full =
        new VolumePools(configuration.pools(), storage.devices(), this::noServer, pool -> SIZE - 1);
    assertThatThrownBy(() -> full.provide(wanted("web1", CLIENT)))
        .hasMessageContaining("device server");
    VolumePools small = storage.volumes(pool -> SIZE - 1);
    assertThatThrownBy(() -> small.provide(wanted("web1", CLIENT)))
        .hasMessageContaining("no space in pool fast: expected %d bytes free".formatted(SIZE))
        .matches(e -> !((VolumeException) e).isLasting());
    assertThat(file("web1")).doesNotExist();
    assertThat(export("web1")).isEmpty();
    Files.delete(directory.resolve("pool"));
    assertThatThrownBy(() -> provide("web1")).hasMessageContaining("cannot be examined");
    assertThat(export("web1")).isEmpty();
  }

  private VolumePools.Exports noServer() throws IOException {
    throw new IOException("for the test");
  }
}
