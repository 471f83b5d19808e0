package io.netchannel.containers.tool;

import com.google.common.collect.ImmutableMap;
import com.google.errorprone.annotations.FormatMethod;
import io.netchannel.daemon.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;

/**
 * What the tests look at of a load, in {@code DIRECTORY/progress}, as JSON:
 *
 * <pre>
 *   answered, failed, wrong   requests answered; with an error; with other data than expected
 *   problem                   the first failed or wrong one
 *   quiet                     since the last answer, in milliseconds
 *   pause                     the longest time without an answer, in milliseconds
 *   checked                   what is known to be right: blocks read at the end, lines
 *   ended                     true: this is all
 *
 *   refused                   alone: why the device could not be opened
 * </pre>
 */
final class Progress {
  private final Path directory;

  // All below is guarded by this.
  private long answered;
  private long failed;
  private long wrong;
  private long checked;
  private String firstProblem = "";
  private long lastAnswerNanos = System.nanoTime();
  private long longestPauseNanos;

  Progress(Path directory) {
    this.directory = directory;
  }

  synchronized void answered() {
    long now = System.nanoTime();
    longestPauseNanos = Math.max(longestPauseNanos, now - lastAnswerNanos);
    lastAnswerNanos = now;
    answered++;
  }

  synchronized void checked() {
    checked++;
  }

  @FormatMethod
  synchronized void failed(String format, Object... arguments) {
    failed++;
    problem(format.formatted(arguments));
  }

  @FormatMethod
  synchronized void wrong(String format, Object... arguments) {
    wrong++;
    problem(format.formatted(arguments));
  }

  private void problem(String text) {
    if (firstProblem.isEmpty()) {
      firstProblem = text;
    }
  }

  synchronized void report(boolean ended) {
    long quietNanos = ended ? 0 : System.nanoTime() - lastAnswerNanos;
    write(
        directory,
        ImmutableMap.<String, Object>builder()
            .put("answered", answered)
            .put("failed", failed)
            .put("wrong", wrong)
            .put("problem", firstProblem)
            .put("quiet", TimeUnit.NANOSECONDS.toMillis(quietNanos))
            .put("pause", TimeUnit.NANOSECONDS.toMillis(longestPauseNanos))
            .put("checked", checked)
            .put("ended", ended)
            .buildOrThrow());
  }

  static void refused(Path directory, String why) {
    write(directory, ImmutableMap.of("refused", why));
  }

  private static void write(Path directory, ImmutableMap<String, Object> progress) {
    try {
      Path file = directory.resolve("progress.new");
      Files.writeString(file, Json.write(progress));
      Files.move(file, directory.resolve("progress"), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
