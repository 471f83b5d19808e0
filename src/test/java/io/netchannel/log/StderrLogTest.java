package io.netchannel.log;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.AsyncAppender;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.CoreConstants;
import java.time.Instant;
import java.util.ServiceLoader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The order on stderr itself is seen by DaemonCommandTest and EndAtOnceTest, in real processes. */
final class StderrLogTest {
  private final LoggerContext context = new LoggerContext();

  @AfterEach
  void stop() {
    if (context.getObject(CoreConstants.SHUTDOWN_HOOK_THREAD) instanceof Thread hook) {
      assertThat(Runtime.getRuntime().removeShutdownHook(hook)).isTrue();
    }
    context.stop();
  }

  private String pattern(LoggingEvent event) {
    PatternLayout layout = new PatternLayout();
    layout.setContext(context);
    layout.setPattern(LogLine.PATTERN);
    layout.start();
    return layout.doLayout(event);
  }

  private LoggingEvent event(String logger, Level level, Throwable thrown) {
    LoggingEvent event =
        new LoggingEvent(
            "", context.getLogger(logger), level, "{} of {}", thrown, new Object[] {1, "two\n"});
    event.setInstant(Instant.parse("2026-11-29T03:04:05.006789Z"));
    event.setThreadName("mid-point g1(1)/xvdb");
    return event;
  }

  @Test
  void linesAreAsThePatternHasThem() {
    LogLine lines = new LogLine();
    Throwable thrown =
        new IllegalStateException("outer", new RuntimeException(new Error("innermost")));
    thrown.addSuppressed(new IllegalArgumentException("beside"));
    for (Level level : new Level[] {Level.ERROR, Level.WARN, Level.INFO, Level.DEBUG}) {
      for (String logger : new String[] {"io.netchannel.daemon.Host", "unnamed", "odd."}) {
        for (Throwable each : new Throwable[] {null, thrown, new Error()}) {
          LoggingEvent event = event(logger, level, each);
          assertThat(lines.doLayout(event)).isEqualTo(pattern(event));
        }
      }
    }
    assertThat(lines.doLayout(event("io.netchannel.daemon.Host", Level.INFO, null)))
        .endsWith(".006 INFO  1 of two\n [Host, mid-point g1(1)/xvdb]" + System.lineSeparator());
  }

  @Test
  void oursAreToldFromInformationOnOthersFromWarnings() {
    StderrLog.set(context);
    assertThat(context.getLogger("io.netchannel.daemon.Host").getEffectiveLevel())
        .isEqualTo(Level.INFO);
    assertThat(context.getLogger("io.netty").getEffectiveLevel()).isEqualTo(Level.WARN);
  }

  @Test
  void aQueueStandsBeforeStderrAndDropsNothing() {
    StderrLog.set(context);
    AsyncAppender queue =
        (AsyncAppender) context.getLogger(Logger.ROOT_LOGGER_NAME).getAppender("queue");
    assertThat(queue.isStarted()).isTrue();
    assertThat(queue.getQueueSize()).isEqualTo(StderrLog.QUEUED_LINES);
    assertThat(queue.getDiscardingThreshold()).isZero();
    assertThat(queue.isNeverBlock()).isFalse();
    ConsoleAppender<?> stderr = (ConsoleAppender<?>) queue.getAppender("stderr");
    assertThat(stderr.isStarted()).isTrue();
    assertThat(stderr.getTarget()).isEqualTo("System.err");
  }

  /** The daemon takes this hook away, and does at its own end what the hook would have. */
  @Test
  void whatIsQueuedIsWrittenAtTheEndOfTheProcess() {
    StderrLog.set(context);
    assertThat(context.getObject(CoreConstants.SHUTDOWN_HOOK_THREAD)).isInstanceOf(Thread.class);
  }

  @Test
  void logbackFindsItAndItStandsBackForTheFileOfTests() {
    assertThat(ServiceLoader.load(Configurator.class)).hasAtLeastOneElementOfType(StderrLog.class);
    assertThat(new StderrLog().configure(context))
        .isEqualTo(Configurator.ExecutionStatus.INVOKE_NEXT_IF_ANY);
    assertThat(context.getLogger(Logger.ROOT_LOGGER_NAME).getAppender("queue")).isNull();
  }
}
