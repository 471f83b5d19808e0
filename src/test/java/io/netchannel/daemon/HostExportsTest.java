package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.device.usb.EmptyPort;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.server.Export;
import io.netchannel.server.ExportServer;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Exports by configuration and by command, over the Unix socket of the host. */
@Timeout(60)
final class HostExportsTest {
  private static final long BOUND_SECONDS = 20;

  /** Each is a question to healthy exports, which a busy machine may take a moment for. */
  private static final int MAX_TRIES = 10_000;

  @TempDir private Path directory;
  private final Transport transport = new Transport("exports-test", 2);
  private final ExecutorService executor = Executors.newCachedThreadPool();
  private final HungStorage hung = new HungStorage();

  /** What is to be done when a bound has passed. */
  private final BlockingQueue<Runnable> bounds = new LinkedBlockingQueue<>();

  private DeviceOpener devices;
  private DaemonConfiguration configuration;
  private HostExports exports;

  @BeforeEach
  void start() throws Exception {
    devices =
        new DeviceOpener(
            true,
            ImmutableMap.<String, DeviceKind>builder()
                .putAll(
                    new RemoteDevices(
                            transport,
                            executor,
                            Optional.empty(),
                            RemoteOptions.DEFAULT,
                            new Random(1))
                        .kinds())
                .put("hung", hung)
                .buildOrThrow());
    Files.write(directory.resolve("a.raw"), new byte[1 << 20]);
    Files.write(directory.resolve("b.raw"), new byte[1 << 20]);
    configuration =
        DaemonConfiguration.parse(
            "test.toml",
            """
            [daemon]
            run-directory = "%1$s"
            state-directory = "%1$s"
            [server]
            listen = "127.0.0.1:0"
            [[export]]
            name = "a"
            path = "%1$s/a.raw"
            allow = ["hostb"]
            [[export]]
            name = "dead"
            source = "hung:open"
            [[export]]
            name = "sick"
            source = "hung:later"
            """
                .formatted(directory));
    serve();
  }

  private void serve() throws IOException {
    exports =
        new HostExports(
            configuration,
            devices,
            new UsbOpener(
                ImmutableMap.of("usb-test", (text, options) -> usb(text)), ImmutableMap.of()),
            transport,
            Optional.empty(),
            new ThisHost("hosta", ExportSettings.EVERYWHERE),
            (bound, action) -> bounds.add(action));
  }

  @AfterEach
  void stop() {
    hung.heal();
    exports.close();
    devices.close();
    transport.close();
    executor.shutdownNow();
  }

  private static UsbDevice usb(String text) throws DeviceException {
    if (!text.equals("port")) {
      throw new DeviceException("usb-test: expected port, found " + text);
    }
    return new EmptyPort();
  }

  private Object call(String command, Object... more) throws ControlException {
    ImmutableMap.Builder<String, Object> request = ImmutableMap.builder();
    request.put("command", command);
    for (int i = 0; i < more.length; i += 2) {
      request.put((String) more[i], more[i + 1]);
    }
    return exports.handle(request.buildOrThrow());
  }

  private List<Object> names() throws ControlException {
    return Json.objects(call("exports")).stream().map(export -> export.get("name")).toList();
  }

  private Device open(String name) throws Exception {
    return devices.open(
        "netchannel+unix:///%s?socket=%s".formatted(name, configuration.exportSocket()),
        OpenOptions.of(false, new OpenOptions.User("guest/xvda", 1)));
  }

  @Test
  void whatIsConfiguredIsServed() throws Exception {
    try (Device device = open("a")) {
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      Map<String, Object> export = Json.objects(call("exports")).get(0);
      assertThat(export).containsEntry("name", "a").containsEntry("mode", "rw");
      assertThat(export.get("allow")).isEqualTo(List.of("hostb"));
      assertThat(Json.objects(export.get("clients")).get(0))
          .containsEntry("client", "guest/xvda")
          .containsEntry("address", "client on this host");
      assertThatThrownBy(() -> call("unexport", "name", "a"))
          .isInstanceOf(ControlException.class)
          .hasMessageContaining("in use by guest/xvda");
    }
    assertThat(call("unexport", "name", "a")).isEqualTo(Map.of("name", "a", "configured", true));
    assertThat(names()).containsExactly("dead", "sick");
    assertThat(exports.knows(Map.of("command", "exports"))).isTrue();
    assertThat(exports.knows(Map.of("command", "ping"))).as("not about exports").isFalse();
  }

