package io.netchannel.log;

import ch.qos.logback.classic.AsyncAppender;
import ch.qos.logback.classic.ClassicConstants;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import ch.qos.logback.core.hook.DefaultShutdownHook;
import ch.qos.logback.core.joran.spi.ConsoleTarget;
import ch.qos.logback.core.spi.ContextAwareBase;
import ch.qos.logback.core.status.NopStatusListener;
import ch.qos.logback.core.util.ContextUtil;

/**
 * Logs to stderr: systemd's journal adds time, host and unit. Logback finds it as a service and
 * asks it first; it stands back for logback's own ways, a file named by
 * -Dlogback.configurationFile, or tests' logback-test.xml.
 */
public final class StderrLog extends ContextAwareBase implements Configurator {
  /** Bursts, at a migration for example; a thread that finds it full waits. */
  static final int QUEUED_LINES = 1024;

  @Override
  public ExecutionStatus configure(LoggerContext context) {
    if (System.getProperty(ClassicConstants.CONFIG_FILE_PROPERTY) != null
        || StderrLog.class.getResource("/" + ClassicConstants.TEST_AUTOCONFIG_FILE) != null) {
      return ExecutionStatus.INVOKE_NEXT_IF_ANY;
    }
    set(context);
    return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
  }

  /** As {@link #configure}, whatever else there is. The context is a new one, or was reset. */
  public static void set(LoggerContext context) {
    context.getStatusManager().add(new NopStatusListener()); // nothing of logback's own affairs
    context.getLogger("io.netchannel").setLevel(Level.INFO);
    Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    root.setLevel(Level.WARN);
    root.addAppender(queue(context, stderr(context)));
    DefaultShutdownHook hook = new DefaultShutdownHook();
    hook.setContext(context);
    new ContextUtil(context).addOrReplaceShutdownHook(hook);
  }

  private static ConsoleAppender<ILoggingEvent> stderr(LoggerContext context) {
    LogLine lines = new LogLine();
    lines.setContext(context);
    lines.start();
    LayoutWrappingEncoder<ILoggingEvent> encoder = new LayoutWrappingEncoder<>();
    encoder.setContext(context);
    encoder.setLayout(lines);
    encoder.start();
    ConsoleAppender<ILoggingEvent> stderr = new ConsoleAppender<>();
    stderr.setContext(context);
    stderr.setName("stderr");
    stderr.setTarget(ConsoleTarget.SystemErr.getName());
    stderr.setEncoder(encoder);
    stderr.start();
    return stderr;
  }

  /**
   * Written by a thread of its own: a guest that stands still does not wait for the journal.
   * Nothing is dropped.
   */
  private static AsyncAppender queue(LoggerContext context, ConsoleAppender<ILoggingEvent> stderr) {
    AsyncAppender queue = new AsyncAppender();
    queue.setContext(context);
    queue.setName("queue");
    queue.setQueueSize(QUEUED_LINES);
    queue.setDiscardingThreshold(0);
    queue.addAppender(stderr);
    queue.start();
    return queue;
  }
}
