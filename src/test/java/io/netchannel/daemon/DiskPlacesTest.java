package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.Device;
import io.netchannel.device.OpenOptions;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which device is which, on a host with guests and exports of its own. */
@Timeout(120)
final class DiskPlacesTest {
  private static final UUID WEB1 = new UUID(1, 1);
  private static final int SIZE = 1 << 20;

  @TempDir private Path directory;
  private HostStorage storage;
  private EmulatedHost host;

  @BeforeEach
  void start() throws Exception {
    for (String name : new String[] {"data", "web2", "new", "other"}) {
      Files.write(directory.resolve(name), new byte[SIZE]);
    }
    Files.createDirectory(directory.resolve("pool"));
    storage =
        HostStorage.open(
            DaemonConfiguration.parse(
                "test.toml",
                """
                [daemon]
                name = "hosta"
                run-directory = "%1$s"
                state-directory = "%1$s"
                [[export]]
                name = "data"
                path = "%1$s/data"
                [[export]]
                name = "alias"
                path = "%1$s/data"
                [[export]]
                name = "to-read"
                path = "%1$s/new"
                read-only = true
                [[pool]]
                name = "fast"
                directory = "%1$s/pool"
                """
                    .formatted(directory)),
            Optional.empty());
    storage.listenToOthers();
    host = new EmulatedHost("hosta", directory, ImmutableMap.of(), storage.devices());
    host.startDaemon();
  }

  @AfterEach
  void close() {
    host.close();
    storage.close();
  }

  private String file(String name) {
    return "file:" + directory.resolve(name);
  }

  private Object ask(String command, Object... more) throws ControlException {
    Map<String, Object> request = new TreeMap<>();
    request.put("command", command);
    for (int i = 0; i < more.length; i += 2) {
      request.put(String.valueOf(more[i]), more[i + 1]);
    }
    return host.daemon().control().handle(request);
  }

  /** A guest that has a disk. */
  private EmbeddedDomain guest(String name, UUID uuid, String source) throws Exception {
    EmbeddedDomain domain = host.createDomain(name, uuid);
    attach(name, source);
    return domain;
  }

  private void attach(String name, String source) throws Exception {
    ask("attach-disk", "domain", name, "target", "xvdb", "source", source);
  }

  private void swap(String name, String source) throws Exception {
    ask("swap", "domain", name, "target", "xvdb", "source", source);
  }

  private void swapped(String name, String source) throws Exception {
    swap(name, source);
    Waiting.until("the switch", () -> isDone(name));
  }

