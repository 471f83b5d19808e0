package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import io.netchannel.daemon.ControlEndpoint;
import io.netchannel.daemon.ControlException;
import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

@Timeout(60)
final class MainTest {
  @TempDir private Path directory;
  private Path socket;
  private ControlEndpoint endpoint;

  /** What the daemon was asked last. */
  private volatile Map<String, Object> asked = Map.of();

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeEach
  void listen() throws Exception {
    socket = directory.resolve("control.sock");
    endpoint =
        ControlEndpoint.open(
            socket,
            request -> {
              asked = request;
              return answer(request);
            });
  }

  @AfterEach
  void close() {
    endpoint.close();
  }

  private static Object answer(Map<String, Object> request) throws ControlException {
    return switch (String.valueOf(request.get("command"))) {
      case "status" ->
          Map.of(
              "name", "hosta",
              "servedAgain", Map.of("devices", 2, "of", 3, "millis", 740),
              "mirrorMemory", Map.of("inUseBytes", 3L << 20, "budgetBytes", 32L << 20),
              "peers",
                  List.of(
                      Map.of("name", "hostb", "address", "hostb:16515", "state", "connected"),
                      Map.of(
                          "name", "hostc",
                          "address", "hostc:16515",
                          "state", "unreachable",
                          "problem", "no route")),
              "problems", List.of("journal: no room"),
              "waiting", List.of("migration 1 is in TAKE_OVER"));
      case "devices" ->
          List.of(
              Map.of(
                  "domain", "g1",
                  "domid", 3,
                  "target", "xvdb",
                  "sizeBytes", 3L << 29,
                  "problem", "/dev/x: No such file"),
              Map.of("domain", "g2", "domid", 4, "target", "xvdb", "source", "file:/dev/vdb"),
              Map.ofEntries(
                  Map.entry("kind", "usb"),
                  Map.entry("domain", "g2"),
                  Map.entry("domid", 4),
                  Map.entry("target", "usb1"),
                  Map.entry("port", 1),
                  Map.entry("state", "serving"),
                  Map.entry("driver", "stock"),
                  Map.entry("plugged", Map.of("id", "1209:0003", "speed", "480M")),
                  Map.entry("pending", 2),
                  Map.entry("answered", 71),
                  Map.entry("source", "usb:port=3-1.2")),
              Map.of(
                  "kind", "usb",
                  "domain", "g2",
                  "domid", 4,
                  "target", "usb2",
                  "port", 2,
                  "driver", "module missing"));
      case "exports" ->
          List.of(
              Map.of(
                  "name", "dead",
                  "kind", "disk",
                  "mode", "rw",
                  "source", "file:/dev/vdc",
                  "problem", "no answer within 3 s"),
              Map.of(
                  "name", "well",
                  "kind", "usb",
                  "mode", "rw",
                  "source", "file:/dev/vdd",
                  "clients", List.of(Map.of("client", "g1/xvdb", "generation", 4))));
      case "migrations" -> migrations(String.valueOf(request.get("which")));
      case "take-back" ->
          Map.of("id", "1", "domain", request.get("which"), "outcome", "taken back by hand");
      default -> throw new ControlException("no running domain \"g9\" on this host");
    };
  }

  private static Object migrations(String which) {
    Map<String, Object> summary =
        Map.of("id", "1", "domain", "g1", "disks", List.of("xvdb"), "state", "commit");
    Map<String, Object> older = Map.of("id", "0", "domain", "g1", "state", "abort");
    return switch (which) {
      case "1" -> detail("commit");
      case "2" -> detail("precopy");
      case "g1" -> List.of(detail("commit"), older);
      default -> List.of(summary, older);
    };
  }

  private static Map<String, Object> detail(String state) {
    String time = "2026-01-02T03:04:05.%06dZ";
    return Map.of(
        "id",
        "1",
        "domain",
        "g1",
        "state",
        state,
        "role",
        "incoming",
        "peer",
        "hosta",
        "pending",
        12,
        "incomplete",
        3,
        "blackout",
        Map.of(
            "begin",
            "guest <suspended>",
            "host",
            "hosta",
            "time",
            time.formatted(1_000),
            "marks",
            List.of(
                Map.of(
                    "event",
                    "hook answered",
                    "host",
                    "hostb",
                    "time",
                    time.formatted(124_456),
                    "micros",
                    123_456))),
        "timeline",
        List.of(
            line("hosta", "seal", time.formatted(2_000), "seal begins", false, 0),
            line(
                "hosta",
                "seal",
                time.formatted(9_000),
                "xvda (vbd): 16 unanswered, drained after 8.2 s",
                true,
                7_000),
            line("hostb", "resume", time.formatted(124_456), "hook answered", false, 122_456)));
  }

