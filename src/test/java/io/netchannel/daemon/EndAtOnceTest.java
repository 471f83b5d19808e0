package io.netchannel.daemon;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.core.Context;
import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.MoreExecutors;
import io.netchannel.log.StderrLog;
import io.netchannel.threads.LastResort;
import java.net.URI;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A process one of whose vital threads ends. */
@Timeout(120)
final class EndAtOnceTest {
  /** That process: a daemon of which only the end is there. */
  static final class Dying {
    private Dying() {}

    public static void main(String[] arguments) throws Exception {
      LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
      context.reset();
      StderrLog.set(context); // and not as tests log
      LastResort last = LastResort.install(NetchannelDaemon::endAtOnce);
      Runtime.getRuntime()
          .addShutdownHook(new Thread(() -> System.err.println("a shutdown hook has run")));
      Thread thread = LastResort.vital("xen-events", Dying::loop);
      thread.start();
      new CountDownLatch(1).await();
      last.close();
    }

    private static void loop() {
      throw new StackOverflowError("of a test");
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

  @Test
  void theProcessEndsWithStatus3AndSaysWhy() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                classes(),
                Dying.class.getName())
            .redirectErrorStream(true)
            .start();
    String log = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertThat(process.waitFor()).as(log).isEqualTo(3);
    assertThat(log)
        .contains("thread xen-events has ended by an error")
        .contains("StackOverflowError: of a test")
        .doesNotContain("a shutdown hook has run");
  }
}
