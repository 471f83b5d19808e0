package io.netchannel.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs each target of {@link WireFuzz} in Jazzer, guided by coverage, for a fixed time. */
final class JazzerTest {
  /** Some hundred thousand inputs on a slow machine; a longer hunt is a matter of this number. */
  private static final int SECONDS = 5;

  private static final int BOUND_SECONDS = 120;

  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(
      classes = {
        WireFuzz.Frames.class,
        WireFuzz.AttachPayload.class,
        WireFuzz.AttachedPayload.class
      })
  void findsNothing(Class<?> target) throws Exception {
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
                    "--target_class=" + target.getName(),
                    "--instrumentation_includes=io.netchannel.wire.**",
                    "--custom_hook_includes=io.netchannel.wire.**",
                    "-max_total_time=" + SECONDS))
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertThat(jazzer.waitFor(BOUND_SECONDS, TimeUnit.SECONDS)).as("ended").isTrue();
    } finally {
      jazzer.destroyForcibly();
    }
    assertThat(jazzer.exitValue()).as("%s", Files.readString(log)).isZero();
    assertThat(Files.readString(log)).contains("Done ");
  }
}