  private static Map<String, Object> line(
      String host, String event, String time, String detail, boolean note, int sinceStart) {
    return Map.of(
        "host", host,
        "event", event,
        "time", time,
        "detail", detail,
        "note", note,
        "micros", 1_500,
        "sinceStartMicros", sinceStart,
        "untilNextMicros", 7_001);
  }

  private static String[] words(String line) {
    return Splitter.on(' ').splitToList(line).toArray(String[]::new);
  }

  private int run(String... arguments) {
    return NetchannelCommand.run(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
  }

  private int control(String... arguments) {
    List<String> line = new ArrayList<>(Arrays.asList(arguments));
    line.add("--socket=" + socket);
    return run(line.toArray(String[]::new));
  }

  static Stream<String> commands() {
    return paths(NetchannelCommand.commandLine(List.of()), "");
  }

  /** "pki", "pki init", ... */
  private static Stream<String> paths(CommandLine line, String prefix) {
    return line.getSubcommands().entrySet().stream()
        .flatMap(
            entry -> {
              String path = prefix + entry.getKey();
              return Stream.concat(Stream.of(path), paths(entry.getValue(), path + " "));
            });
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandExplainsItself(String command) {
    assertThat(run(words(command + " --help"))).isZero();
    assertThat(out.toString()).contains("Usage: netchannel " + command);
    assertThat(err.toString()).isEmpty();
    CommandLine line = NetchannelCommand.commandLine(List.of());
    for (String name : words(command)) {
      line = line.getSubcommands().get(name);
    }
    assertThat(line.getCommandSpec().usageMessage().description()).isNotEmpty();
    assertThat(line.getCommandSpec().args())
        .filteredOn(arg -> !command.equals("help")) // picocli's own, from its resources
        .allSatisfy(arg -> assertThat(arg.description()).as(arg.paramLabel()).isNotEmpty());
  }

  @Test
  void theHelpListsEveryCommand() {
    assertThat(run("--help")).isZero();
    NetchannelCommand.commandLine(List.of())
        .getSubcommands()
        .keySet()
        .forEach(name -> assertThat(out.toString()).contains("  " + name));
  }

  @Test
  void aCalledCommandIsTheOnlyOneThatIsLoaded() {
    assertThat(NetchannelCommand.commandLine(List.of("status")).getSubcommands())
        .containsOnlyKeys("status");
  }

  @ParameterizedTest
  @ValueSource(strings = {"status", "devices", "migrations", "migrations 1"})
  void jsonIsJsonAndTablesAreTables(String command) {
    assertThat(control(words(command + " --format json"))).isZero();
    assertThat(Json.parse(out.toString())).isNotNull();
    out.getBuffer().setLength(0);
    assertThat(control(words(command))).isZero();
    assertThat(out.toString()).contains("---").containsAnyOf("g1", "hosta");
  }

  @Test
  void aMissingValueIsADashAndSizesAreReadable() {
    assertThat(control("devices")).isZero();
    assertThat(out.toString()).contains("1.5 GiB").contains("file:/dev/vdb").contains(" - ");
    assertThat(out.toString()).contains("xvdb of g1: its guest waits: /dev/x: No such file");
  }

  @Test
  void usbPortsTellWhatIsPluggedAndHowTheGuestsDriverIs() {
    assertThat(control("devices")).isZero();
    assertThat(out.toString())
        .containsPattern(" Domain +Id +Port +State +Plugged +Guest's driver +Gen ")
        .containsPattern(" g2 +4 +1 +serving +1209:0003 480M +stock +- +2 +71 +usb:port=3-1.2")
        .containsPattern(" g2 +4 +2 +- +- +module missing ")
        .contains("usb1 of g2: its guest has the stock xen-hcd")
        .contains("plugged anew; install netchannel-xen-hcd-dkms there")
        .contains("usb2 of g2: its guest has not looked at the port")
        .contains("modprobe xen-hcd");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "attach-usb g9 1 3-1.2 | usb:port=3-1.2",
        "attach-usb g9 1 3-1.2,driver=keep | usb:port=3-1.2,driver=keep",
        "attach-usb g9 1 1209:0003 --filter trace:/t --filter delay:bulk=1ms |"
            + " trace:/t!delay:bulk=1ms!usb:id=1209:0003",
        "export --usb stick 3-1.2 | usb:port=3-1.2",
        "export --usb stick netchannel://hostc/usb/s | netchannel://hostc/usb/s"
      })
  void usbSourcesMayBeWrittenInShort(String line, String source) {
    assertThat(control(words(line))).isEqualTo(1);
    assertThat(asked).containsEntry("source", source);
  }

  @Test
  void whatIsExportedHasItsKind() {
    assertThat(control("export", "data", "/dev/vdb")).isEqualTo(1);
    assertThat(asked).containsEntry("kind", "disk").containsEntry("source", "file:/dev/vdb");
    assertThat(control("export", "--usb", "stick", "3-1.2")).isEqualTo(1);
    assertThat(asked).containsEntry("kind", "usb");
  }

  @Test
  void statusTellsHowPeersAre() {
    assertThat(control("status")).isZero();
    assertThat(out.toString())
        .containsPattern(" Peer +Address +State +Problem")
        .containsPattern(" hostb +hostb:16515 +connected +-")
        .containsPattern(" hostc +hostc:16515 +unreachable +no route")
        .contains(" mirror data:   3 of 32 MiB in use")
        .contains(" served again:  2 of 3 devices, the last one 740 ms after the start\n");
  }

  /** What the unit runs, and nothing that would have to be parsed. */
  @Test
  void onlyADaemonWithoutOptionsStartsWithoutTheCommandLine() {
    assertThat(Main.isService("daemon")).isTrue();
    assertThat(Main.isService("daemon", "--help")).isFalse();
    assertThat(Main.isService("status")).isFalse();
    assertThat(Main.isService()).isFalse();
  }

  @Test
  void statusTellsWhatIsWrongAndWhatWaits() {
    assertThat(control("status")).isZero();
    assertThat(out.toString().lines())
        .contains("problem: journal: no room", "waiting: migration 1 is in TAKE_OVER")
        .noneMatch(line -> line.contains("problems"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"exports", "exports --format json"})
  void anExportThatDoesNotAnswerIsListedAndAFailure(String command) {
    assertThat(control(words(command))).isEqualTo(1);
    assertThat(err.toString()).isEqualTo("error: export dead: no answer within 3 s\n");
    assertThat(out.toString()).contains("file:/dev/vdc", "file:/dev/vdd", "g1/xvdb");
  }

  @Test
  void anExportThatDoesNotAnswerIsNotShownAsUnused() {
    assertThat(control("exports")).isEqualTo(1);
    assertThat(out.toString())
        .containsPattern(" dead +disk +rw +- +\\(no answer\\) +- ")
        .containsPattern(" well +usb +rw +- +g1/xvdb +4 ");
  }

  @Test
  void aDomainsNewestMigrationIsShownAfterTheList() {
    assertThat(control("migrations", "g1")).isZero();
    assertThat(out.toString())
        .containsPattern(" 0 +g1 +")
        .containsPattern("The newest:")
        .containsPattern(" hosta +seal +03:04:05\\.002000 +0\\.000 +7\\.001 +seal begins")
        .containsPattern(" hosta +seal +03:04:05\\.009000 +7\\.000 +7\\.001 +xvda \\(vbd\\): 16")
        .contains("Blackout, from \"guest <suspended>\" at hosta, 03:04:05.001000:")
        .contains("123.456 ms  hook answered at hostb");
    out.getBuffer().setLength(0);
    assertThat(control("migrations")).isZero();
    assertThat(out.toString()).doesNotContain("The newest");
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "g1"})
  void aMigrationsPageNeedsNothingElse(String which) throws Exception {
    Path file = directory.resolve("m.html");
    assertThat(control("migrations", which, "--html", file.toString())).isZero();
    assertThat(file)
        .content()
        .contains("<svg", "g1 from hosta to hostb", "moved to hostb", "guest &lt;suspended&gt;")
        .contains("<strong>8.2 s</strong>", "<strong>123 ms</strong>", "<strong>12</strong>")
        .doesNotContain("http:", "https:", "<script", "<link", "src=");
  }

  @Test
  void aPageIsAboutOneMigrationThatIsOver() {
    Path file = directory.resolve("m.html");
    assertThat(control("migrations", "--html", file.toString())).isEqualTo(1);
    assertThat(err.toString()).contains("give a DOMAIN or an ID");
    assertThat(control("migrations", "2", "--html", file.toString())).isEqualTo(1);
    assertThat(err.toString()).contains("is in precopy");
    assertThat(file).doesNotExist();
  }

  @Test
  void whatIsTakenBackIsOfOneMigration() {
    assertThat(control("migrations", "--take-back")).isEqualTo(1);
    assertThat(err.toString()).contains("give a DOMAIN or an ID");
    assertThat(control("migrations", "g1", "--take-back")).isZero();
    assertThat(out.toString()).containsPattern("1 +g1 .*taken back by hand");
  }

  @Test
  void aRefusalIsExitCodeOneAndASentence() {
    assertThat(control("attach-disk", "g9", "/dev/vdb", "xvdb")).isEqualTo(1);
    assertThat(err.toString()).isEqualTo("error: no running domain \"g9\" on this host\n");
    assertThat(out.toString()).isEmpty();
  }

  @Test
  void withoutADaemonTheUserIsToldSo() {
    assertThat(run("status", "--socket=" + directory.resolve("none"))).isEqualTo(1);
    assertThat(err.toString())
        .startsWith("error: no daemon on this host")
        .contains("systemctl start netchanneld");
  }

  /** A disk that cannot follow is not attached as if it did. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/dev/vdb xvdb --follow fast | file:/dev/vdb stays on its host. `netchannel export` it",
        "netchannel+unix:///d?socket=/s xvdb --follow fast | an export that every host reaches",
        "netchannel://hosta/d xvdb --follow fast --readonly | a disk that is written to",
        "netchannel://hosta/d xvdb --follow fast --mode readonly | a disk that is written to",
        "netchannel://hosta/d xvdb --follow= | --follow names no pool",
        "netchannel://hosta/d xvdb --follow fast | no running domain",
        "trace:/t!netchannel://hosta/d xvdb --follow fast | no running domain"
      })
  void onlyWhatCanFollowIsAskedTo(String line, String words) {
    assertThat(control(words("attach-disk g9 " + line))).isEqualTo(1);
    assertThat(err.toString()).startsWith("error: ").contains(words);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nonsense",
        "devices --nonsense",
        "attach-disk g1",
        "status --format xml",
        "detach-disk g1 xvdb --timeout soon",
        "attach-usb g1 1",
        "attach-usb g1 xvdb 3-1.2",
        "detach-usb g1 0",
        "export --usb --read-only stick 3-1.2",
        "detach-usb g1 1 --timeout soon"
      })
  void misuseIsExitCodeOneAsVirshHasIt(String line) {
    assertThat(run(words(line))).isEqualTo(1);
    assertThat(err.toString()).startsWith("error: ").contains("--help");
  }

  @Test
  void theVersionIsPrinted() {
    assertThat(run("--version")).isZero();
    assertThat(out.toString()).startsWith("netchannel ");
  }

  @Test
  void completionKnowsEveryCommand() {
    assertThat(run("generate-completion")).isZero();
    commands().forEach(name -> assertThat(out.toString()).contains(words(name)[0]));
  }

  @Test
  void filtersGoInFrontOfTheDevice() {
    assertThat(SourceOptions.text(List.of("trace:/t", "delay:read=1s"), "file:/dev/vdb"))
        .isEqualTo("trace:/t!delay:read=1s!file:/dev/vdb");
    assertThat(AttachDiskCommand.sourceText("/dev/vdb")).isEqualTo("file:/dev/vdb");
    assertThat(AttachDiskCommand.sourceText("file:/a")).isEqualTo("file:/a");
  }

  @Test
  void anArgumentThatIsNoPathIsToldInWords() {
    StringWriter said = new StringWriter();
    int code =
        NetchannelCommand.run(
            new PrintWriter(out), new PrintWriter(said), "status", "--socket", "/r/\uD800");
    assertThat(code).isEqualTo(1);
    assertThat(said.toString()).contains("--socket", "LC_ALL=C.UTF-8").doesNotContain("Exception");
  }
}
