package io.netchannel.device;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ErrorLogTest {
  private long nowNanos;

  @Test
  void logsTheFirstOfEachKindAndThenOncePerInterval() {
    LoggerContext context = new LoggerContext();
    Logger logger = context.getLogger("test");
    ListAppender<ILoggingEvent> appender = new ListAppender<>();
    appender.start();
    logger.addAppender(appender);
    ErrorLog errors = new ErrorLog(logger, () -> nowNanos);

    for (int i = 0; i < 1000; i++) {
      errors.report("write failed: EIO", "offset " + i);
    }
    errors.report("read failed: EIO", "offset 7");
    nowNanos += ErrorLog.INTERVAL_NANOS;
    errors.report("write failed: EIO", "offset 1000");
    errors.report("write failed: EIO", "offset 1001");

    List<String> messages = appender.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
    assertThat(messages)
        .containsExactly(
            "write failed: EIO: offset 0",
            "read failed: EIO: offset 7",
            "write failed: EIO: offset 1000; 999 more of these since the last message");
  }
}