  @Test
  void whoseDiskHasMovedIsShownUntilAPersonSaysOtherwise() throws Exception {
    Device left = open("a");
    assertThat(left.moved("file:/dev/vg1/a")).succeedsWithin(BOUND_SECONDS, TimeUnit.SECONDS);
    assertThatThrownBy(
            () -> call("release-export", "name", "a", "client", "guest/xvda", "moved", true))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("export a is in use by guest/xvda");
    left.close();
    Map<String, Object> export = Json.objects(call("exports")).get(0);
    assertThat(Json.objects(export.get("clients"))).isEmpty();
    assertThat(Json.objects(export.get("moved"))).hasSize(1);
    assertThat(Json.objects(export.get("moved")).get(0))
        .containsEntry("client", "guest/xvda")
        .containsEntry("to", "file:/dev/vg1/a")
        .containsEntry("partial", false)
        .containsKey("since");
    call("release-export", "name", "a", "client", "guest/xvda", "moved", true);
    assertThat(Json.objects(Json.objects(call("exports")).get(0).get("moved"))).isEmpty();
    assertThatThrownBy(
            () -> call("release-export", "name", "a", "client", "guest/xvda", "moved", true))
        .hasMessageContaining("was not switched away from export a");
  }

  /** An export has one writer at a time; under two names it would have two. */
  @Test
  void oneStorageHasOneWriterUnderWhateverNames() throws Exception {
    Path disk = Files.write(directory.resolve("twice.raw"), new byte[1 << 16]);
    Path link = Files.createSymbolicLink(directory.resolve("by-id.raw"), disk);
    call("export", "name", "plain", "source", "file:" + disk);
    call("export", "name", "cached", "source", "file+cache:" + link);
    call("export", "name", "reader", "source", "file:" + link, "read-only", true);
    try (Device first = open("plain")) {
      assertThatThrownBy(() -> open("cached"))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("export cached and export plain are one storage")
          .hasMessageContaining("two writers would destroy what is on it");
      assertThat(Requests.write(first, 0, new byte[512])).isEqualTo(Outcome.OK);
    }
    try (Device second = open("cached")) {
      assertThat(Requests.write(second, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThatThrownBy(() -> open("plain")).hasMessageContaining("are one storage");
      // A client that is away holds its export, also over a restart of the server.
      second.keepPlace();
    }
    exports.close();
    serve();
    assertThatThrownBy(() -> open("plain")).hasMessageContaining("are one storage");
  }

  @Test
  void hundredsOfExportsAreServed() throws Exception {
    exports.close();
    StringBuilder text =
        new StringBuilder(
            """
            [daemon]
            run-directory = "%1$s"
            state-directory = "%1$s"
            [server]
            listen = "127.0.0.1:0"
            """
                .formatted(directory));
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < 250; i++) {
      Files.write(directory.resolve("many%d.raw".formatted(i)), new byte[4096]);
      expected.add("many" + i);
      text.append(
          "[[export]]\nname = \"many%d\"\npath = \"%s/many%d.raw\"\n".formatted(i, directory, i));
    }
    configuration = DaemonConfiguration.parse("test.toml", text.toString());
    serve();
    assertThat(names()).hasSameElementsAs(expected).hasSize(expected.size());
    for (String name : List.of("many0", "many249")) {
      try (Device device = open(name)) {
        assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      }
    }
  }

  @Test
  void whatWasExportedByCommandIsThereAfterARestart() throws Exception {
    call(
        "export",
        "name",
        "b",
        "source",
        "file:" + directory.resolve("b.raw"),
        "allow",
        List.of("hostb"));
    assertThatThrownBy(() -> call("export", "name", "c", "source", "file:/no/such/disk"))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("export c cannot be served: /no/such/disk does not exist");
    assertThatThrownBy(() -> call("export", "name", "c", "source", "file:" + directory))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("is a directory");
    assertThatThrownBy(() -> call("export", "name", "b", "source", "file:/x"))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("there is an export named b");
    assertThatThrownBy(() -> call("export", "name", "../b", "source", "file:/x"))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("expected a name");
    assertThatThrownBy(() -> call("export", "name", "c", "source", "fil:/x"))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("no known kind of device");
    Device device = open("b");
    exports.close();
    serve();
    assertThat(names()).containsExactly("a", "b", "dead", "sick");
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThatThrownBy(() -> call("unexport", "name", "b"))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("in use by guest/xvda");
    device.close();
    call("unexport", "name", "b");
    exports.close();
    serve();
    assertThat(names()).containsExactly("a", "dead", "sick");
  }

  @Test
  void anExportThatMayComeBackIsToldAsSuch() throws Exception {
    call("export", "name", "b", "source", "file:" + directory.resolve("b.raw"));
    Path stored = directory.resolve("exports").resolve("b.export");
    Files.delete(stored);
    Files.createDirectories(stored.resolve("in the way"));
    assertThatThrownBy(() -> call("unexport", "name", "b"))
        .isInstanceOf(ControlException.class)
        .hasMessageContaining("export b is gone and may come back with the next start")
        .hasMessageContaining("check that disk");
    assertThat(names()).containsExactly("a", "dead", "sick");
  }

  /** It may come later, as an iSCSI disk does: its clients wait, and are told why. */
  @Test
  void whatIsNotThereYetIsExportedAfterARestart() throws Exception {
    call("export", "name", "b", "source", "file:" + directory.resolve("b.raw"));
    exports.close();
    Files.move(directory.resolve("b.raw"), directory.resolve("later.raw"));
    serve();
    assertThat(names()).containsExactly("a", "b", "dead", "sick");
    assertThatThrownBy(() -> open("b")).hasMessageContaining("does not exist");
    Files.move(directory.resolve("later.raw"), directory.resolve("b.raw"));
    open("b").close();
  }

  /** Some editors put a mark first. */
  @Test
  void aStoredExportThatWasEditedIsServed() throws Exception {
    call("export", "name", "b", "source", "file:" + directory.resolve("b.raw"));
    exports.close();
    Path stored = directory.resolve("exports").resolve("b.export");
    Files.writeString(stored, "\uFEFF" + Files.readString(stored));
    serve();
    assertThat(names()).containsExactly("a", "b", "dead", "sick");
    open("b").close();
  }

  @Test
  void aClientThatIsGoneIsReleased() throws Exception {
    Device device = open("a");
    exports.close();
    device.close();
    serve();
    assertThatThrownBy(
            () ->
                devices.open("netchannel+unix:///a?socket=" + configuration.exportSocket(), false))
        .hasMessageContaining("in use by guest/xvda, generation 1")
        .hasMessageContaining("which is not connected now");
    call("release-export", "name", "a", "client", "guest/xvda");
    devices.open("netchannel+unix:///a?socket=" + configuration.exportSocket(), false).close();
  }

  @Test
  void anExportWhoseStorageHangsIsListedWithoutItsClients() throws Exception {
    Device user = open("a");
    var unused = executor.submit(() -> open("dead"));
    hung.hangs.await();
    List<Map<String, Object>> listed = listUntilAnswered("a");
    assertThat(listed)
        .extracting(export -> export.get("name"))
        .containsExactly("a", "dead", "sick");
    assertThat(Json.objects(listed.get(0).get("clients"))).hasSize(1);
    assertThat(listed.get(0)).containsEntry("problem", null);
    assertThat(listed.get(1))
        .containsEntry("source", "hung:open")
        .containsEntry("clients", null)
        .extracting("problem")
        .asString()
        .startsWith("no answer within 3 s, its storage hangs");
    hung.heal();
    assertThat(listUntilAnswered("dead").get(1)).containsEntry("problem", null);
    user.close();
  }

  /** The bound passes at once, and again and again. */
  private List<Map<String, Object>> listUntilAnswered(String name) throws Exception {
    for (int tries = 0; tries < MAX_TRIES; tries++) {
      Future<List<Map<String, Object>>> list = executor.submit(() -> Json.objects(call("exports")));
      bounds.take().run();
      List<Map<String, Object>> listed = list.get(BOUND_SECONDS, TimeUnit.SECONDS);
      if (listed.stream()
          .anyMatch(each -> each.get("name").equals(name) && each.get("problem") == null)) {
        return listed;
      }
    }
    throw new AssertionError("export " + name + " does not answer");
  }

  @Test
  void theEndDoesNotWaitForStorageThatHangsAndSaysSo() throws Exception {
    ListAppender<ILoggingEvent> events = new ListAppender<>();
    Logger logger = (Logger) LoggerFactory.getLogger(ExportServer.class);
    Device user = open("sick");
    user.write(0, BlockBuffers.allocate(512), outcome -> {});
    hung.hangs.await();
    Future<?> closed = executor.submit(exports::close);
    events.start();
    logger.addAppender(events);
    bounds.take().run();
    closed.get(BOUND_SECONDS, TimeUnit.SECONDS);
    logger.detachAppender(events);
    assertThat(events.list)
        .extracting(ILoggingEvent::getFormattedMessage)
        .contains(
            "export sick: hung:later hangs and is not waited for any more; requests at it: 1, which"
                + " end as those of a killed server");
    assertThatThrownBy(this::serve)
        .as("nobody else serves it before that has ended")
        .hasMessageContaining("one that was killed has requests at its storage still");
    hung.heal();
    Waiting.until("the directory is free", this::canServe);
    user.close();
  }

  private boolean canServe() {
    try {
      serve();
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void settingsThatMeanNothingAreRefused() {
    refuses("[[export]]\nname = \"a\"\n", "needs a path");
    refuses("[[export]]\nname = \"a\"\npath = \"/a\"\nusb = \"3-1\"\n", "one of them only");
    refuses("[[export]]\nname = \"a\"\nusb = \"3-1\"\nread-only = true\n", "read-only");
    refuses("[[export]]\nname = \"a\"\npath = \"/a\"\nsource = \"file:/a\"\n", "one of them only");
    refuses("[[export]]\nname = \"a\"\npath = \"a.raw\"\n", "a path from the root");
    refuses("[[export]]\nname = \"a/b\"\npath = \"/a\"\n", "expected a name");
    refuses("[[export]]\nname = \"a\"\npath = \"/a\"\nallow = \"hostb\"\n", "a list such as");
    refuses("[[export]]\nname = \"a\"\npath = \"/a\"\nshare = true\n", "unknown key");
    refuses("[remote]\ngive-up = \"soon\"\n", "a duration");
    refuses("[server]\nlisten = \"host:port\"\n", "an address");
    refuses("[server]\nplain = \"192.0.2.1:16517\"\n", "nothing encrypts it");
    refuses("[server]\nplain = \"127.0.0.1\"\n", "a loopback address such as");
  }

  private static void refuses(String text, String why) {
    assertThatThrownBy(() -> DaemonConfiguration.parse("test.toml", text))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining(why);
  }

  @Test
  void aUsbPortIsExportedUnderItsKindAlsoAfterARestart() throws Exception {
    assertThat(
            Json.object(call("export", "name", "stick", "kind", "usb", "source", "usb-test:port")))
        .containsEntry("kind", "usb")
        .containsEntry("source", "usb-test:port");
    assertThat(kinds()).containsEntry("stick", "usb").containsEntry("a", "disk");
    exports.close();
    serve();
    assertThat(kinds()).containsEntry("stick", "usb");
    call("unexport", "name", "stick");
    assertThat(kinds()).doesNotContainKey("stick");
  }

  private Map<Object, Object> kinds() throws ControlException {
    return Json.objects(call("exports")).stream()
        .collect(Collectors.toMap(export -> export.get("name"), export -> export.get("kind")));
  }

  @Test
  void aUsbPortThatCannotBeServedIsNoExport() throws Exception {
    assertThatThrownBy(() -> call("export", "name", "s", "kind", "usb", "source", "usb-test:other"))
        .hasMessageContaining("export s cannot be served: usb-test: expected port, found other");
    assertThatThrownBy(() -> call("export", "name", "s", "kind", "usb", "source", "file:/dev/vdb"))
        .hasMessageContaining("export s cannot be served");
    assertThatThrownBy(() -> call("export", "name", "s", "kind", "tape", "source", "usb-test:port"))
        .hasMessageContaining("expected an export of kind disk or usb, found tape");
    assertThat(names()).doesNotContain("s");
  }

  @Test
  void theConfigurationNamesUsbPortsInShort() throws Exception {
    DaemonConfiguration named =
        DaemonConfiguration.parse(
            "test.toml",
            """
            [[export]]
            name = "a"
            usb = "3-1.2"
            [[export]]
            name = "b"
            usb = "1209:0003,serial=NC42"
            """);
    assertThat(named.exports().exports())
        .extracting(Export::kind, Export::source)
        .containsExactly(
            tuple(ExportKind.USB, "usb:port=3-1.2"),
            tuple(ExportKind.USB, "usb:id=1209:0003,serial=NC42"));
  }
}
