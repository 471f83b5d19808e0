package io.netchannel.log;

import ch.qos.logback.classic.pattern.ThrowableProxyConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.LayoutBase;
import ch.qos.logback.core.util.CachingDateFormatter;

/** One line of the log, and below it the stack trace of what was thrown: as {@link #PATTERN}. */
final class LogLine extends LayoutBase<ILoggingEvent> {
  /**
   * What it looks like in logback's words, which a test compares it with. They would be read, and
   * all words that there are be loaded, each time a daemon starts.
   */
  static final String PATTERN = "%d{HH:mm:ss.SSS} %-5level %msg [%logger{0}, %thread]%n%ex";

  private static final int LEVEL_WIDTH = 5;

  private final CachingDateFormatter time = new CachingDateFormatter("HH:mm:ss.SSS");

  /** Null before something thrown is logged. Used by one thread at a time, as logback's are. */
  private ThrowableProxyConverter thrown;

  @Override
  public String doLayout(ILoggingEvent event) {
    String level = event.getLevel().toString();
    String logger = event.getLoggerName();
    StringBuilder line =
        new StringBuilder()
            .append(time.format(event.getTimeStamp()))
            .append(' ')
            .append(level)
            .append(" ".repeat(Math.max(0, LEVEL_WIDTH - level.length())))
            .append(' ')
            .append(event.getFormattedMessage())
            .append(" [")
            .append(logger, logger.lastIndexOf('.') + 1, logger.length())
            .append(", ")
            .append(event.getThreadName())
            .append(']')
            .append(System.lineSeparator());
    if (event.getThrowableProxy() != null) {
      line.append(thrown().convert(event));
    }
    return line.toString();
  }

  private ThrowableProxyConverter thrown() {
    if (thrown == null) {
      thrown = new ThrowableProxyConverter();
      thrown.start();
    }
    return thrown;
  }
}
