package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import java.io.BufferedReader;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The daemon as a process of its own, on a host without guests: it needs neither Xen nor root. */
@Timeout(120)
final class DaemonCommandTest {
  @TempDir private Path directory;
  private Process process;

  @AfterEach
  void kill() throws InterruptedException {
    if (process != null) {
      process.destroyForcibly().waitFor();
    }
  }

  /** They have a configuration of the log, which is not the daemon's. */
  private static String withoutTests(String classes) {
    return Splitter.on(File.pathSeparatorChar)
        .splitToStream(classes)
        .filter(entry -> !Files.exists(Path.of(entry, "logback-test.xml")))
        .collect(Collectors.joining(File.pathSeparator));
  }

  /** Also what it does not wait for any more is said then: logback must not have ended before. */
  @Test
  void theLogGoesOnUntilTheDaemonHasEnded() throws Exception {
    Path config = directory.resolve("netchannel.toml");
    Files.writeString(
        config,
        """
        [daemon]
        guests = false
        rehearse = false
        run-directory = "%1$s/run"
        state-directory = "%1$s/state"
        """
            .formatted(directory));
    String classes = System.getProperty("java.class.path");
    process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                withoutTests(System.getProperty("surefire.test.class.path", classes)),
                Main.class.getName(),
                "daemon",
                "--config",
                config.toString())
            .redirectErrorStream(true)
            .start();
    BufferedReader log = process.inputReader(StandardCharsets.UTF_8);
    String line = log.readLine();
    while (line != null && !line.contains("is ready")) {
      line = log.readLine();
    }
    assertThat(line).as("it is ready").isNotNull();
    process.toHandle().destroy(); // unlike the process itself it leaves the log open
    List<String> rest = log.lines().toList();
    assertThat(rest).hasSizeGreaterThan(1);
    assertThat(rest.get(rest.size() - 1)).contains("INFO  ended ");
  }
}
