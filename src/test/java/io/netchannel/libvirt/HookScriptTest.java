package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The real script, run as libvirtd runs it, with and without a daemon at its socket. */
@Timeout(60)
final class HookScriptTest {
  private static final Path SCRIPT = Path.of("xen-hooks/libxl.d/50-netchannel").toAbsolutePath();
  private static final String OURS =
      "<domain><metadata><d xmlns='https://netchannel.io/domain/1'/></metadata></domain>\n";
  private static final String STOCK = "<domain/>\n";

  @TempDir Path directory;
  private final LinkedBlockingQueue<HookCall> calls = new LinkedBlockingQueue<>();

  /** Only a daemon that does not answer reaches it. */
  private String timeoutSeconds = "30";

  private String searchPath = System.getenv("PATH");

  private record Result(int exitCode, String stdout, String stderr) {}

  @BeforeAll
  static void needsNetcat() throws Exception {
    Process found =
        new ProcessBuilder("sh", "-c", "nc -h 2>&1 | grep -q -- -U")
            .redirectErrorStream(true)
            .start();
    assumeTrue(found.waitFor() == 0, "nc with -U is not there (apt install netcat-openbsd)");
  }

  @Test
  void passesEverythingAndSaysWhatIsAnswered() throws Exception {
    String xml = OURS + "é & %20\n" + "x".repeat(200_000) + "\n";
    try (HookEndpoint endpoint = answering(new HookReply(7, "two\nlines"))) {
      assertThat(endpoint).isNotNull();
      Result result = run(xml, "my guest/ä%", "started", "begin", "-");
      assertThat(result).isEqualTo(new Result(7, "", "two\nlines\n"));
    }
    HookCall call = calls.remove();
    assertThat(call.domain()).isEqualTo("my guest/ä%");
    assertThat(call.operation()).isEqualTo("started");
    assertThat(call.subOperation()).isEqualTo("begin");
    assertThat(call.extra()).isEqualTo("-");
    assertThat(call.xml()).isEqualTo(xml.stripTrailing());
  }

  /** A guest with hundreds of disks and other tools' metadata. */
  @Test
  void passesThreeMegabytesWhole() throws Exception {
    String xml = OURS + "<x/>\n".repeat(3_000_000 / 5) + "end";
    try (HookEndpoint endpoint = answering(HookReply.OK)) {
      assertThat(endpoint).isNotNull();
      assertThat(run(xml, "a b/\u00fc\n\"x", "start", "begin", "-"))
          .isEqualTo(new Result(0, "", ""));
    }
    HookCall call = calls.remove();
    assertThat(call.domain()).isEqualTo("a b/\u00fc\n\"x");
    assertThat(call.xml().equals(xml)).as("%d characters", call.xml().length()).isTrue();
  }

  @Test
  void printsNothingWhenAllIsWell() throws Exception {
    try (HookEndpoint endpoint = answering(HookReply.OK)) {
      assertThat(endpoint).isNotNull();
      assertThat(run("", "guest", "migrate", "begin", "-")).isEqualTo(new Result(0, "", ""));
      assertThat(calls.remove().xml()).isEmpty();
      assertThat(run(STOCK, "guest", "start", "begin", "")).isEqualTo(new Result(0, "", ""));
      assertThat(calls.remove().extra()).isEmpty();
    }
  }

  @Test
  void reconnectNeverFailsEvenWhenTheDaemonSaysSo() throws Exception {
    try (HookEndpoint endpoint = answering(HookReply.refuse("no"))) {
      assertThat(endpoint).isNotNull();
      assertThat(run(OURS, "guest", "reconnect", "begin", "-").exitCode()).isZero();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "migrate, begin, none, 1",
    "prepare, begin, ours, 1",
    "start, begin, ours, 1",
    "started, begin, ours, 1",
    "prepare, begin, stock, 0",
    "start, begin, stock, 0",
    "started, begin, stock, 0",
    "start, begin, nearly ours, 1",
    "reconnect, begin, ours, 0",
    "stopped, end, ours, 0",
    "release, end, ours, 0",
  })
  void withoutADaemonRefusesOnlyWhatWouldRunAGuestWithoutItsDisks(
      String operation, String subOperation, String xml, int exitCode) throws Exception {
    String stdin =
        switch (xml) {
          case "ours" -> OURS;
          case "nearly ours" -> OURS.replace("https://netchannel.io", "http://Netchannel.io");
          case "stock" -> STOCK;
          default -> "";
        };
    for (boolean killed : new boolean[] {false, true}) {
      if (killed) {
        leaveDeadSocket();
      }
      Result result = run(stdin, "guest", operation, subOperation, "-");
      assertThat(result.exitCode()).as("%s killed=%s", result, killed).isEqualTo(exitCode);
      if (exitCode == 0) {
        assertThat(result.stderr()).isEmpty();
      } else {
        assertThat(result.stderr())
            .contains("is not running", "domain guest", "systemctl start netchanneld");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"migrate", "started"})
  void aDaemonThatDoesNotAnswerCountsAsAbsent(String operation) throws Exception {
    try (ServerSocketChannel silent = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      silent.bind(UnixDomainSocketAddress.of(socket()));
      timeoutSeconds = "1";
      Result result = run(OURS, "guest", operation, "begin", "-");
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.stderr()).contains("has not answered within 1 s");
      assertThat(run(OURS, "guest", "reconnect", "begin", "-").exitCode()).isZero();
    }
  }