  private boolean isDone(String name) {
    try {
      Map<String, Object> job =
          Json.object(ask("job", "domain", name, "target", "xvdb", "action", "show"));
      return "done".equals(job.get("state"));
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private void end(EmbeddedDomain domain, UUID uuid) {
    host.store().remove(Guest.path(domain.domid()));
    domain.destroy();
    Waiting.until("its end", () -> host.daemon().midPoints().ofDomain(uuid).isEmpty());
  }

  /** The copy would land over what the guest has written since, on the very same blocks. */
  @ParameterizedTest
  @CsvSource({
    "netchannel://hosta/data, file:",
    "file:, netchannel://hosta/data",
    "netchannel://hosta/data, netchannel://127.0.0.1/data",
    "netchannel://hosta/data, netchannel://HOSTA/data"
  })
  void aDiskIsNotCopiedOverItself(String source, String target) throws Exception {
    guest("web1", WEB1, source.equals("file:") ? file("data") : source);
    String to = target.equals("file:") ? file("data") : target;
    assertThatThrownBy(() -> swap("web1", to)).hasMessageContaining("is the disk already");
  }

  @Test
  void anotherGuestsDiskIsNotOverwrittenByAnotherName() throws Exception {
    Files.createSymbolicLink(directory.resolve("symlink"), directory.resolve("web2"));
    Files.createLink(directory.resolve("hardlink"), directory.resolve("web2"));
    guest("web1", WEB1, file("other"));
    guest("web2", new UUID(1, 2), file("web2"));
    for (String name : new String[] {"web2", "symlink", "hardlink"}) {
      assertThatThrownBy(() -> swap("web1", file(name))).hasMessageContaining("is the disk web2");
    }
  }

  @Test
  void whatIsBecomingADiskIsKnownByAnotherName() throws Exception {
    Files.createLink(directory.resolve("hardlink"), directory.resolve("new"));
    guest("web1", WEB1, file("other"));
    ask("swap", "domain", "web1", "target", "xvdb", "source", file("new"), "pivot", "manual");
    host.createDomain("web2", new UUID(1, 2));
    assertThatThrownBy(() -> attach("web2", file("hardlink")))
        .hasMessageContaining("is becoming xvdb of web1");
  }

  /** The server keeps clients apart, but knows nothing of who comes past it. */
  @Test
  void whatIsExportedIsSwappedToByItsExport() throws Exception {
    guest("web1", WEB1, file("other"));
    assertThatThrownBy(() -> swap("web1", file("data")))
        .hasMessageContaining("is exported as ")
        .hasMessageContaining("swap to that export");
    swapped("web1", "netchannel://hosta/data");
  }

  @Test
  void nobodyStartsFromWhatAClientOfAnExportMayWriteTo() throws Exception {
    OpenOptions remote = OpenOptions.of(false, new OpenOptions.User("remote/xvda", 1));
    try (Device used = storage.devices().open("netchannel://hosta/data", remote)) {
      assertThat(used.geometry().sizeBytes()).isEqualTo(SIZE);
      host.createDomain("web1", WEB1);
      assertThatThrownBy(() -> attach("web1", file("data")))
          .hasMessageContaining("is exported as data, and a client of that may write to it");
    }
    attach("web1", file("data"));
  }

  private void provide(String volume) throws Exception {
    var unused =
        storage
            .volumes()
            .provide(new VolumePools.Wanted("fast", volume, "web1/xvdb", SIZE, ImmutableSet.of()));
  }

  private List<String> volumes() {
    try {
      return storage.exports().volumes().stream()
          .map(volume -> volume.status().export().name())
          .toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void whatAGuestStartsFromByItsPathIsNotDeletedByItsPool() throws Exception {
    provide("used");
    provide("refused");
    provide("other");
    OpenOptions remote = OpenOptions.anew(new OpenOptions.User("remote/xvda", 1));
    try (Device used = storage.devices().open("netchannel://hosta/refused", remote)) {
      assertThat(used.geometry().sizeBytes()).isEqualTo(SIZE);
      host.createDomain("web2", new UUID(1, 2));
      assertThatThrownBy(() -> attach("web2", file("pool/refused")))
          .hasMessageContaining("is exported as refused");
    }
    attach("web2", file("pool/used"));
    assertThat(volumes()).containsExactly("other", "refused");
  }

  @Test
  void whatArrivesByItsPathIsNotDeletedByItsPool() throws Exception {
    provide("used");
    guest("web1", WEB1, file("other"));
    MidPoints midPoints = host.daemon().midPoints();
    midPoints.arrived(midPoints.ofDomain(WEB1).iterator().next(), file("pool/used"));
    Waiting.until("it is known", () -> volumes().isEmpty());
  }

  @Test
  void whatWasLeftIsKnownByAnotherName() throws Exception {
    Files.createLink(directory.resolve("hardlink"), directory.resolve("other"));
    EmbeddedDomain domain = guest("web1", WEB1, file("other"));
    swapped("web1", file("new"));
    end(domain, WEB1);
    EmbeddedDomain again = host.createDomain("web1", WEB1);
    assertThatThrownBy(() -> attach("web1", file("hardlink")))
        .hasMessageContaining("was switched to " + file("new"))
        .hasMessageContaining("which is " + file("other"));
    Files.delete(directory.resolve("other"));
    assertThatThrownBy(() -> attach("web1", file("hardlink")))
        .as("its name has gone")
        .hasMessageContaining("was switched to " + file("new"));
    Files.createLink(directory.resolve("newer"), directory.resolve("new"));
    attach("web1", file("newer"));
    end(again, WEB1);
  }

  @Test
  void allThatWasLeftIsOutOfDateUntilTheDiskIsThereAgain() throws Exception {
    EmbeddedDomain domain = guest("web1", WEB1, file("other"));
    swapped("web1", file("new"));
    swapped("web1", file("web2"));
    end(domain, WEB1);
    EmbeddedDomain again = host.createDomain("web1", WEB1);
    for (String left : new String[] {"other", "new"}) {
      assertThatThrownBy(() -> attach("web1", file(left)))
          .hasMessageContaining("was switched to " + file("web2"))
          .hasMessageContaining(file(left) + " is out of date since");
    }
    attach("web1", file("web2"));
    swapped("web1", file("other"));
    end(again, WEB1);
    host.createDomain("web1", WEB1);
    assertThatThrownBy(() -> attach("web1", file("new"))).hasMessageContaining("out of date");
    assertThatThrownBy(() -> attach("web1", file("web2"))).hasMessageContaining("out of date");
    attach("web1", file("other"));
  }
}
