package io.netchannel.daemon;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.core.Context;
import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.MoreExecutors;
import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.log.StderrLog;
import io.netchannel.threads.LastResort;
import io.netchannel.xen.Waiting;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A process one of whose vital threads ends. */
@Timeout(120)
final class EndAtOnceTest {
  private static final long BOUND_SECONDS = 60;

  @TempDir private Path directory;

  /** What reads the log of that process. */
  enum Reader {
    READS,
    /** Not before the process waits for its last words. */
    LATE,
    /** And more is logged than the log keeps. */
    HUNG
  }

  /** That process: a daemon of which only the end is there. */
  static final class Dying {
    private static final Logger log = LoggerFactory.getLogger(Dying.class);

    private Dying() {}

    public static void main(String[] arguments) throws Exception {
      LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
      context.reset();
      StderrLog.set(context); // and not as tests log
      Reader reader = Reader.valueOf(arguments[0]);
      PrintStream real = System.err;
      System.setErr(new PrintStream(new Slow(reader, real), true, UTF_8));
      LastResort last = LastResort.install(NetchannelDaemon::endAtOnce);
      Runtime.getRuntime()
          .addShutdownHook(new Thread(() -> real.println("a shutdown hook has run")));
      if (reader == Reader.HUNG) {
        fillLog();
      }
      Thread thread = LastResort.vital("xen-events", Dying::loop);
      thread.start();
      new CountDownLatch(1).await();
      last.close();
    }

    private static void loop() {
      throw new StackOverflowError("of a test");
    }

    /** Returns when whoever logs one more line has to wait. */
    private static void fillLog() {
      Thread talker =
          new Thread(
              () -> {
                while (true) {
                  log.warn("of a test");
                }
              },
              "talker");
      talker.start();
      Waiting.until("the log is full", () -> talker.getState() == Thread.State.WAITING);
    }

    private static boolean waitsForLastWords() {
      return Thread.getAllStackTraces().values().stream()
          .flatMap(Arrays::stream)
          .anyMatch(
              frame ->
                  frame.getClassName().equals(LoggerContext.class.getName())
                      && frame.getMethodName().equals("stop"));
    }
  }

  private static final class Slow extends FilterOutputStream {
    private final Reader reader;

    private Slow(Reader reader, OutputStream out) {
      super(out);
      this.reader = reader;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      switch (reader) {
        case READS -> {}
        case LATE -> Waiting.until("the end of the process", Dying::waitsForLastWords);
        case HUNG -> Uninterruptibles.awaitUninterruptibly(new CountDownLatch(1));
      }
      out.write(bytes, offset, length);
    }
  }

  private static String classes() {
    return ImmutableSet.of(
            Dying.class,
            NetchannelDaemon.class,
            MoreExecutors.class,
            Logger.class,
            LoggerContext.class,
            Context.class)
        .stream()
        .map(Class::getProtectionDomain)
        .map(domain -> Path.of(URI.create(domain.getCodeSource().getLocation().toString())))
        .map(Path::toString)
        .distinct()
        .collect(Collectors.joining(":"));
  }

  /**
   * @return what is in its log, when it has ended with the status that says so
   */
  private String logOf(Reader reader) throws Exception {
    // Into a file: to read from a process that does not end could not be interrupted.
    Path log = directory.resolve("log");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                classes(),
                Dying.class.getName(),
                reader.name())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertThat(process.waitFor(BOUND_SECONDS, TimeUnit.SECONDS)).as("it ends").isTrue();
    } finally {
      process.destroyForcibly();
    }
    String text = Files.readString(log);
    assertThat(process.exitValue()).as(text).isEqualTo(3);
    assertThat(text).doesNotContain("a shutdown hook has run");
    return text;
  }

  /** The log is written by a thread of its own. */
  @ParameterizedTest
  @EnumSource(names = {"READS", "LATE"})
  void theProcessEndsWithStatus3AndSaysWhy(Reader reader) throws Exception {
    assertThat(logOf(reader))
        .contains("thread xen-events has ended by an error")
        .contains("StackOverflowError: of a test");
  }

  @Test
  void itEndsAlsoWhenWhoReadsTheLogHasStoppedTo() throws Exception {
    assertThat(logOf(Reader.HUNG)).isEmpty();
  }
}