  /** netchanneld is killed while libvirt waits for it. */
  @Test
  void aDaemonThatEndsWhileItIsAskedCountsAsAbsent() throws Exception {
    try (ServerSocketChannel dying = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      dying.bind(UnixDomainSocketAddress.of(socket()));
      CompletableFuture<Void> killed =
          CompletableFuture.runAsync(
              () -> {
                try (SocketChannel client = dying.accept()) {
                  ByteBuffer buffer = ByteBuffer.allocate(8192);
                  while (client.read(buffer.clear()) >= 0) {}
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              });
      Result result = run(OURS, "guest", "started", "begin", "-");
      assertThat(killed).succeedsWithin(Duration.ofSeconds(30));
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.stderr()).contains("ended while it was asked");
    }
  }

  /** What other netcats, broken ones and none at all do. The daemon runs, so it is not to blame. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "echo \"nc: invalid option -- 'U'\" >&2; exit 1",
        "exit 1",
        "exit 0",
        "exit 127",
        "echo 'usage: nc [-lnNU] host port'; printf '\\t-U\\tunix\\n'; exit 2",
        "",
      })
  void anotherNetcatIsNamedInsteadOfTheDaemon(String script) throws Exception {
    try (HookEndpoint endpoint = answering(HookReply.OK)) {
      assertThat(endpoint).isNotNull();
      netcat(script);
      Result result = run(OURS, "guest", "start", "begin", "-");
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.stderr())
          .contains("nc cannot be used", "domain guest", "install netcat-openbsd")
          .doesNotContain("is not running", "systemctl start");
      assertThat(run(STOCK, "guest", "start", "begin", "-")).isEqualTo(new Result(0, "", ""));
      assertThat(run(OURS, "guest", "reconnect", "begin", "-").exitCode()).isZero();
      assertThat(calls).isEmpty();
    }
  }

  /** As a policy of SELinux or AppArmor may do it. */
  @Test
  void aSocketThatMayNotBeUsedIsToldAsThat() throws Exception {
    try (HookEndpoint endpoint = answering(HookReply.OK)) {
      assertThat(endpoint).isNotNull();
      netcat(
          "[ \"$1\" != -h ] || exec /bin/nc -h; echo 'nc: hook.sock: Permission denied' >&2; exit"
              + " 1");
      Result result = run(OURS, "guest", "start", "begin", "-");
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.stderr())
          .contains("cannot be asked (nc: hook.sock: Permission denied)", "netchannel doctor")
          .doesNotContain("is not running");
    }
  }

  /** The script finds this {@code nc} first; with an empty text none that could be run. */
  private void netcat(String script) throws IOException {
    Path programs = Files.createDirectories(directory.resolve("bin"));
    Path nc = programs.resolve("nc");
    if (script.isEmpty()) {
      for (String name :
          List.of("cat", "grep", "logger", "od", "printf", "sh", "timeout", "uname")) {
        Files.createSymbolicLink(programs.resolve(name), Path.of("/usr/bin", name));
      }
      searchPath = programs.toString();
      return;
    }
    Files.writeString(nc, "#!/bin/sh\n" + script + "\n");
    assertThat(nc.toFile().setExecutable(true)).isTrue();
    searchPath = programs + ":" + searchPath;
  }

  private HookEndpoint answering(HookReply reply) throws IOException {
    return HookEndpoint.listen(
        socket(),
        call -> {
          calls.add(call);
          return reply;
        });
  }

  private Path socket() {
    return directory.resolve("hook.sock");
  }

  private void leaveDeadSocket() throws IOException {
    Files.deleteIfExists(socket());
    try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      killed.bind(UnixDomainSocketAddress.of(socket()));
    }
    assertThat(socket()).exists();
  }

  private Result run(String stdin, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(SCRIPT.toString()));
    command.addAll(List.of(arguments));
    Path stdout = directory.resolve("stdout");
    Path stderr = directory.resolve("stderr");
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectOutput(stdout.toFile()).redirectError(stderr.toFile());
    builder.environment().put("NETCHANNEL_HOOK_SOCKET", socket().toString());
    builder.environment().put("NETCHANNEL_HOOK_TIMEOUT", timeoutSeconds);
    builder.environment().put("PATH", searchPath);
    Process process = builder.start();
    try (OutputStream input = process.getOutputStream()) {
      input.write(stdin.getBytes(StandardCharsets.UTF_8));
    }
    assertThat(process.waitFor(50, TimeUnit.SECONDS)).as("the script ends").isTrue();
    return new Result(process.exitValue(), Files.readString(stdout), Files.readString(stderr));
  }
}
