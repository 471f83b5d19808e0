package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.xen.Waiting;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A host without certificates that uses what it exports: so all of it is without network. */
@Timeout(60)
final class HostStorageTest {
  private static final String A = "netchannel://hosta/a";

  @TempDir private Path directory;
  private DaemonConfiguration configuration;
  private HostStorage storage;

  @BeforeEach
  void start() throws Exception {
    Files.write(directory.resolve("a.raw"), new byte[1 << 20]);
    Files.write(directory.resolve("b.raw"), new byte[1 << 20]);
    configuration =
        DaemonConfiguration.parse(
            "test.toml",
            """
            [daemon]
            name = "hosta"
            run-directory = "%1$s"
            state-directory = "%1$s"
            [[export]]
            name = "a"
            path = "%1$s/a.raw"
            allow = ["hostb"]
            [[export]]
            name = "iso"
            path = "%1$s/b.raw"
            read-only = true
            """
                .formatted(directory));
    storage = HostStorage.open(configuration, Optional.empty());
  }

  /** What a guest with local disks would wait for in vain. */
  @Test
  void itBeginsItsServerWhenADiskOfTheNetworkIsAskedFor() throws Exception {
    storage.devices().check(A);
    storage
        .devices()
        .open("file:" + directory.resolve("b.raw"), OpenOptions.of(true, user("guest", 1)))
        .close();
    assertThat(configuration.exportSocket()).doesNotExist();
    open(A, "guest", 1).close();
    assertThat(configuration.exportSocket()).exists();
    storage.listenToOthers();
    assertThat(Json.objects(call("exports"))).hasSize(2);
  }

  @Test
  void oneThatIsClosedBeginsNothing() {
    storage.close();
    assertThatThrownBy(() -> open(A, "guest", 1)).hasMessageContaining("is shutting down");
    assertThat(configuration.exportSocket()).doesNotExist();
  }

  @AfterEach
  void stop() {
    storage.close();
  }

  private Object call(String command, Object... more) throws ControlException {
    ImmutableMap.Builder<String, Object> request = ImmutableMap.builder();
    request.put("command", command);
    for (int i = 0; i < more.length; i += 2) {
      request.put((String) more[i], more[i + 1]);
    }
    return storage.control(other -> "not about exports").handle(request.buildOrThrow());
  }

  private Device open(String source, String guest, long generation) throws Exception {
    return storage.devices().open(source, OpenOptions.of(false, user(guest, generation)));
  }

  private static OpenOptions.User user(String guest, long generation) {
    return new OpenOptions.User(guest + "/xvda", generation);
  }

  private Map<String, Object> client(String export) throws ControlException {
    return Json.objects(call("exports")).stream()
        .filter(each -> each.get("name").equals(export))
        .flatMap(each -> Json.objects(each.get("clients")).stream())
        .findFirst()
        .orElseThrow();
  }

