package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.daemon.ControlEndpoint;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The waiting command as a process of its own: told to end, and on a terminal. */
@Timeout(120)
final class JobWaitProcessTest {
  @TempDir private Path directory;
  private ControlEndpoint endpoint;
  private Process process;
  private final CountDownLatch looks = new CountDownLatch(2);
  private final AtomicBoolean over = new AtomicBoolean();

  @BeforeEach
  void listen() throws Exception {
    endpoint =
        ControlEndpoint.open(
            directory.resolve("s"),
            request -> {
              looks.countDown();
              return (over.get() ? Told.done() : Told.in("copying")).json();
            });
  }

  @AfterEach
  void close() throws InterruptedException {
    endpoint.close();
    if (process != null) {
      process.destroyForcibly().waitFor();
    }
  }

  private List<String> command() {
    String classes =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-cp",
        classes,
        Main.class.getName(),
        "job",
        "web1",
        "xvdb",
        "--wait",
        "--socket",
        directory.resolve("s").toString());
  }

  /** As by Ctrl-C, which may be ignored where tests run. */
  @Test
  void toldToEndItSaysThatTheJobGoesOn() throws Exception {
    process = new ProcessBuilder(command()).redirectErrorStream(true).start();
    looks.await(); // what was asked first is the job, what comes then is waiting
    process.toHandle().destroy();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).isNotZero();
    assertThat(said)
        .contains("xvdb of web1: copying 41.3 of 96.0 GiB")
        .endsWith(
            "xvdb of web1: goes on without this command; 'netchannel job web1 xvdb --wait' waits"
                + " again, --abort ends it\n");
  }

  @Test
  void aTerminalHasOneLine() throws Exception {
    String quoted =
        command().stream().map(word -> "'" + word + "'").collect(Collectors.joining(" "));
    List<String> onTerminal =
        new ArrayList<>(Arrays.asList("script", "-q", "-e", "-c", quoted, "/dev/null"));
    ProcessBuilder builder = new ProcessBuilder(onTerminal).redirectErrorStream(true);
    builder.environment().put("TERM", "xterm");
    process = builder.start();
    looks.await();
    over.set(true);
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(said).contains("\r\u001b[?7lxvdb of web1: copying");
    assertThat(said.chars().filter(character -> character == '\n')).hasSize(1);
    assertThat(said).contains("\r\u001b[Kxvdb of web1: in sync, switched after 9 min 12 s;");
    assertThat(process.exitValue()).isZero();
  }
}
