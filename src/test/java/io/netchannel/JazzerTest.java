package io.netchannel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the targets of all parsers of what comes over a network, or names something there, in
 * Jazzer: guided by coverage, for a fixed time. It begins with the same random numbers each time,
 * so that what it says is of the change that is tested. For a hunt, longer and elsewhere:
 *
 * <pre>
 *   mvn -q test -Dtest=JazzerTest -Dnetchannel.fuzz.seconds=3600 -Dnetchannel.seed=42
 * </pre>
 */
final class JazzerTest {
  private static final int SECONDS = Integer.getInteger("netchannel.fuzz.seconds", 40);

  private static final int SEED = Integer.getInteger("netchannel.seed", 1);

  /** What stands before a finding. */
  private static final String FINDING = "== ";

  /** What Jazzer may take besides, on a busy machine. */
  private static final int START_BOUND_SECONDS = 120;

  private static final String WATCHED =
      "io.netchannel.wire.**:io.netchannel.device.**:io.netchannel.server.**";

  @TempDir private Path directory;

  @Test
  void findsNothing() throws Exception {
    Path log = directory.resolve("jazzer.log");
    Process jazzer =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    // Jazzer watches Unsafe, and breaks Netty's use of it.
                    "-Dio.netty.noUnsafe=true",
                    "com.code_intelligence.jazzer.Jazzer",
                    "--target_class=" + ParserFuzz.class.getName(),
                    "--instrumentation_includes=" + WATCHED,
                    "--custom_hook_includes=" + WATCHED,
                    "-max_total_time=" + SECONDS,
                    "-seed=" + SEED,
                    seeds().toString()))
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertThat(jazzer.waitFor(SECONDS + START_BOUND_SECONDS, TimeUnit.SECONDS))
          .as("ended")
          .isTrue();
    } finally {
      jazzer.destroyForcibly();
    }
    String said = Files.readString(log);
    assertThat(jazzer.exitValue()).as("%s", finding(said)).isZero();
    assertThat(said).contains("Done ");
    for (ParserFuzz.Target target : ParserFuzz.TARGETS) {
      assertThat(said).contains(target.wasRun());
    }
  }

  /** Without the long way to it. */
  private static String finding(String said) {
    return said.substring(Math.max(0, said.indexOf(FINDING)));
  }

  /** One file each; Jazzer adds what it finds worth keeping. */
  private Path seeds() throws IOException {
    Path seeds = Files.createDirectory(directory.resolve("seeds"));
    for (int number = 0; number < ParserFuzz.TARGETS.size(); number++) {
      seed(seeds, number, new byte[0]);
      for (byte[] seed : ParserFuzz.TARGETS.get(number).seeds()) {
        seed(seeds, number, seed);
      }
    }
    return seeds;
  }

  private static void seed(Path seeds, int number, byte[] rest) throws IOException {
    byte[] input = new byte[1 + rest.length];
    input[0] = (byte) number;
    System.arraycopy(rest, 0, input, 1, rest.length);
    Files.write(Files.createTempFile(seeds, "seed", ""), input);
  }
}