  @Test
  void itsOwnExportsNeedNeitherCertificatesNorToBeAllowed() throws Exception {
    try (Device device = open(A, "guest", 3)) {
      byte[] data = new byte[4096];
      Arrays.fill(data, (byte) 7);
      assertThat(Requests.write(device, 4096, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Files.readAllBytes(directory.resolve("a.raw"))[4096]).isEqualTo((byte) 7);
      assertThat(client("a"))
          .containsEntry("client", "guest/xvda")
          .containsEntry("address", "this host itself");
      assertThatThrownBy(() -> call("unexport", "name", "a"))
          .isInstanceOf(ControlException.class)
          .hasMessageContaining("in use by guest/xvda");
      assertThatThrownBy(() -> open("netchannel://127.0.0.1/a", "other", 1))
          .hasMessageContaining("in use by guest/xvda, generation 3");
      assertThat(storage.devices().newestGeneration(A, "guest/xvda", false)).isEqualTo(3);
      assertThatThrownBy(() -> open(A, "guest", 2)).hasMessageContaining("generation 2");
    }
    open("netchannel://localhost/a", "other", 1).close();
    assertThat(call("ping")).isEqualTo("not about exports");
  }

  @Test
  void theRulesOfAnExportHoldForItToo() throws Exception {
    assertThatThrownBy(() -> open("netchannel://hosta/iso", "guest", 1))
        .hasMessageContaining("read-only");
    storage.devices().open("netchannel://hosta/iso", OpenOptions.of(true, user("g", 1))).close();
    assertThatThrownBy(() -> open("netchannel://hosta/nothing", "guest", 1))
        .hasMessageContaining("no export named nothing");
    assertThatThrownBy(() -> open("netchannel://127.0.0.1:16599/a", "guest", 1))
        .as("another server")
        .hasMessageContaining("expected certificates of this host");
  }

  @Test
  void aDaemonThatComesAgainFindsItsGuestsPlaceKept() throws Exception {
    call("export", "name", "b", "source", "file:" + directory.resolve("b.raw"), "allow", List.of());
    Device device = open("netchannel://hosta/b", "guest", 1);
    device.keepPlace();
    device.close();
    storage.close();
    storage = HostStorage.open(configuration, Optional.empty());
    assertThatThrownBy(() -> open("netchannel://hosta/b", "other", 1))
        .hasMessageContaining("in use by guest/xvda")
        .hasMessageContaining("which is not connected now");
    open("netchannel://hosta/b", "guest", 1).close();
    open("netchannel://hosta/b", "other", 1).close();
  }

  /** Both on this host, which only a test does; who may start is kept in its own server. */
  @Test
  void aDiskWithTwoLegs() throws Exception {
    storage.close();
    Files.write(directory.resolve("c.raw"), new byte[1 << 20]);
    configuration =
        DaemonConfiguration.parse(
            "test.toml",
            """
            [daemon]
            name = "hosta"
            run-directory = "%1$s"
            state-directory = "%1$s"
            [[export]]
            name = "a"
            path = "%1$s/a.raw"
            [[export]]
            name = "c"
            path = "%1$s/c.raw"
            """
                .formatted(directory));
    storage = HostStorage.open(configuration, Optional.empty());
    UUID guest = new UUID(5, 5);
    String source = "mirror:netchannel://hosta/a,netchannel://hosta/c";
    byte[] data = new byte[4096];
    Arrays.fill(data, (byte) 7);
    try (Device disk = open(source, guest, 1)) {
      Waiting.until("both are up to date", () -> "sync".equals(mirror(guest).get("state")));
      assertThat(Requests.write(disk, 4096, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
      assertThat(Json.objects(mirror(guest).get("legs")))
          .extracting(leg -> leg.get("source"), leg -> leg.get("upToDate"))
          .containsExactly(
              tuple("netchannel://hosta/a", true), tuple("netchannel://hosta/c", true));
      assertThatThrownBy(() -> forceLeg(guest, "netchannel://hosta/c"))
          .hasMessageContaining("stop its guest first");
    }
    assertThat(Files.readAllBytes(directory.resolve("a.raw"))[4096]).isEqualTo((byte) 7);
    assertThat(Files.readAllBytes(directory.resolve("c.raw"))[4096]).isEqualTo((byte) 7);
    assertThat(storage.devices().newestGeneration(source, guest + "/xvda", false)).isEqualTo(1);
    assertThat(storage.devices().probe(source, false).sizeBytes()).isEqualTo(1 << 20);
    assertThat(Json.object(forceLeg(guest, "netchannel://hosta/c")))
        .containsEntry("upToDate", List.of("netchannel://hosta/c"));
    Files.write(directory.resolve("a.raw"), new byte[1 << 20]); // what it has does not count
    try (Device disk = open(source, guest, 3)) {
      assertThat(Requests.read(disk, 4096, 4096)).isEqualTo(data);
    }
    assertThatThrownBy(() -> storage.devices().check("mirror:file:/a,file:/b"))
        .hasMessageContaining("expected two exports on two hosts");
    assertThatThrownBy(() -> open("mirror:netchannel://hosta/a", guest, 3))
        .hasMessageContaining("expected two exports on two hosts");
  }

  private Device open(String source, UUID guest, long generation) throws Exception {
    return open(source, guest.toString(), generation);
  }

  private Map<String, Object> mirror(UUID guest) {
    try {
      List<Map<String, Object>> found = Json.objects(ask(guest, Map.of("command", "mirrors")));
      assertThat(found).hasSize(1);
      return found.get(0);
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private Object forceLeg(UUID guest, String leg) throws ControlException {
    return ask(
        guest,
        Map.of(
            "command", "mirror",
            "action", "force-leg",
            "domain", "web1",
            "target", "xvda",
            "source", leg));
  }

  private Object ask(UUID guest, Map<String, Object> request) throws ControlException {
    return storage
        .control(other -> List.of(Map.of("domain", "web1", "uuid", guest, "target", "xvda")))
        .handle(request);
  }
}
